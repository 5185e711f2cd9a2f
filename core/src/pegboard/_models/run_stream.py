"""Runs as they happen: the pieces of all replies, and what tools were called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pegboard.contracts.chat import StreamEvent, TextDelta
from pegboard.errors import InvalidReply

from .toolbox import ToolUse

if TYPE_CHECKING:
    from typing import Self

RunEvent = StreamEvent | ToolUse
Tell = Callable[[RunEvent], None]
Outcome = TypeVar("Outcome")


class RunStream(Generic[Outcome]):
    """
    A run, piece by piece: the events of its replies, and a ``ToolUse`` for each call.

    Leaving the loop ends the run and cancels its tools, within ``async with`` before
    the next statement runs. What came of it is in ``run``.
    """

    def __init__(self, work: Callable[[Tell], Coroutine[Any, Any, Outcome]]) -> None:
        self._work = work
        self._outcomes: list[Outcome] = []
        self._source = self._events()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncGenerator[RunEvent]:
        return self._source

    @property
    def text(self) -> AsyncGenerator[str]:
        """The words of all replies as they arrive."""
        return self._words()

    @property
    def run(self) -> Outcome:
        """
        What came of it, once it has ended.

        Raises:
            InvalidReply: It has not ended, or not well.

        """
        if self._outcomes:
            return self._outcomes[0]
        msg = "The run has not ended yet. Read the stream to its end first."
        raise InvalidReply(msg, request_sent="yes", in_stream=True)

    async def aclose(self) -> None:
        """End the run, and all that it does."""
        await self._source.aclose()

    # A task of its own: what bounds a run must not reach the program between events.
    async def _events(self) -> AsyncGenerator[RunEvent]:
        events: asyncio.Queue[RunEvent | None] = asyncio.Queue()
        task = asyncio.ensure_future(self._work(events.put_nowait))
        task.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            self._outcomes.append(await task)
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _words(self) -> AsyncGenerator[str]:
        async with aclosing(self._source) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    yield event.text
