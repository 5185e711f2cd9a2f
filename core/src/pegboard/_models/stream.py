"""Replies as they are written."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pegboard.contracts.chat import TextDelta, ToolCallDelta
from pegboard.errors import CallError, InvalidReply

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from pegboard.contracts.chat import Reply, StreamEvent
    from pegboard.draft import Draft

    from .output import Output

Value = TypeVar("Value")


class ReplyStream:
    """
    A reply, piece by piece: events, or only their words through ``text``.

    Leaving the loop ends the stream and stops the work at the other end, within
    ``async with`` before the next statement runs. What had arrived is in ``reply``.
    """

    def __init__(
        self,
        source: AsyncGenerator[StreamEvent],
        draft: Draft,
        *,
        read: Callable[[Reply], Any] | None,
        placed: Callable[[CallError], CallError],
    ) -> None:
        self._source = source
        self._draft = draft
        self._read = read
        self._placed = placed

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
            self._end()
        except CallError as error:
            error.partial = self.reply
            raise
        finally:
            await self._source.aclose()

    async def _words(self) -> AsyncGenerator[str]:
        async with aclosing(self._events()) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    yield event.text

    def _end(self) -> None:
        try:
            if not self._draft.is_finished:
                msg = "The stream ended before the reply was finished."
                raise InvalidReply(msg, request_sent="yes", in_stream=True)  # noqa: TRY301 - it is placed with the others
            if self._read is not None:
                self._read(self.reply)
        except InvalidReply as error:
            raise self._placed(error) from error.__cause__


class TypedStream(ReplyStream, Generic[Value]):
    """A reply that is a value, growing; ``output`` is the value when it is whole."""

    def __init__(
        self,
        source: AsyncGenerator[StreamEvent],
        draft: Draft,
        *,
        output: Output[Value],
        json_of: Callable[[StreamEvent], str],
        placed: Callable[[CallError], CallError],
    ) -> None:
        super().__init__(source, draft, read=self._take, placed=placed)
        self._form = output
        self._json_of = json_of
        self._values: list[Value] = []

    @property
    def partial(self) -> AsyncGenerator[Any]:
        """
        What there is of the value as it grows, as plain JSON values, not validated.

        The next one comes when there is more; the last one is the whole.
        """
        return self._growing()

    @property
    def output(self) -> Value:
        """
        The value, once the stream has ended.

        Raises:
            InvalidReply: The stream has not ended, or not well.

        """
        if self._values:
            return self._values[0]
        msg = "The reply is not whole yet. Read the stream to its end first."
        raise self._placed(InvalidReply(msg, request_sent="yes", in_stream=True))

    async def _growing(self) -> AsyncGenerator[Any]:
        text, before = "", None
        async with aclosing(self._events()) as events:
            async for event in events:
                text += self._json_of(event)
                now = self._form.partly(text)
                if now is not None and now != before:
                    yield now
                    before = now

    def _take(self, reply: Reply) -> None:
        self._values.append(self._form.read(reply))


def said_by(event: StreamEvent) -> str:
    """Return the words that *event* adds to the reply."""
    return event.text if isinstance(event, TextDelta) else ""


def given_by(event: StreamEvent) -> str:
    """Return what *event* adds to the arguments of the one tool that there is."""
    return event.arguments if isinstance(event, ToolCallDelta) else ""
