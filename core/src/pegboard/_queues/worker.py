"""Work on the messages of a queue, so many at once."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from pegboard._log import logger_of
from pegboard.contracts.queue import Delivery, Queue
from pegboard.errors import CallError, InvalidRequest

from .job import LONGEST_PAUSE, SHORTEST_PAUSE, Handler, Job

LONGEST_WAIT = 20.0
"""Seconds of one ``receive``; services allow no more."""
LONGEST_DELAY = 900.0
"""Seconds until a message comes again; services allow no more."""


class Worker:
    """
    Calls a handler for each message of a queue.

    A handler that returns is done with its message. One that raises gets it again,
    later each time. While it runs, nobody else gets the message.
    """

    def __init__(  # noqa: PLR0913 - each has a default that is good for most
        self,
        queue: Queue,
        handler: Handler,
        *,
        concurrency: int = 10,
        visibility: float = 30.0,
        backoff: float = 1.0,
        grace: float = 10.0,
        on_failure: Callable[[Delivery, Exception], object] | None = None,
    ) -> None:
        """
        Make a worker; it does nothing yet.

        Args:
            queue: Where messages come from.
            handler: An async function of a ``Delivery``.
            concurrency: Most messages that are worked at at once.
            visibility: Seconds after which others get what this process leaves behind
                when it is killed. It is prolonged while handlers run.
            backoff: Seconds until a message comes again that failed once; twice as
                much each time that it fails again.
            grace: Seconds that handlers have to end after ``stop``.
            on_failure: Called with each message that failed, and the error.

        """
        _check(handler, concurrency, visibility)
        self.done = 0
        """How many messages were acknowledged."""
        self.failed = 0
        """How many times a handler raised."""
        self._queue = queue
        self._handler = handler
        self._concurrency = concurrency
        self._visibility = visibility
        self._backoff = backoff
        self._grace = grace
        self._on_failure = on_failure
        self._log = logger_of("worker")
        self._jobs: set[Job] = set()
        self._lines: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """
        Work until ``stop`` is called.

        While the queue cannot be reached, it is tried again, ever less often. When
        this is cancelled, handlers are too, and others get their messages at once.

        Raises:
            CallError: The queue refuses, such as for want of permission.

        """
        await self._work(self._receive_all())

    async def drain(self) -> None:
        """
        Work until the queue gives nothing more.

        What failed and comes again later is left to the next time.
        """
        await self._work(self._receive_rest())

    def stop(self) -> None:
        """Have ``run`` take no more messages, finish what it has, and return."""
        self._stopped.set()

    async def _work(self, receiving: Coroutine[Any, Any, None]) -> None:
        keeper = asyncio.create_task(self._keep())
        try:
            await receiving
            await self._settle()
        except CallError:
            await self._settle()
            raise
        finally:
            keeper.cancel()
            await _ended([keeper, *self._lines])

    async def _receive_all(self) -> None:
        pause = SHORTEST_PAUSE
        while not self._stopped.is_set():
            try:
                await self._until_stopped(self._take(LONGEST_WAIT))
                pause = SHORTEST_PAUSE
            except CallError as error:
                if not error.retryable:
                    raise
                self._log.warning("Nothing is received: {}", error)
                await self._until_stopped(asyncio.sleep(error.retry_after or pause))
                pause = min(2 * pause, LONGEST_PAUSE)

    async def _receive_rest(self) -> None:
        while await self._take(0.0) or self._lines:
            if self._lines:
                await asyncio.wait(self._lines, return_when=asyncio.FIRST_COMPLETED)
            if self._stopped.is_set():
                return

    async def _take(self, wait: float) -> int:
        """Begin to work at messages, and return how many there were."""
        while len(self._lines) >= self._concurrency:
            await asyncio.wait(self._lines, return_when=asyncio.FIRST_COMPLETED)
        free = self._concurrency - len(self._lines)
        received = await self._queue.receive(
            limit=free, wait=wait, visibility=self._visibility
        )
        jobs = [Job(self._queue, one, self._visibility) for one in received]
        for line in _lines(jobs):
            self._begin(line)
        return len(jobs)

    def _begin(self, line: list[Job]) -> None:
        self._jobs.update(line)
        task = asyncio.create_task(self._work_at(line))
        self._lines.add(task)
        task.add_done_callback(self._lines.discard)

    async def _work_at(self, line: list[Job]) -> None:
        """Work at messages of one group in order; all wait for one that failed."""
        try:
            while line and await self._has_done(line[0]):
                self._jobs.discard(line.pop(0))
        finally:
            self._jobs.difference_update(line)
            # The last first, so that the first is the next again where order counts.
            for job in reversed(line):
                await job.give_back(self._pause(job))

    async def _has_done(self, job: Job) -> bool:
        """Return whether the next message of the group may be worked at."""
        outcome = await job.work(self._handler)
        if outcome == "done":
            self.done += 1
            return True
        if outcome == "failed":
            self.failed += 1
            self._tell(job)
        return False

    def _tell(self, job: Job) -> None:
        name, tries = job.delivery.id, job.delivery.deliveries
        assert job.error  # noqa: S101 - that is how it failed
        kind = type(job.error).__name__
        self._log.warning("{} failed with {} at delivery {}.", name, kind, tries)
        if self._on_failure:
            try:
                self._on_failure(job.delivery, job.error)
            except Exception as error:  # noqa: BLE001 - it is the program's
                self._log.warning("on_failure failed itself: {!r}", error)

    def _pause(self, job: Job) -> float:
        """Return the seconds until *job* may be received again."""
        if job.error is None:  # it was not its fault
            return 0.0
        asked = getattr(job.error, "retry_after", None) or 0.0
        pause = self._backoff * 2.0 ** min(job.delivery.deliveries - 1, 30)
        return float(min(max(asked, pause), LONGEST_DELAY))

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._visibility / 3)
            await asyncio.gather(*(job.keep() for job in self._jobs))

    async def _settle(self) -> None:
        if self._lines:
            await asyncio.wait(self._lines, timeout=self._grace)

    async def _until_stopped(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do *work* to its end, or until there shall be no more of it."""
        tasks = [asyncio.ensure_future(one) for one in (work, self._stopped.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done():
                tasks[0].result()
        finally:
            await _ended(tasks)


async def _ended(tasks: Iterable[asyncio.Future[Any]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _lines(jobs: Iterable[Job]) -> Iterable[list[Job]]:
    """Put those of one group into one line, and each other one into its own."""
    lines: dict[object, list[Job]] = {}
    for job in jobs:
        lines.setdefault(job.delivery.group or job, []).append(job)
    return lines.values()


def _check(handler: object, concurrency: object, visibility: float) -> None:
    if not (_is_async(handler) or _is_async(getattr(handler, "__call__", None))):  # noqa: B004 - what it is is asked
        msg = f"{handler!r} is not async. Pass an async function of a Delivery."
        raise InvalidRequest(msg, request_sent="no")
    if not isinstance(concurrency, int) or concurrency < 1:
        msg = f"concurrency is {concurrency!r}: it must be a whole number above 0."
        raise InvalidRequest(msg, request_sent="no")
    if not visibility > 0:
        msg = f"visibility is {visibility!r}: it must be above 0."
        raise InvalidRequest(msg, request_sent="no")


def _is_async(function: object) -> bool:
    return inspect.iscoroutinefunction(function)
