"""Language models: what goes to one, what comes back, and the contracts between."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from .declare import contract, operation

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "cut"]
"""Why a reply ended. ``cut``: the stream was left or broke before its end."""

Capability = Literal[
    "temperature",
    "top_p",
    "seed",
    "stop",
    "reasoning_effort",
    "json_schema",
    "tools",
    "images",
    "files",
    "image_editing",
    "web_search",
    "tool_media",
]
"""What a model may claim beyond text and ``max_tokens``."""

Vendor = Mapping[str, Mapping[str, Any]]
"""Opaque values by provider name; a provider reads only what is under its own."""


@dataclass(frozen=True, slots=True)
class Source:
    """A page of the web that words rest on."""

    url: str
    title: str = ""
    quote: str = ""
    """What it says there, where the service tells."""


@dataclass(frozen=True, slots=True)
class Text:
    """Words."""

    text: str
    sources: tuple[Source, ...] = field(default=(), kw_only=True)
    """What they rest on, if the model has searched the web."""
    provider_metadata: Vendor = field(default_factory=dict, kw_only=True)


@dataclass(frozen=True, slots=True)
class Image:
    """A picture, as bytes, or as an address or id that the service knows."""

    source: bytes | str
    media_type: str = "image/png"


@dataclass(frozen=True, slots=True)
class File:
    """A document, as bytes, or as an address or id that the service knows."""

    source: bytes | str
    media_type: str = "application/pdf"
    name: str = "document"


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model thought before it answered; may be empty but signed."""

    text: str
    provider_metadata: Vendor = field(default_factory=dict, kw_only=True)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model asks for a tool to be called."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    provider_metadata: Vendor = field(default_factory=dict, kw_only=True)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered."""

    call_id: str
    name: str
    content: str
    is_error: bool = False
    media: tuple[Image | File, ...] = ()
    """Pictures and documents that it answered with, beside words."""


Part = Text | Image | File | Reasoning | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, role: Role, text: str) -> Message:
        """Return a message of *role* that says *text*."""
        return cls(role, (Text(text),))

    @property
    def text(self) -> str:
        """The words of the message, without its other parts."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may ask to be called."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """JSON Schema of the arguments: an object."""
    handler: Callable[..., Any] | None = field(default=None, repr=False, compare=False)
    """What is called with the arguments by name, async or not. Providers ignore it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """What is asked of a model. ``None`` leaves the choice to the provider."""

    messages: tuple[Message, ...]
    model: str | None = None
    max_tokens: int | None = None
    """Most tokens that the reply may have, reasoning included."""
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    reasoning_effort: str | None = None
    schema: Mapping[str, Any] | None = None
    """JSON Schema that the reply's text must fit."""
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    """``auto``, ``required``, ``none``, or the name of one of the tools."""
    web_search: bool = False
    """Whether the model may search the web before it answers."""
    extra: Vendor = field(default_factory=dict)
    """Vendor parameters by provider name: ``{"openai": {"service_tier": "flex"}}``."""


def model_of(request: object) -> str | None:
    """Return the model that *request* names instead of the one of the settings."""
    model = getattr(request, "model", None)
    return model if isinstance(model, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of a call, in buckets that do not overlap, and its cost if it is told."""

    input: int = 0
    """Read anew: neither from a cache nor into one."""
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    """Written, without reasoning."""
    reasoning: int = 0
    estimated: bool = False
    """
    Whether the service did not say, so that lengths were counted instead.

    A provider whose service does not count returns ``Usage(estimated=True)``; the
    counting is done for it.
    """
    cost: float | None = None
    """US dollars, where the service says what it charges, which then counts."""

    @property
    def total(self) -> int:
        """All tokens."""
        return (
            self.input + self.cache_read + self.cache_write
        ) + (self.output + self.reasoning)  # fmt: skip

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input=self.input + other.input,
            cache_read=self.cache_read + other.cache_read,
            cache_write=self.cache_write + other.cache_write,
            output=self.output + other.output,
            reasoning=self.reasoning + other.reasoning,
            estimated=self.estimated or other.estimated,
            cost=self._cost_with(other),
        )

    def _cost_with(self, other: Usage) -> float | None:
        """Return what both cost, if that is told of both that took anything."""
        told = [one for one in (self, other) if one.total or one.cost is not None]
        costs = [one.cost for one in told if one.cost is not None]
        return sum(costs) if costs and len(costs) == len(told) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model answered."""

    parts: tuple[Part, ...]
    finish_reason: FinishReason
    usage: Usage
    model: str
    """The model that answered, as the service names it."""
    provider_metadata: Vendor = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    """Parameters left out because ``on_unsupported = "drop"`` allows it."""

    @property
    def text(self) -> str:
        """The words of the reply."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def sources(self) -> tuple[Source, ...]:
        """The pages of the web that the words rest on, each once."""
        texts = (part for part in self.parts if isinstance(part, Text))
        return tuple(dict.fromkeys(one for text in texts for one in text.sources))

    @property
    def reasoning(self) -> str:
        """What the model thought, where the service shows it."""
        return "".join(part.text for part in self.parts if isinstance(part, Reasoning))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that the model asks for."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))

    @property
    def message(self) -> Message:
        """The reply as a turn of the conversation, to be sent back with the next."""
        return Message("assistant", self.parts)


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More words of the reply."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of what the model thinks. Shown only; ``PartDone`` brings the whole."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """More of a tool call that is being written. ``PartDone`` brings the whole."""

    id: str
    name: str
    arguments: str
    """The next piece of the JSON text."""


@dataclass(frozen=True, slots=True)
class PartDone:
    """
    A part is complete.

    Text needs none, unless it has metadata or sources: then it stands for the words
    since the part before it.
    """

    part: Text | Reasoning | ToolCall


@dataclass(frozen=True, slots=True)
class UsageSoFar:
    """Tokens up to here, for those who leave the stream before its end."""

    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The last event: the reply is complete."""

    finish_reason: FinishReason
    model: str
    usage: Usage | None = None
    """None when the service did not say."""
    provider_metadata: Vendor = field(default_factory=dict)


StreamEvent = (
    TextDelta | ReasoningDelta | ToolCallDelta | PartDone | UsageSoFar | Finished
)


@contract(family="llm", version=1, embedded="local", ability="chat")
class ChatModel(Protocol):
    """A model that answers a conversation."""

    @operation(repeatable=True)
    async def complete(self, request: ChatRequest) -> Reply:
        """Answer *request* with a whole reply."""
        ...


@contract(family="llm", version=1, embedded="local", ability="streaming")
class StreamingChat(Protocol):
    """A model that answers piece by piece."""

    @operation(repeatable=True)
    def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent, None]:
        """
        Answer *request* in pieces, the last of which is ``Finished``.

        Closing the generator stops the work at the other end. A stream that ends
        without ``Finished`` was cut off, which is an error.
        """
        ...
