"""Waiting for what others of this process put somewhere."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Found = TypeVar("Found")
Waiter = asyncio.Future[None]

SHORTEST_PAUSE = 0.001
"""Seconds: also where a clock that stands still says that it is time."""


class Bell:
    """Wakes all who wait, in whatever event loop of this process they are."""

    def __init__(self) -> None:
        self._rung = 0
        self._waiters: set[Waiter] = set()
        self._lock = Lock()

    def ring(self) -> None:
        """Have all who wait look again."""
        with self._lock:
            self._rung += 1
            waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            with suppress(RuntimeError):  # its loop has ended
                waiter.get_loop().call_soon_threadsafe(_wake, waiter)

    async def until(
        self,
        look: Callable[[], Awaitable[tuple[Sequence[Found], float]]],
        seconds: float,
    ) -> Sequence[Found]:
        """
        Return what *look* finds as soon as it finds something, or after *seconds*.

        It returns, besides, after how many seconds to look again though nobody rang.
        """
        time = asyncio.get_running_loop().time
        ends = time() + seconds
        while True:
            rung = self._rung
            found, pause = await look()
            left = ends - time()
            if found or left <= 0:
                return found
            await self._wait(rung, min(left, max(pause, SHORTEST_PAUSE)))

    async def _wait(self, rung: int, seconds: float) -> None:
        waiter = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._rung != rung:
                return
            self._waiters.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=seconds)
        finally:
            with self._lock:
                self._waiters.discard(waiter)


def _wake(waiter: Waiter) -> None:
    if not waiter.done():
        waiter.set_result(None)
