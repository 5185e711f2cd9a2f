"""The facade over a language model, whoever provides it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn, TypedDict

from ._suggest import suggest
from .contracts.chat import (
    ChatRequest,
    File,
    Image,
    Message,
    Reply,
    StreamEvent,
    TextDelta,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
    Vendor,
)
from .draft import Draft, estimated_usage
from .errors import CallError, InvalidReply, InvalidRequest, Unsupported
from .schema import checked_schema, parsed

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Unpack

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
NOT_COUNTED = Usage(estimated=True)
ANY_OBJECT: Mapping[str, Any] = {"type": "object"}


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


@dataclass(frozen=True, slots=True)
class Model:
    """What the facade knows of the provider behind it."""

    address: str
    provider: str
    chat: Any
    """``ChatModel``, and ``StreamingChat`` if it has that."""
    capabilities: frozenset[str]
    drops_unsupported: bool
    streams: bool
    """Whether it keeps ``StreamingChat``, with these settings."""


class LLM:
    """A language model. Get one from ``Pegboard.llm``."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._closed = False

    def __repr__(self) -> str:
        return f"<LLM {self._model.address}: {self._model.provider}>"

    def __reduce__(self) -> NoReturn:
        msg = f"{self!r} belongs to its board and cannot be pickled."
        raise TypeError(msg)

    @property
    def address(self) -> str:
        """The address in settings, errors and logs."""
        return self._model.address

    @property
    def capabilities(self) -> frozenset[str]:
        """What the provider claims, with these settings."""
        return self._model.capabilities

    async def complete(self, prompt: Prompt, **parameters: Unpack[Parameters]) -> Reply:
        """
        Return the reply to *prompt*: words, a message or a conversation.

        Raises:
            Unsupported: The provider cannot honour a parameter; nothing was sent.
            InvalidReply: The reply does not fit the ``schema``.
            CallError: The call failed.

        """
        request, dropped = self._request("complete", prompt, parameters)
        reply: Reply = await self._model.chat.complete(request)
        if reply.usage == NOT_COUNTED:
            reply = replace(reply, usage=estimated_usage(request, reply.parts))
        self._check_fit("complete", reply, request)
        return replace(reply, dropped=dropped) if dropped else reply

    async def complete_json(
        self, prompt: Prompt, **parameters: Unpack[Parameters]
    ) -> dict[str, Any]:
        """
        Return the reply to *prompt* as a JSON object that fits the ``schema``.

        Raises:
            Unsupported: The provider cannot hold its reply to a schema.
            InvalidReply: The reply is not a JSON object or does not fit.
            CallError: The call failed.

        """
        schema = parameters.setdefault("schema", ANY_OBJECT)
        reply = await self.complete(prompt, **parameters)
        value = parsed(reply, schema)
        if not isinstance(value, dict):
            msg = f"The reply is a JSON {type(value).__name__}, not an object."
            raise self._placed(InvalidReply(msg, request_sent="yes"), "complete")
        return value

    def stream(self, prompt: Prompt, **parameters: Unpack[Parameters]) -> ReplyStream:
        """
        Return the reply to *prompt* as a stream of its pieces.

        Raises:
            Unsupported: The provider cannot stream, or not honour a parameter.

        """
        request, dropped = self._request("stream", prompt, parameters)
        if not self._model.streams:
            msg = (
                f"{self._model.provider} cannot stream with these settings. "
                "Use complete instead."
            )
            raise self._placed(Unsupported(msg), "stream")
        return ReplyStream(self, request, dropped)

    def _request(
        self, operation: str, prompt: Prompt, parameters: Parameters
    ) -> tuple[ChatRequest, tuple[str, ...]]:
        """Return what to send, and the names of what is left out of it."""
        if self._closed:
            msg = "the board is closed. Use it inside 'async with Pegboard()'."
            raise self._placed(Unsupported(msg), operation)
        try:
            return self._refuse_or_drop(_build(prompt, parameters))
        except CallError as error:
            raise self._placed(error, operation) from error.__cause__

    def _refuse_or_drop(
        self, request: ChatRequest
    ) -> tuple[ChatRequest, tuple[str, ...]]:
        needs = dict(_needs(request))
        lacking = [n for n, need in needs.items() if need not in self.capabilities]
        dropped = tuple(n for n in lacking if n in DROPPABLE)
        if self._model.drops_unsupported and len(dropped) == len(lacking):
            return replace(request, **{n: DROPPABLE[n] for n in dropped}), dropped
        if lacking:
            raise Unsupported(self._refusal(lacking, needs))
        return request, ()

    def _refusal(self, lacking: Iterable[str], needs: Mapping[str, str]) -> str:
        able = ", ".join(sorted(self.capabilities)) or "none of the optional parameters"
        hint = (
            f' Leave it out, or set on_unsupported = "drop" in [{self.address}].'
            if all(name in DROPPABLE for name in lacking)
            else " Use another provider."
        )
        names = ", ".join(
            name if name == needs[name] else f"{name} ({needs[name]})"
            for name in lacking
        )
        return (
            f"{self._model.provider} does not support {names} with these settings. "
            f"It supports {able}.{hint}"
        )

    def _check_fit(self, operation: str, reply: Reply, request: ChatRequest) -> None:
        if request.schema is not None and not reply.tool_calls:
            try:
                parsed(reply, request.schema)
            except InvalidReply as error:
                raise self._placed(error, operation) from error.__cause__

    def _placed(self, error: CallError, operation: str) -> CallError:
        error.address, error.operation = self.address, operation
        return error


class ReplyStream:
    """
    A reply, piece by piece: events, or only their words through ``text``.

    Leaving the loop ends the stream and stops the work at the other end, within
    ``async with`` before the next statement runs. What had arrived is in ``reply``.
    """

    def __init__(
        self, llm: LLM, request: ChatRequest, dropped: tuple[str, ...]
    ) -> None:
        self._llm = llm
        self._request = request
        self._draft = Draft(request, dropped)
        self._source: AsyncGenerator[StreamEvent] = llm._model.chat.stream(request)  # noqa: SLF001 - the facade's other half

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncGenerator[StreamEvent]:
        return self._events()

    @property
    def text(self) -> AsyncGenerator[str]:
        """The words of the reply as they arrive."""
        return self._words()

    @property
    def reply(self) -> Reply:
        """The reply so far; its ``finish_reason`` is ``cut`` until the last event."""
        return self._draft.reply()

    async def aclose(self) -> None:
        """End the stream, which stops the work at the other end."""
        await self._source.aclose()

    # Native generators: when a loop over one is left, asyncio closes it, also where
    # the program forgot to close the stream.
    async def _events(self) -> AsyncGenerator[StreamEvent]:
        try:
            async for event in self._source:
                self._draft.add(event)
                yield event
            self._check_end()
        except CallError as error:
            error.partial = self.reply
            raise
        finally:
            await self._source.aclose()

    async def _words(self) -> AsyncGenerator[str]:
        events = self._events()
        try:
            async for event in events:
                if isinstance(event, TextDelta):
                    yield event.text
        finally:
            await events.aclose()

    def _check_end(self) -> None:
        if self._draft.is_finished:
            self._llm._check_fit("stream", self.reply, self._request)  # noqa: SLF001 - see above
            return
        msg = "The stream ended before the reply was finished."
        error = InvalidReply(msg, request_sent="yes", in_stream=True)
        raise self._llm._placed(error, "stream")  # noqa: SLF001 - see above


def _build(prompt: Prompt, parameters: Parameters) -> ChatRequest:
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


def _needs(request: ChatRequest) -> Iterable[tuple[str, str]]:
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
