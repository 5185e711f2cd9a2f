"""The facade over a language model, whoever provides it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from ._abilities import Abilities
from ._batches import Batches
from ._prompt import DROPPABLE, Parameters, Prompt, needs_of, request_of
from .contracts.chat import (
    ChatRequest,
    Reply,
    StreamEvent,
    TextDelta,
    Usage,
)
from .draft import Draft, estimated_usage
from .errors import CallError, InvalidReply, Unsupported
from .schema import parsed

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Unpack

NOT_COUNTED = Usage(estimated=True)
ANY_OBJECT: Mapping[str, Any] = {"type": "object"}


class LLM(Abilities):
    """A language model. Get one from ``Pegboard.llm``."""

    def __repr__(self) -> str:
        return f"<LLM {self._model.address}: {self._model.provider}>"

    def __reduce__(self) -> NoReturn:
        msg = f"{self!r} belongs to its board and cannot be pickled."
        raise TypeError(msg)

    @property
    def batches(self) -> Batches:
        """Many requests at once, which the service answers when it has time."""
        return Batches(self._model, self._refuse_without, self._request)

    async def complete(self, prompt: Prompt, **parameters: Unpack[Parameters]) -> Reply:
        """
        Return the reply to *prompt*: words, a message or a conversation.

        Raises:
            Unsupported: The provider cannot honour a parameter; nothing was sent.
            InvalidReply: The reply does not fit the ``schema``.
            CallError: The call failed.

        """
        self._refuse_without("chat", "complete")
        request, dropped = self._request("complete", prompt, parameters)
        reply: Reply = await self._model.handle.complete(request)
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
        self._refuse_without("streaming", "stream", "Use complete instead.")
        request, dropped = self._request("stream", prompt, parameters)
        return ReplyStream(self, request, dropped)

    async def count_tokens(
        self, prompt: Prompt, **parameters: Unpack[Parameters]
    ) -> int:
        """
        Return how many tokens a request has, without having it answered.

        Raises:
            Unsupported: The provider does not count; nothing was sent.
            CallError: The call failed.

        """
        self._refuse_without("token_count", "count_tokens")
        request, _ = self._request("count_tokens", prompt, parameters)
        tokens: int = await self._model.handle.count_tokens(request)
        return tokens

    def _request(
        self, operation: str, prompt: Prompt, parameters: Parameters
    ) -> tuple[ChatRequest, tuple[str, ...]]:
        """Return what to send, and the names of what is left out of it."""
        try:
            return self._refuse_or_drop(request_of(prompt, parameters))
        except CallError as error:
            raise self._placed(error, operation) from error.__cause__

    def _refuse_or_drop(
        self, request: ChatRequest
    ) -> tuple[ChatRequest, tuple[str, ...]]:
        needs = dict(needs_of(request))
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
        self._source: AsyncGenerator[StreamEvent] = llm._model.handle.stream(request)  # noqa: SLF001 - the facade's other half

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
