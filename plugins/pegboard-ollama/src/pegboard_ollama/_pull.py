"""
A pull that runs: a task of its own, for which others wait.

They come and go with their deadlines, and the pull goes on without them.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from copy import copy
from typing import TYPE_CHECKING

from pegboard import PullProgress, time_left
from pegboard.errors import CallError, NotFound, Unavailable

from ._disk import size

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    Work = Callable[["Pull"], Coroutine[None, None, None]]

LONGEST_RESERVE, RESERVE = 1.0, 0.5
"""Seconds, and part of its time, that a call keeps to say how far the pull is."""


class Pull:
    """One model on its way to the server."""

    def __init__(self, model: str, work: Work) -> None:
        """Start *work*, which tells of its progress."""
        self.model = model
        self.progress = PullProgress("waiting for the server")
        self._news = asyncio.Event()
        # It outlives the call that began it, and must not keep to that one's deadline.
        self.task = asyncio.create_task(work(self), context=Context())
        self.task.add_done_callback(self._end)

    def tell(self, progress: PullProgress) -> None:
        """Let those who watch know of *progress*."""
        self.progress = progress
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def wait(self) -> None:
        """
        Wait until the model is there.

        Raises:
            CallError: It will not be, or not before the running call must end.

        """
        async for _ in self.watch():
            pass

    async def watch(self) -> AsyncGenerator[PullProgress, None]:
        """
        Yield the progress until the model is there.

        Raises:
            CallError: It will not be, or not before the running call must end.

        """
        seen = None
        reserve = _reserve()
        while not self.task.done():
            if self.progress is not seen:
                seen = self.progress
                yield seen
            else:
                await self._next(reserve)
        self._check_end()
        if self.progress is not seen:
            yield self.progress

    async def _next(self, reserve: float) -> None:
        left = time_left()
        try:
            async with asyncio.timeout(None if left is None else left - reserve):
                await self._news.wait()
        except TimeoutError:
            raise NotFound(self._still_running()) from None

    def _check_end(self) -> None:
        if self.task.cancelled():
            msg = f"The board was closed while the model {self.model!r} was pulled."
            raise Unavailable(msg, retryable=False, request_sent="no")
        error = self.task.exception()
        if isinstance(error, CallError):
            # Each who waits is told apart: where and when differs.
            raise copy(error) from error
        if error is not None:
            raise error

    def _still_running(self) -> str:
        now = self.progress
        far = f", {size(now.completed)} of {size(now.total)}" if now.total else ""
        return (
            f"The model {self.model!r} is not there yet: it is being pulled "
            f"({now.status}{far}). That goes on while the board is open. Call again "
            "later, or raise deadline in the policy."
        )

    def _end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # whether or not anybody has waited for it
        self._news.set()


def _reserve() -> float:
    """Return how long before its end the running call stops to wait."""
    left = time_left()
    return 0.0 if left is None else min(LONGEST_RESERVE, RESERVE * left)
