"""A limit to how long the running task may wait."""

from __future__ import annotations

import asyncio
import math


class TimeLimit:
    """
    Cancels the task that waits, when its time is over.

    Does what ``asyncio.timeout_at`` does for a third of its cost, which every call
    pays. It may be started again and again, as a stream does for every item: the timer
    of the loop stays, looks when it goes off, and is set anew if there is time left.
    """

    __slots__ = ("_cancelling", "_end", "_is_over", "_loop", "_task", "_timer")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._end = math.inf
        self._is_over = False

    def start(self, end: float) -> None:
        """Cancel the running task at *end*, on the loop's clock, unless stopped."""
        self._end = end
        if end == math.inf:
            return
        task = self._task = asyncio.current_task(self._loop)
        assert task is not None  # noqa: S101 - a coroutine is run by a task
        self._is_over = False
        self._cancelling = task.cancelling()
        if self._timer is None or end < self._timer.when():
            self.close()
            self._timer = self._loop.call_at(end, self._look)

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
        if self._loop.time() < self._end:
            self._timer = self._loop.call_at(self._end, self._look)
        else:
            self._is_over = True
            self._task.cancel()
