"""Our requests as the Messages API takes them. Nothing here does I/O."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pegboard import (
    ChatRequest,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from pegboard.errors import InvalidRequest, Unsupported

from ._schema import fitted
from ._thinking import thinking_fields
from .profiles import profile_of

if TYPE_CHECKING:
    from .options import AnthropicOptions

Block = dict[str, Any]

PROVIDER = "anthropic"
COUNTED = frozenset(
    {"messages", "model", "output_config", "system", "thinking", "tool_choice", "tools"}
)
"""The fields of a request that tell how long it is."""
CHOICES: Mapping[str, Block] = {
    "required": {"type": "any"},
    "none": {"type": "none"},
}
NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")
ONLY_JSON = (
    "Answer with one JSON value that fits this JSON Schema, and with nothing else: "
    "no explanation and no code fence.\n\n"
)
"""Stands before a schema that the service cannot hold a reply to."""


def body_of(request: ChatRequest, options: AnthropicOptions) -> dict[str, Any]:
    """
    Return *request* as the API wants it.

    Raises:
        InvalidRequest: The API has no words for something in it.

    """
    asked = request.max_tokens
    body = _without_empty(
        model=request.model or options.model,
        max_tokens=options.max_tokens if asked is None else asked,
        system=[*_system(request.messages)],
        messages=_turns(request.messages),
        stop_sequences=list(request.stop),
        tools=[_tool(tool) for tool in request.tools],
        tool_choice=_tool_choice(request),
        **_sampling(request, options),
    )
    body |= thinking_fields(request, body, options)
    if request.schema is not None:
        _ask_for_json(body, request.schema)
    if options.cache != "off":
        _mark_for_cache(body, {"type": "ephemeral", "ttl": options.cache})
    return joined(body, request.extra.get(PROVIDER, {}))


def continued(body: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return *body* so that the *answer*, whose turn is paused, goes on."""
    so_far = {"role": "assistant", "content": answer["content"]}
    messages = [*body["messages"], so_far]
    place = answer.get("container")
    same = {"container": place["id"]} if place else {}
    return {**body, "messages": messages, **same}


def encoded(body: Mapping[str, Any]) -> bytes:
    """
    Return *body* as JSON.

    Raises:
        InvalidRequest: Something in it cannot be written as JSON.

    """
    try:
        return _ENCODER.encode(body).encode()
    except (TypeError, ValueError) as error:
        msg = f"The request cannot be written as JSON: {error}."
        raise InvalidRequest(msg, request_sent="no") from error


def joined(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return *body* with *extra* over it; objects and lists in both are joined."""
    return {**body, **{name: _over(body.get(name), extra[name]) for name in extra}}


def _over(ours: Any, theirs: Any) -> Any:
    if isinstance(ours, dict) and isinstance(theirs, Mapping):
        return {**ours, **theirs}
    if isinstance(ours, list) and isinstance(theirs, list):
        return [*ours, *theirs]
    return theirs


def _system(messages: Iterable[Message]) -> Iterator[Block]:
    for message in messages:
        if message.role == "system" and message.text:
            yield {"type": "text", "text": message.text}


def _turns(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Return *messages* as turns that alternate, each with something in it."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        role = "assistant" if message.role == "assistant" else "user"
        content = [] if message.role == "system" else [*_blocks(message.parts)]
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += content
        elif content:
            turns.append({"role": role, "content": content})
    return turns


def _blocks(parts: Iterable[Part]) -> Iterator[Block]:
    """Yield *parts* as blocks, results of tools first, as the API demands."""
    ordered = sorted(parts, key=lambda part: not isinstance(part, ToolResult))
    for part in ordered:
        block = BLOCKS[type(part)](part)
        if block:
            yield block


def _text(part: Text) -> Block | None:
    """Return words; the API refuses blocks without any."""
    plain = {"type": "text", "text": part.text} if part.text else None
    block: Block | None = _own(part).get("block", plain)
    return block


def _image(part: Image) -> Block:
    return {"type": "image", "source": _source(part)}


def _file(part: File) -> Block:
    document = {"type": "document", "title": part.name}
    if part.media_type.startswith("text/") and isinstance(part.source, bytes):
        words = part.source.decode(errors="replace")
        source = {"type": "text", "media_type": "text/plain", "data": words}
        return {**document, "source": source}
    if part.media_type == "application/pdf":
        return {**document, "source": _source(part)}
    msg = (
        f"The API takes no file of the type {part.media_type!r}. "
        "It takes application/pdf, and the bytes of text."
    )
    raise Unsupported(msg)


def _source(part: Image | File) -> Block:
    if isinstance(part.source, str):
        return {"type": "url", "url": part.source}
    text = b64encode(part.source).decode()
    return {"type": "base64", "media_type": part.media_type, "data": text}


def _thought(part: Reasoning) -> Block | None:
    """Return the block as it came; thoughts of others have no signature."""
    block: Block | None = _own(part).get("block")
    return block


def _call(part: ToolCall) -> Block:
    call = {"type": "tool_use", "id": _call_id(part.id), "name": part.name}
    return {**call, "input": dict(part.arguments), **_own(part)}


def _result(part: ToolResult) -> Block:
    result = {"type": "tool_result", "tool_use_id": _call_id(part.call_id)}
    failed = {"is_error": True} if part.is_error else {}
    return {**result, "content": part.content, **failed}


def _call_id(name: str) -> str:
    """Return *name* as the API takes it; another service may have given it."""
    return NOT_IN_IDS.sub("_", name)


BLOCKS: Mapping[type, Callable[[Any], Block | None]] = {
    Text: _text,
    Image: _image,
    File: _file,
    Reasoning: _thought,
    ToolCall: _call,
    ToolResult: _result,
}


def _own(part: Text | Reasoning | ToolCall) -> Any:
    return part.provider_metadata.get(PROVIDER, {})


def _tool(tool: Tool) -> Block:
    described = {"description": tool.description} if tool.description else {}
    return {"name": tool.name, **described, "input_schema": tool.parameters}


def _tool_choice(request: ChatRequest) -> Block | None:
    choice = request.tool_choice
    if choice == "auto" or not request.tools:
        return None
    return CHOICES.get(choice) or {"type": "tool", "name": choice}


def _sampling(request: ChatRequest, options: AnthropicOptions) -> dict[str, Any]:
    """Return what the settings' model may take, but another one perhaps not."""
    given = {"temperature": request.temperature, "top_p": request.top_p}
    asked = {name: value for name, value in given.items() if value is not None}
    model = request.model or options.model
    if asked and not profile_of(model).sampling:
        msg = f"{model} does not take {', '.join(asked)}. Leave it out."
        raise Unsupported(msg)
    return asked


def _ask_for_json(body: dict[str, Any], schema: Mapping[str, Any]) -> None:
    known = fitted(schema)
    if known is not None:
        output = {"format": {"type": "json_schema", "schema": known}}
        body["output_config"] = {**body.get("output_config", {}), **output}
        return
    told = ONLY_JSON + _ENCODER.encode(schema)
    body["system"] = [*body.get("system", ()), {"type": "text", "text": told}]


def _mark_for_cache(body: dict[str, Any], mark: Block) -> None:
    """Have kept what all conversations share, and the conversation so far."""
    shared = body.get("system") or body.get("tools")
    if shared:
        shared[-1] = {**shared[-1], "cache_control": mark}
    body["cache_control"] = mark


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    msg = f"{type(value).__name__} is no JSON"
    raise TypeError(msg)


def _without_empty(**fields: Any) -> dict[str, Any]:
    """Return the *fields* that say something; there are always messages."""
    return {
        name: value
        for name, value in fields.items()
        if value not in (None, []) or name == "messages"
    }


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain
)
