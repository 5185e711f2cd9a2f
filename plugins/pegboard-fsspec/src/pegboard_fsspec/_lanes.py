"""Threads, each with a file system of its own: what is slow or blocks is done there."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from pegboard.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._file_system import FileSystem

Result = TypeVar("Result")
GRACE = 2.0
"""Seconds that a cancelled call waits for the one in the thread to end."""
NO_LOSS = (
    *(FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError),
    *(PermissionError, NotImplementedError, CallError),
)
"""Errors after which a connection is as good as before."""


class Lane:
    """
    A thread with a file system that no other thread uses.

    Many file systems of fsspec are not for several threads. One that raised what
    nobody expected is left, and the next call makes another. A call that hangs is left
    with its thread.
    """

    def __init__(self, make: Callable[[], FileSystem]) -> None:
        self._make = make
        self._made: FileSystem | None = None
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[FileSystem], Any]] | None]
        self._jobs = SimpleQueue()
        self._lock = threading.Lock()
        self.waiting = 0
        self.is_lost = False
        threading.Thread(target=self._work, daemon=True, name="pegboard-fsspec").start()

    async def run(
        self,
        function: Callable[..., Result],
        *arguments: Any,
        undo: Callable[[FileSystem, Result], object] | None = None,
    ) -> Result:
        """
        Return what *function* returns for the file system and *arguments*.

        When cancelled, what it returned goes to *undo*, such as an open file.
        """
        job = self.begin(function, *arguments)
        work = asyncio.wrap_future(job)
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            if not job.cancel() and await self._is_over(work) and undo is not None:
                self._undo(undo, work)
            raise
        return work.result()

    def begin(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Have *function* called as ``run`` does, and do not wait for it."""
        job: Future[Result] = Future()
        with self._lock:
            if self.is_lost:
                msg = "the connection was left, since a call did not end"
                raise ConnectionResetError(msg)
            self.waiting += 1
            self._jobs.put((job, lambda system: function(system, *arguments)))
        return job

    def close(self) -> Future[None]:
        """Close the file system after all that waits, and end the thread."""
        closed = self.begin(self._drop)
        self._end()
        return closed

    def _end(self) -> None:
        with self._lock:
            self.is_lost = True
            self._jobs.put(None)

    async def _is_over(self, work: asyncio.Future[Any]) -> bool:
        """Wait for the end of *work*, however often that is cancelled, but not long."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + GRACE
        while not work.done() and (left := ends - loop.time()) > 0:
            with suppress(asyncio.CancelledError):
                await asyncio.wait([work], timeout=left)
        if not work.done():
            self._end()
        return work.done()

    def _undo(
        self,
        undo: Callable[[FileSystem, Any], object],
        work: asyncio.Future[Any],
    ) -> None:
        if not work.cancelled() and work.exception() is None:
            with suppress(ConnectionResetError):
                self.begin(undo, work.result())

    def _work(self) -> None:
        while (work := self._jobs.get()) is not None:
            self._do(*work)
            del work  # what it holds may be large

    def _do(self, job: Future[Any], function: Callable[[FileSystem], Any]) -> None:
        try:
            if job.set_running_or_notify_cancel():
                job.set_result(function(self._system()))
        except BaseException as error:  # noqa: BLE001 - it is for who waits
            job.set_exception(self._meant(error))
            if not isinstance(error, NO_LOSS):
                self._drop()
        finally:
            self.waiting -= 1

    def _meant(self, error: BaseException) -> BaseException:
        """Return *error*, or that the connection is lost if that is why it came."""
        made = self._made
        if made is None or made.is_connected() or isinstance(error, NO_LOSS):
            return error
        lost = ConnectionResetError(f"the connection is lost: {error}")
        lost.__cause__ = error
        return lost

    def _system(self) -> FileSystem:
        if self._made is None:
            self._made = self._make()
        return self._made

    def _drop(self, _: FileSystem | None = None) -> None:
        made, self._made = self._made, None
        if made is not None:
            made.close()


class Lanes:
    """As many lanes as there may be; one more is made when all are at work."""

    def __init__(self, make: Callable[[], FileSystem], most: int) -> None:
        self._make = make
        self._most = most
        self._lanes: list[Lane] = []
        self._lock = threading.Lock()

    def choose(self) -> Lane:
        """Return the lane with the least to do."""
        with self._lock:
            self._lanes = [lane for lane in self._lanes if not lane.is_lost]
            best = min(self._lanes, key=lambda lane: lane.waiting, default=None)
            if best is None or (best.waiting and len(self._lanes) < self._most):
                best = Lane(self._make)
                self._lanes.append(best)
            return best

    async def aclose(self) -> None:
        """Close all lanes."""
        with self._lock:
            lanes, self._lanes = self._lanes, []
        alive = [lane for lane in lanes if not lane.is_lost]
        closing = [asyncio.wrap_future(lane.close()) for lane in alive]
        if closing:
            await asyncio.wait(closing, timeout=GRACE)
