"""
Limits: how many calls run at once, and how many begin in a minute.

A rate is a bucket that a minute fills. Who comes takes its share at once, also when
the bucket is empty, and waits until the debt is paid: so waits are known when a call
comes, they are served in order, and a wait that the deadline does not allow is refused
instead of begun.
"""

from __future__ import annotations

import asyncio
from collections import deque
from threading import Lock

MINUTE = 60.0
SLOWER, FASTER, SLOWEST = 0.7, 0.02, 0.1
"""What a throttled call leaves of the rate, what a good one adds, and the least."""


class Rate:
    """So much a minute. Threads may share it."""

    def __init__(self, per_minute: float) -> None:
        self._full = per_minute
        self._left = per_minute
        self._filled_at: float | None = None
        self._pace = 1.0
        self._lock = Lock()

    @property
    def pace(self) -> float:
        """What part of the rate is used now; less than 1 after being throttled."""
        return self._pace

    def take(self, amount: float, now: float) -> float:
        """Take *amount* and return the seconds until it is there."""
        with self._lock:
            self._fill(now)
            self._left -= amount
            return max(0.0, -self._left / self._per_second)

    def give(self, amount: float) -> None:
        """Give *amount* back; less than nothing takes more."""
        with self._lock:
            self._left = min(self._full, self._left + amount)

    def slow_down(self) -> None:
        """Go slower, since the service said that this was too fast."""
        self._pace = max(SLOWEST, self._pace * SLOWER)

    def speed_up(self) -> None:
        """Go a little faster again, up to the whole rate."""
        self._pace = min(1.0, self._pace + FASTER)

    @property
    def _per_second(self) -> float:
        return self._full * self._pace / MINUTE

    def _fill(self, now: float) -> None:
        passed = 0.0 if self._filled_at is None else max(0.0, now - self._filled_at)
        self._filled_at = now
        self._left = min(self._full, self._left + passed * self._per_second)


class Bulkhead:
    """So many at once, the others in order. Loops in several threads may share it."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._queue: deque[asyncio.Future[None]] = deque()
        self._lock = Lock()

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._queue)

    async def enter(self) -> None:
        """Take a place, as soon as there is one."""
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return
            turn = asyncio.get_running_loop().create_future()
            self._queue.append(turn)
        try:
            await turn
        except BaseException:
            self._give_up(turn)
            raise

    def leave(self) -> None:
        """Give the place to who waits longest."""
        with self._lock:
            if not self._queue:
                self._free += 1
                return
            turn = self._queue.popleft()
        try:
            turn.get_loop().call_soon_threadsafe(self._call_in, turn)
        except RuntimeError:  # its loop is closed
            self.leave()

    def _call_in(self, turn: asyncio.Future[None]) -> None:
        if turn.done():  # it was cancelled meanwhile
            self.leave()
        else:
            turn.set_result(None)

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        with self._lock:
            was_queued = turn in self._queue
            if was_queued:
                self._queue.remove(turn)
        if not was_queued and turn.done() and not turn.cancelled():
            self.leave()
