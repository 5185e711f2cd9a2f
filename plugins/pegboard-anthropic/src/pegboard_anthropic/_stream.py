"""Events of a stream of the Messages API as ours. Nothing here does I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pegboard import (
    Finished,
    PartDone,
    Reasoning,
    ReasoningDelta,
    StreamEvent,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageSoFar,
)
from pegboard.errors import ConnectionFailed, InvalidReply
from pydantic_core import from_json

from ._blocks import PROVIDER, Block
from ._errors import reported
from ._reply import PAUSED, finish_reason, metadata, part_of, usage_of

Json = Mapping[str, Any]
Events = tuple[StreamEvent, ...]
NOTHING = Text("")


class _Draft:
    """A block that is being written."""

    def __init__(self, start: Json) -> None:
        self.start = start
        self.texts: list[str] = []
        self.arguments: list[str] = []
        self.signature = ""
        self.citations: list[Any] = []

    def whole(self) -> Block:
        """Return the block as an answer that is no stream would have it."""
        block = {**self.start}
        kind = block["type"]
        if kind in {"text", "thinking"}:
            block[kind] = (block.get(kind) or "") + "".join(self.texts)
        if self.arguments:
            block["input"] = _arguments(block.get("name"), "".join(self.arguments))
        if self.signature:
            block["signature"] = self.signature
        if self.citations:
            block["citations"] = self.citations
        return block


class StreamReader:
    """Makes events of the events of one stream."""

    def __init__(self, before: Usage) -> None:
        """Read a stream that goes on where others, which took *before*, paused."""
        self._before = before
        self._answer: dict[str, Any] = {}
        self._drafts: dict[int, _Draft] = {}
        self._content: list[Block] = []
        self._told_usage = False
        self._ended = False

    @property
    def answer(self) -> dict[str, Any]:
        """The whole answer."""
        return {**self._answer, "content": self._content}

    @property
    def is_paused(self) -> bool:
        """Whether the answer goes on when it is sent back."""
        return self._answer.get("stop_reason") == PAUSED

    def read(self, events: Iterable[bytes]) -> Iterator[StreamEvent]:
        """
        Yield what *events*, which are JSON, bring.

        Raises:
            CallError: An event says that the request failed.
            ValueError: An event is not JSON.

        """
        for event in events:
            if event:
                yield from self._told(from_json(event))

    def _told(self, event: Any) -> Events:
        found = self._read(event)
        if found and not self._told_usage:
            # Not before: until something was said, the stream can be asked for again.
            self._told_usage = True
            return (UsageSoFar(self._usage()), *found)
        return found

    def finish(self) -> Finished:
        """
        Return the last event of the stream.

        Raises:
            ConnectionFailed: The stream ended before the reply did.

        """
        if not self._ended:
            msg = "The stream ended before the reply did."
            raise ConnectionFailed(msg)
        return Finished(
            finish_reason=finish_reason(self._answer.get("stop_reason")),
            model=self._answer["model"],
            usage=self._usage(),
            provider_metadata={PROVIDER: metadata(self._answer)},
        )

    def _read(self, event: Json) -> Events:
        kind = event["type"]
        if kind == "content_block_delta":
            draft, delta = self._drafts[event["index"]], event["delta"]
            return DELTAS.get(delta["type"], _unknown)(draft, delta)
        if kind == "content_block_start":
            return self._start(event["index"], event["content_block"])
        if kind == "content_block_stop":
            return self._stop(event["index"])
        self._frame(kind, event)
        return ()

    def _frame(self, kind: str, event: Json) -> None:
        """Take in what is about the whole message."""
        if kind == "message_start":
            self._answer = dict(event["message"])
        elif kind == "message_delta":
            self._end(event)
        elif kind == "message_stop":
            self._ended = True
        elif kind == "error":
            raise reported(event)

    def _start(self, index: int, block: Json) -> Events:
        self._drafts[index] = _Draft(block)
        if block["type"] == "tool_use":
            return (ToolCallDelta(block["id"], block["name"], ""),)
        if block["type"] == "text" and block.get("text"):
            return (TextDelta(block["text"]),)
        return ()

    def _stop(self, index: int) -> Events:
        block = self._drafts.pop(index).whole()
        self._content.append(block)
        part = part_of(block)
        if part == NOTHING or not isinstance(part, Text | Reasoning | ToolCall):
            return ()
        return (PartDone(part),)

    def _end(self, event: Json) -> None:
        """Take in the last word: totals, and what had no value before."""
        total = {k: v for k, v in (event.get("usage") or {}).items() if v is not None}
        self._answer |= {k: v for k, v in event["delta"].items() if v is not None}
        self._answer["usage"] = {**(self._answer.get("usage") or {}), **total}

    def _usage(self) -> Usage:
        return self._before + usage_of(self._answer.get("usage") or {})


def _text(draft: _Draft, delta: Json) -> Events:
    draft.texts.append(delta["text"])
    return (TextDelta(delta["text"]),)


def _thinking(draft: _Draft, delta: Json) -> Events:
    draft.texts.append(delta["thinking"])
    return (ReasoningDelta(delta["thinking"]),)


def _signature(draft: _Draft, delta: Json) -> Events:
    draft.signature += delta["signature"]
    return ()


def _citation(draft: _Draft, delta: Json) -> Events:
    draft.citations.append(delta["citation"])
    return ()


def _input(draft: _Draft, delta: Json) -> Events:
    piece, call = delta["partial_json"], draft.start
    draft.arguments.append(piece)
    if call["type"] != "tool_use":  # a tool that the service itself calls
        return ()
    return (ToolCallDelta(call["id"], call["name"], piece),)


def _unknown(_draft: _Draft, _delta: Json) -> Events:
    return ()


DELTAS: Mapping[str, Callable[[_Draft, Json], Events]] = {
    "text_delta": _text,
    "thinking_delta": _thinking,
    "signature_delta": _signature,
    "citations_delta": _citation,
    "input_json_delta": _input,
}


def _arguments(name: str | None, text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError as error:
        msg = (
            f"The model's arguments for the tool {name!r} are not JSON: {error}. "
            "If the reply was cut off, raise max_tokens."
        )
        raise InvalidReply(msg) from error
