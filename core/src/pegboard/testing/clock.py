"""Time for tests: clocks that are moved by hand, and an event loop that never waits."""

from __future__ import annotations

import asyncio
import math
import selectors
import time
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from concurrent.futures import Executor

T = TypeVar("T")
Args = TypeVarTuple("Args")

RESOLUTION = 1e-9
"""A loop's timer fires when it is due within this; after half a year, rounded away."""


class ManualClock:
    """The time of day, moved by hand. Pass it to ``Pegboard.isolated(clock=...)``."""

    def __init__(self, now: float = 1_000_000_000.0) -> None:
        self._now = now

    def __call__(self) -> float:
        """Return the seconds since 1970."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass at once."""
        self._now += seconds

    async def sleep(self, seconds: float) -> None:
        """Let *seconds* pass on this clock, and others run."""
        self.advance(seconds)
        await asyncio.sleep(0)


class RealClock:
    """The time of day itself, for what keeps its own time, such as a server."""

    def __call__(self) -> float:
        """Return the seconds since 1970."""
        return time.time()

    def advance(self, seconds: float) -> None:
        """Wait until *seconds* have passed."""
        time.sleep(seconds)

    async def sleep(self, seconds: float) -> None:
        """Wait until *seconds* have passed, and let others run."""
        await asyncio.sleep(seconds)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """
    An event loop whose time jumps to the next timer when there is nothing to do.

    Timeouts, backoffs and sleeps take no time and are exact. Time begins at 0 and
    stands still while code runs. ``loop.time`` also serves as a clock.

    Work in the loop's threads (``asyncio.to_thread``) is waited for before time
    jumps, so it must not wait for the loop's timers itself. Sockets work, but
    nobody can know whether an answer is still under way: while one is open, the
    loop gives it *patience* real seconds before each jump, and what takes longer
    comes too late. ``time.time`` and ``time.sleep`` stay real.
    """

    def __init__(self, *, patience: float = 0.02) -> None:
        self._virtual_now = 0.0
        self._busy_threads = 0
        super().__init__(_Selector(self._skip, patience))

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._virtual_now

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[*Args], T],
        *args: *Args,
    ) -> asyncio.Future[T]:
        """Run *func* in a thread; time stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._busy_threads += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        """Wait for the loop's threads to end; time stands still until then."""
        self._busy_threads += 1
        await super().shutdown_default_executor(*args)
        self._busy_threads -= 1

    def _thread_done(self, _: asyncio.Future[Any]) -> None:
        self._busy_threads -= 1

    def _skip(self, seconds: float) -> bool:
        if self._busy_threads:
            return False
        self._virtual_now += seconds
        if self._virtual_now + RESOLUTION == self._virtual_now:
            self._virtual_now = math.nextafter(self._virtual_now, math.inf)
        return True


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run *main* as ``asyncio.run`` does, in a ``VirtualTimeLoop``."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


_Events = list[tuple[selectors.SelectorKey, int]]


class _Selector(selectors.BaseSelector):
    """A selector that skips the time that it should wait, where it may."""

    def __init__(self, skip: Callable[[float], bool], patience: float) -> None:
        self._skip = skip
        self._patience = patience
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> _Events:
        if timeout is None or timeout <= 0:
            return self._real.select(timeout)
        events = self._real.select(self._grace())
        if events or self._skip(timeout):
            return events
        return self._real.select(None)

    def _grace(self) -> float:
        """Return the patience if there is a socket besides the loop's own."""
        return self._patience if len(self.get_map()) > 1 else 0.0

    def register(
        self, fileobj: Any, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(
        self, fileobj: Any, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()
