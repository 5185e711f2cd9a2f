"""Waiting for what anybody adds to a stream of the server."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import TYPE_CHECKING

from hiredis import ReplyError
from pegboard.errors import CallError
from pegboard.event_loops import PerLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._connection import Part
    from ._line import Line

LONGEST_BLOCK = 1.0
"""Seconds that the server keeps an answer back; then it is asked again."""
PAUSE = 0.1
"""Seconds after a failure: those who wait find out themselves what is wrong."""
BRIEFLY, LONGEST_WAIT = 0.01, 1e6
Waiter = asyncio.Future[None]


class Bell:
    """
    Wakes those who wait for the next entry of the stream *key*.

    The server keeps the answer to this question back, and with it all answers that
    come after it. So it is asked on a connection of its own.
    """

    def __init__(self, key: Part, make_line: Callable[[], Line]) -> None:
        self._watches = PerLoop(lambda: _Watch(key, make_line()), _Watch.aclose)

    async def wait(self, seen: str, seconds: float) -> None:
        """Wait until there is an entry behind *seen*, but no longer than *seconds*."""
        watch = await self._watches.get()
        await watch.wait(seen, seconds)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._watches.aclose()


class _Watch:
    """Asks the server, as long as somebody of this event loop waits."""

    def __init__(self, key: Part, line: Line) -> None:
        self._key = key
        self._line = line
        self._waiters: dict[Waiter, str] = {}
        self._asked: str | None = None
        """Behind which entry the server looks for another one."""
        self._asking: asyncio.Task[None] | None = None

    async def wait(self, seen: str, seconds: float) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = seen
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        if self._asked is not None and _place(self._asked) > _place(seen):
            seconds = min(seconds, BRIEFLY)  # there is one, which others have seen
        try:
            await asyncio.wait([waiter], timeout=min(seconds, LONGEST_WAIT))
        finally:
            self._waiters.pop(waiter, None)

    async def aclose(self) -> None:
        if self._asking:
            self._asking.cancel()
            await asyncio.wait([self._asking])
        await self._line.aclose()

    async def _ask(self) -> None:
        while self._waiters:
            self._asked = min(self._waiters.values(), key=_place)
            try:
                is_there_one = await self._ask_once(self._asked)
            except (CallError, ReplyError):
                await asyncio.sleep(PAUSE)
                is_there_one = True
            finally:
                self._asked = None
            if is_there_one:
                self._wake()

    async def _ask_once(self, seen: str) -> bool:
        milliseconds = math.ceil(LONGEST_BLOCK * 1000)
        answer = await self._line.call(
            *("XREAD", "COUNT", 1, "BLOCK", milliseconds),
            *("STREAMS", self._key, seen),
        )
        return bool(answer)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, {}
        for waiter in waiters:
            with suppress(asyncio.InvalidStateError):
                waiter.set_result(None)


def _place(entry: str) -> tuple[int, int]:
    time, _, number = entry.partition("-")
    return int(time), int(number)
