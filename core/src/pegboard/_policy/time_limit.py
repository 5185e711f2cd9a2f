"""A limit to how long the running task may wait."""

from __future__ import annotations

import asyncio
import math
from contextvars import Context

KEPT = 64
"""Time limits of a target that wait for their next call."""


class TimeLimit:
    """
    Cancels the task that waits, when its time is over.

    Does what ``asyncio.timeout_at`` does for a fraction of its cost, which every call
    pays. It may be started again and again, for every call and every item of a stream:
    the timer of the loop stays, looks when it goes off, and is set anew if there is
    time left.
    """

    __slots__ = ("_cancelling", "_end", "_is_over", "_task", "_timer", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._end = math.inf
        self._is_over = False

    def start(self, end: float) -> None:
        """Cancel the running task at *end*, on the loop's clock, unless stopped."""
        self._end = end
        if end == math.inf:
            return
        task = self._task = asyncio.current_task(self.loop)
        assert task is not None  # noqa: S101 - a coroutine is run by a task
        self._is_over = False
        self._cancelling = task.cancelling()
        if self._timer is None or end < self._timer.when():
            self.close()
            self._timer = self._timer_at(end)

    def stop(self) -> bool:
        """Stop waiting; return whether the limit, and nothing else, cancelled it."""
        task, self._task = self._task, None
        if task is None or not self._is_over:
            return False
        return task.uncancel() <= self._cancelling

    def close(self) -> None:
        """Forget the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._task is None:
            return
        if self.loop.time() < self._end:
            self._timer = self._timer_at(self._end)
        else:
            self._is_over = True
            self._task.cancel()

    def _timer_at(self, end: float) -> asyncio.TimerHandle:
        # A context of its own: a timer outlives the call that set it.
        return self.loop.call_at(end, self._look, context=Context())


class TimeLimits:
    """Lends time limits again and again, since setting a timer is what they cost."""

    def __init__(self) -> None:
        self._idle: list[TimeLimit] = []

    def lend(self) -> TimeLimit:
        """Return a time limit of the running loop."""
        loop = asyncio.get_running_loop()
        try:
            limit = self._idle.pop()
        except IndexError:
            return TimeLimit(loop)
        return limit if limit.loop is loop else TimeLimit(loop)

    def take_back(self, limit: TimeLimit) -> None:
        """Keep *limit*, which is stopped, for another call."""
        if len(self._idle) < KEPT:
            self._idle.append(limit)
        else:
            limit.close()
