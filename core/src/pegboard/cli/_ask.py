"""``pegboard ask``: a question to a language model, its answer as it arrives."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pegboard.contracts.chat import Reply
from pegboard.errors import CallError, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pegboard import LLM, ReplyStream, Usage
    from pegboard._models.prompt import Parameters

    from ._place import Place

    Report = Callable[[Reply], None]

CONTROLS = dict.fromkeys({*range(32), *range(127, 160)} - {ord("\t"), ord("\n")})
"""The characters with which an answer could command the terminal."""


def run(
    place: Place,
    *,
    prompt: tuple[str, ...],
    llm: str,
    schema_file: str | None,
    usage: bool,
    **parameters: Any,
) -> None:
    """Print the answer to *prompt*."""
    given: Any = {
        name: value for name, value in parameters.items() if value is not None
    }
    if schema_file is not None:
        given["schema"] = _schema(Path(schema_file))
    asyncio.run(_ask(place, llm, _question(prompt), given, shows_usage=usage))


async def _ask(
    place: Place,
    name: str,
    question: str,
    parameters: Parameters,
    *,
    shows_usage: bool,
) -> None:
    async with place.board() as board:
        llm = board.llm(name)
        report: Report = _nothing
        if shows_usage:
            provider = board.explain(llm.address).provider
            report = partial(_report, llm.address, provider, time.perf_counter())
        stream = _stream(llm, question, parameters)
        if stream is None:
            await _write_whole(llm, question, parameters, report)
        else:
            await _write_pieces(stream, report)


def _stream(llm: LLM, question: str, parameters: Parameters) -> ReplyStream | None:
    """Return the answer as a stream, if it can be one."""
    if "schema" in parameters:
        return None
    try:
        return llm.stream(question, **parameters)
    except Unsupported:  # if it is not the streaming, complete will say the same
        return None


async def _write_pieces(stream: ReplyStream, report: Report) -> None:
    async with stream:
        try:
            async for words in stream.text:
                _write(words)
        finally:
            with suppress(BrokenPipeError):  # nobody is there who would miss it
                _end_line(stream.reply.text)
            report(stream.reply)


async def _write_whole(
    llm: LLM, question: str, parameters: Parameters, report: Report
) -> None:
    try:
        reply = await llm.complete(question, **parameters)
    except CallError as error:
        if isinstance(error.partial, Reply):
            report(error.partial)
        raise
    text = _indented(reply.text) if "schema" in parameters else reply.text
    _write(text)
    _end_line(text)
    report(reply)


def _write(text: str) -> None:
    try:
        sys.stdout.write(text.translate(CONTROLS) if sys.stdout.isatty() else text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        msg = f"The answer cannot be written: {error.strerror}."
        raise click.ClickException(msg) from error


def _end_line(text: str) -> None:
    if text and not text.endswith("\n"):
        _write("\n")


def _indented(text: str) -> str:
    return json.dumps(json.loads(text), indent=2, ensure_ascii=False)


def _nothing(_: Reply) -> None:
    """Report nothing."""


def _report(address: str, provider: str, started: float, reply: Reply) -> None:
    """Say on stderr who answered, with how many tokens, in which time."""
    seconds = time.perf_counter() - started
    written = reply.usage.output + reply.usage.reasoning
    facts = (
        address,
        provider,
        reply.model,
        *_buckets(reply.usage),
        f"{seconds:.2f} s",
        f"{written / seconds:.1f} tokens/s",
        "cut off" if reply.finish_reason == "cut" else "",
    )
    click.echo(", ".join(filter(None, facts)), err=True)


def _buckets(usage: Usage) -> Iterable[str]:
    about = "about " if usage.estimated else ""
    names = "input", "cache_read", "cache_write", "output", "reasoning"
    for name in names:
        if tokens := getattr(usage, name):
            yield f"{name} {about}{tokens}"


def _question(words: tuple[str, ...]) -> str:
    """Return the prompt, after it what is piped in."""
    said = "" if words == ("-",) else " ".join(words)
    text = "\n\n".join(filter(None, (said, _piped(is_needed=not said))))
    if text.strip():
        return text
    msg = "There is nothing to ask. Give a PROMPT, or pipe text in."
    raise click.UsageError(msg)


def _piped(*, is_needed: bool) -> str:
    if sys.stdin is None or (sys.stdin.isatty() and not is_needed):
        return ""
    if sys.stdin.isatty():
        click.echo("Type the prompt, then Ctrl-D.", err=True)
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        msg = f"What is piped in is not UTF-8 text: {error}"
        raise click.UsageError(msg) from error


def _schema(file: Path) -> Mapping[str, Any]:
    try:
        schema = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{file} cannot be read as JSON: {error}"
        raise click.UsageError(msg) from error
    if isinstance(schema, dict):
        return schema
    msg = f"{file} holds no JSON Schema: that is a JSON object."
    raise click.UsageError(msg)
