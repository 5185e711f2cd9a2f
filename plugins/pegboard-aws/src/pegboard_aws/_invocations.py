"""One invocation of a function after the other, on a board that stays open."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, TypeVar

from pegboard import Pegboard
from pegboard.deadline import shared_deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

Result = TypeVar("Result")
Work = "Callable[[Pegboard, float], Coroutine[Any, Any, Result]]"
TURNS = 4
"""Of the event loop: it reads that a connection ended, closes it, and tells."""
SPARE = 0.5
"""Seconds that are kept, of what Lambda gives, to say what came of the others."""


class Invocations:
    """
    Keeps a board and an event loop from one invocation to the next.

    Lambda freezes a process between two of them, and ends it without a word.
    """

    def __init__(self, make_board: Callable[[], Pegboard] | None) -> None:
        self._make_board = make_board or Pegboard
        self._runner = asyncio.Runner()
        self._board: Pegboard | None = None

    def run(
        self,
        work: Callable[[Pegboard, float], Coroutine[Any, Any, Result]],
        context: Any,
    ) -> Result:
        """
        Return what *work* returns, of the board and when it has to be done.

        Args:
            work: An async function; calls through the board end in time by themselves.
            context: What Lambda gives with each event.

        """
        return self._runner.run(self._within(work, context))

    def close(self) -> None:
        """Close the board and the loop, as Lambda never does."""
        if self._board is not None:
            self._runner.run(self._board.aclose())
        self._runner.close()

    async def _within(
        self,
        work: Callable[[Pegboard, float], Coroutine[Any, Any, Result]],
        context: Any,
    ) -> Result:
        ends = asyncio.get_running_loop().time() + _seconds(context)
        await _notice_what_ended()
        with shared_deadline(ends):
            return await work(await self._opened(), ends)

    async def _opened(self) -> Pegboard:
        if self._board is None:
            board = self._make_board()
            await board.__aenter__()
            self._board = board
        return self._board


async def _notice_what_ended() -> None:
    """Have connections forgotten that were closed while no loop was running."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


def _seconds(context: Any) -> float:
    """Return how long this invocation may take; a test has no context."""
    if context is None:
        return math.inf
    left = context.get_remaining_time_in_millis() / 1000
    return max(0.0, float(left) - SPARE)
