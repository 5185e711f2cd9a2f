"""Work that is queued, and what became of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from pegboard._log import logger_of
from pegboard._stores.namespace import Namespace
from pegboard.errors import CallError, Conflict

from .worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pegboard.contracts.key_value import KeyValue
    from pegboard.contracts.queue import Delivery, Queue

Status = Literal["queued", "running", "done", "failed"]
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class JobState:
    """How far a job is."""

    id: str
    status: Status
    """One that has failed may be running again later, as often as the queue says."""
    updated: float
    """When this was last known, in seconds since 1970; while it runs, ever again."""
    deliveries: int = 0
    """How often somebody began to work at it."""
    result: Any = None
    """What the handler returned, once it is done."""
    error: str | None = None
    """What the handler raised, the last time that it failed."""


class Jobs:
    """
    Work that is queued, and what became of it: ``Jobs(queue, store)``.

    What is known of a job is a value in the store, for *ttl* seconds after the last
    that was heard of it.
    """

    def __init__(  # noqa: PLR0913 - each has a default that is good for most
        self,
        queue: Queue,
        store: KeyValue,
        *,
        ttl: float = DAY,
        heartbeat: float = 10.0,
        namespace: str = "job",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Put *queue* and *store* together.

        Args:
            queue: Where jobs wait.
            store: Where it is written what became of them.
            ttl: Seconds for which that is known.
            heartbeat: Seconds between two signs of life of a job that runs.
            namespace: What tells these values from others in the store.
            clock: The time of day in seconds since 1970, for tests.

        """
        self._queue = queue
        self._store = store
        self._ttl = ttl
        self._heartbeat = heartbeat
        self._names = Namespace(namespace)
        self._clock = clock

    async def submit(
        self, body: Any, *, delay: float = 0.0, group: str | None = None
    ) -> str:
        """
        Queue a job and return its id.

        Raises:
            InvalidRequest: It cannot be a message, or is too big.

        """
        name = await self._queue.publish(body, delay=delay, group=group)
        with suppress(Conflict):  # somebody is already at it
            await self._note(JobState(name, "queued", self._clock()), is_new=True)
        return name

    async def state(self, job_id: str) -> JobState | None:
        """Return how far a job is, or None if nothing is known of it."""
        found = await self._store.get(self._names.key(job_id))
        return None if found is None else JobState(**found)

    def worker(
        self,
        handler: Callable[[Delivery], Awaitable[Any]],
        *,
        concurrency: int = 10,
        visibility: float = 30.0,
        backoff: float = 1.0,
        grace: float = 10.0,
    ) -> Worker:
        """
        Return a worker that writes down what becomes of each job.

        What *handler* returns is the result: anything that JSON can say. See
        ``Worker`` for the rest.
        """

        async def work(delivery: Delivery) -> None:
            await self._work(handler, delivery)

        return Worker(
            self._queue,
            work,
            concurrency=concurrency,
            visibility=visibility,
            backoff=backoff,
            grace=grace,
        )

    async def _work(
        self, handler: Callable[[Delivery], Awaitable[Any]], delivery: Delivery
    ) -> None:
        name, deliveries = delivery.id, delivery.deliveries
        try:
            async with self._beating(name, deliveries):
                result = await handler(delivery)
            state = JobState(name, "done", self._clock(), deliveries, result)
            await self._note(state)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            failed = JobState(name, "failed", self._clock(), deliveries, error=reason)
            await self._note(failed)
            raise

    @asynccontextmanager
    async def _beating(self, name: str, deliveries: int) -> AsyncGenerator[None]:
        """Write now, and ever again while the block runs, that the job does."""

        async def write() -> None:
            await self._note(JobState(name, "running", self._clock(), deliveries))

        async def beat() -> None:
            while True:
                await asyncio.sleep(self._heartbeat)
                try:
                    await write()
                except CallError as error:
                    logger_of("jobs").warning("{} has no heartbeat: {}", name, error)

        await write()
        beating = asyncio.create_task(beat())
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.wait([beating])

    async def _note(self, state: JobState, *, is_new: bool = False) -> None:
        key = self._names.key(state.id)
        await self._store.set(key, asdict(state), ttl=self._ttl, if_absent=is_new)
