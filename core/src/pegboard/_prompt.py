"""What programs say to a language model, as the request that is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from ._suggest import suggest
from .contracts.chat import (
    ChatRequest,
    File,
    Image,
    Message,
    Tool,
    ToolCall,
    ToolResult,
    Vendor,
)
from .errors import InvalidRequest
from .schema import checked_schema

Prompt = str | Message | Sequence[Message]

CAPABILITY_OF = {
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "stop": "stop",
    "reasoning_effort": "reasoning_effort",
    "schema": "json_schema",
    "tools": "tools",
}
"""What a provider must claim for a parameter to be sent."""
DROPPABLE: Mapping[str, Any] = {
    "temperature": None,
    "top_p": None,
    "seed": None,
    "stop": (),
    "reasoning_effort": None,
}
"""Parameters without which a reply still is what was asked for, each left out."""


class Parameters(TypedDict, total=False):
    """How a reply should be. What is left out is left to the provider."""

    system: str
    """Instructions, put before the messages."""
    model: str
    """Another model of the same provider than the settings say."""
    max_tokens: int
    temperature: float
    top_p: float
    seed: int
    stop: str | Sequence[str]
    reasoning_effort: str
    schema: Mapping[str, Any]
    """JSON Schema that the reply must fit."""
    tools: Sequence[Tool]
    tool_choice: str
    """``auto``, ``required``, ``none``, or the name of one of the tools."""
    extra: Vendor
    """Vendor parameters by provider name."""


def request_of(prompt: Prompt, parameters: Parameters) -> ChatRequest:
    """Return the request that *prompt* and *parameters* make."""
    given: dict[str, Any] = dict(parameters)
    unknown = given.keys() - Parameters.__annotations__
    if unknown:
        name = min(unknown)
        known = suggest(name, Parameters.__annotations__)
        msg = f"There is no parameter {name!r}. {known}"
        raise InvalidRequest(msg, request_sent="no")
    system = given.pop("system", None)
    stop = given.pop("stop", ())
    if "schema" in given:
        checked_schema(given["schema"])
    return ChatRequest(
        messages=_messages(prompt, system),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        tools=tuple(given.pop("tools", ())),
        **given,
    )


def _messages(prompt: Prompt, system: str | None) -> tuple[Message, ...]:
    first = () if system is None else (Message.of("system", system),)
    if isinstance(prompt, str):
        return (*first, Message.of("user", prompt))
    messages = (prompt,) if isinstance(prompt, Message) else tuple(prompt)
    if messages:
        return (*first, *messages)
    msg = "The conversation is empty. Pass text or at least one message."
    raise InvalidRequest(msg, request_sent="no")


def needs_of(request: ChatRequest) -> Iterable[tuple[str, str]]:
    """Yield what *request* uses, with the capability that it takes."""
    for name, capability in CAPABILITY_OF.items():
        if getattr(request, name) not in (None, ()):
            yield name, capability
    parts = [part for message in request.messages for part in message.parts]
    for kind, capability in (
        (Image, "images"),
        (File, "files"),
        (ToolCall | ToolResult, "tools"),
    ):
        if any(isinstance(part, kind) for part in parts):
            yield capability, capability
