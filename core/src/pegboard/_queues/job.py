"""A message that a worker has: kept while it is worked at, then done or given back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from pegboard._log import logger_of
from pegboard.contracts.queue import Delivery, Queue
from pegboard.errors import CallError

Handler = Callable[[Delivery], Awaitable[object]]
Outcome = Literal["done", "failed", "lost"]
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between attempts while the queue cannot be reached."""


class Job:
    """A delivery, and the handler that works at it."""

    def __init__(self, queue: Queue, delivery: Delivery, visibility: float) -> None:
        self.delivery = delivery
        self.error: Exception | None = None
        """Why the handler failed, if it did."""
        self._queue = queue
        self._visibility = visibility
        self._log = logger_of("worker")
        self._work: asyncio.Future[object] | None = None
        self._is_lost = False

    async def work(self, handler: Handler) -> Outcome:
        """Return how it ended; it is acknowledged if the handler returned."""
        if self._is_lost:
            return "lost"
        self._work = asyncio.ensure_future(handler(self.delivery))
        try:
            await asyncio.wait([self._work])
        except asyncio.CancelledError:
            await self._end_work()
            raise
        if self._is_lost:
            return "lost"
        try:
            self._work.result()
        except asyncio.CancelledError:
            self.error = RuntimeError("The handler cancelled itself.")
        except Exception as error:  # noqa: BLE001 - handlers are foreign code
            self.error = error
        return "failed" if self.error else await self._finish()

    async def keep(self) -> None:
        """Have others not get it; end the handler if they already have."""
        try:
            if await self._queue.extend(
                self.delivery.receipt, visibility=self._visibility
            ):
                return
        except Exception as error:  # noqa: BLE001 - one must not end it for the others
            self._log.warning("{} is not extended: {}", self.delivery.id, error)
            return
        self._lose()

    async def give_back(self, delay: float) -> None:
        """Let it be received again, after *delay* seconds."""
        try:
            await self._queue.nack(self.delivery.receipt, delay=delay)
        except CallError as error:  # then it comes again when its time is over
            self._log.warning("{} is not given back: {}", self.delivery.id, error)

    def _lose(self) -> None:
        if self._work and self._work.done():  # and just acknowledged
            return
        self._log.warning(
            "{} took too long and was delivered anew; its handler is ended.",
            self.delivery.id,
        )
        self._is_lost = True
        if self._work:
            self._work.cancel()

    async def _end_work(self) -> None:
        assert self._work  # noqa: S101 - it was just waited for
        self._work.cancel()
        await asyncio.wait([self._work])

    async def _finish(self) -> Outcome:
        """Acknowledge it, as long as nobody else can have it."""
        time = asyncio.get_running_loop().time
        ends, pause = time() + self._visibility, SHORTEST_PAUSE
        while True:
            try:
                had = await self._queue.ack(self.delivery.receipt)
            except CallError as error:
                self._log.warning("{} not acknowledged: {}", self.delivery.id, error)
                if not error.retryable or time() + pause > ends:
                    return "lost"
            else:
                return "done" if had else "lost"
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
