"""Our requests as the Messages API takes them. Nothing here does I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pegboard.errors import InvalidRequest, Unsupported

from ._blocks import PROVIDER, Block, blocks_of
from ._schema import fitted
from ._thinking import thinking_fields
from .profiles import profile_of

if TYPE_CHECKING:
    from pegboard import ChatRequest, Message, Tool

    from .options import AnthropicOptions

COUNTED = frozenset(
    {"messages", "model", "output_config", "system", "thinking", "tool_choice", "tools"}
)
"""The fields of a request that tell how long it is."""
CHOICES: Mapping[str, Block] = {
    "required": {"type": "any"},
    "none": {"type": "none"},
}
SEARCH: Block = {"type": "web_search_20250305", "name": "web_search"}
"""The tool that searches the web; later ones run code, too, and are not for all."""
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
        tools=[*_tools(request, options)],
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
        content = [] if message.role == "system" else [*blocks_of(message.parts)]
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += content
        elif content:
            turns.append({"role": role, "content": content})
    return turns


def _tools(request: ChatRequest, options: AnthropicOptions) -> Iterator[Block]:
    for tool in request.tools:
        strict = fitted(tool.parameters) if options.strict_tools else None
        yield _tool(tool, strict)
    if request.web_search:
        yield SEARCH


def _tool(tool: Tool, strict: Mapping[str, Any] | None) -> Block:
    described = {"description": tool.description} if tool.description else {}
    named = {"name": tool.name, **described}
    if strict is None:
        return {**named, "input_schema": tool.parameters}
    return {**named, "input_schema": strict, "strict": True}


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
