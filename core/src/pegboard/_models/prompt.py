"""What programs say to a language model, as the request that is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict

from pegboard._suggest import suggest
from pegboard.contracts.chat import (
    ChatRequest,
    File,
    Image,
    Message,
    Tool,
    ToolCall,
    ToolResult,
    Vendor,
)
from pegboard.errors import InvalidRequest
from pegboard.schema import checked_schema
from pegboard.tools import as_tools

Prompt = str | Message | Sequence[Message]

CAPABILITY_OF = {
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "stop": "stop",
    "reasoning_effort": "reasoning_effort",
    "schema": "json_schema",
    "tools": "tools",
    "web_search": "web_search",
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

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""What services understand by ``reasoning_effort``, not each one all of it."""
CHOICES = frozenset({"auto", "none", "required"})
OURS = {
    "effort": "reasoning_effort",
    "format": "schema",
    "function_call": "tool_choice",
    "functions": "tools",
    "input": "prompt",
    "instructions": "system",
    "max_completion_tokens": "max_tokens",
    "max_new_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "max_tokens_to_sample": "max_tokens",
    "messages": "prompt",
    "model_name": "model",
    "num_predict": "max_tokens",
    "output_schema": "output",
    "output_type": "output",
    "response_format": "output",
    "response_model": "output",
    "response_schema": "output",
    "stop_sequences": "stop",
    "system_instruction": "system",
    "system_prompt": "system",
    "text_format": "output",
    "thinking": "reasoning_effort",
    "web_search_options": "web_search",
}
"""What is called differently elsewhere."""


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
    tools: Sequence[Tool | Callable[..., Any]]
    """Functions, and tools made by ``make_tool`` or by hand."""
    tool_choice: str
    """``auto``, ``required``, ``none``, or the name of one of the tools."""
    web_search: bool
    """Whether the model may search the web before it answers."""
    extra: Vendor
    """Vendor parameters by provider name."""


def request_of(prompt: Prompt, parameters: Parameters) -> ChatRequest:
    """Return the request that *prompt* and *parameters* make."""
    given: dict[str, Any] = dict(parameters)
    _check_names(given)
    system = given.pop("system", None)
    stop = given.pop("stop", ())
    if given.get("schema") is not None:
        checked_schema(given["schema"])
    request = ChatRequest(
        messages=_messages(prompt, system),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        tools=as_tools(given.pop("tools", None) or ()),
        **given,
    )
    _check_effort(request.reasoning_effort)
    _check_choice(request)
    return request


def _check_names(given: Mapping[str, Any]) -> None:
    """Refuse what is no parameter, and say what it is called here."""
    for name in sorted(given.keys() - Parameters.__annotations__.keys()):
        hint = suggest(name, Parameters.__annotations__)
        if name in OURS:
            hint = f"Here it is called {OURS[name]!r}."
        msg = f"There is no parameter {name!r}. {hint}"
        raise _invalid(msg)


def _check_effort(effort: str | None) -> None:
    if effort is not None and effort not in EFFORTS:
        hint = suggest(str(effort), EFFORTS)
        msg = f"There is no reasoning_effort {effort!r}. {hint}"
        raise _invalid(msg)


def _check_choice(request: ChatRequest) -> None:
    """Refuse a choice among the tools of *request* that there is not."""
    if request.tool_choice in CHOICES:
        return
    known = [*CHOICES, *(tool.name for tool in request.tools)]
    if request.tool_choice not in known:
        hint = suggest(str(request.tool_choice), known)
        msg = f"There is no tool_choice {request.tool_choice!r}. {hint}"
        raise _invalid(msg)


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(message, request_sent="no")


def _messages(prompt: Prompt, system: str | None) -> tuple[Message, ...]:
    first = () if system is None else (Message.of("system", system),)
    if isinstance(prompt, str):
        return (*first, Message.of("user", prompt))
    messages = (prompt,) if isinstance(prompt, Message) else tuple(prompt)
    if messages:
        return (*first, *messages)
    msg = "The conversation is empty. Pass text or at least one message."
    raise _invalid(msg)


def needs_of(request: ChatRequest) -> Iterable[tuple[str, str]]:
    """Yield what *request* uses, with the capability that it takes."""
    for name, capability in CAPABILITY_OF.items():
        if _asks(getattr(request, name)):
            yield name, capability
    parts = [part for message in request.messages for part in message.parts]
    for kind, capability in (
        (Image, "images"),
        (File, "files"),
        (ToolCall | ToolResult, "tools"),
    ):
        if any(isinstance(part, kind) for part in parts):
            yield capability, capability
    if any(isinstance(part, ToolResult) and part.media for part in parts):
        yield "tool_media", "tool_media"


def _asks(value: object) -> bool:
    """Return whether *value* is a wish: zeros are, what says nothing is not."""
    return value is not None and value is not False and value != ()
