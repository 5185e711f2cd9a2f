"""Blocking twins of what is made of queues and of logs of events."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import (
    Callable,
    Coroutine,
)
from concurrent.futures import ThreadPoolExecutor
from typing import (
    TYPE_CHECKING,
    Any,
    Self,
)

from pegboard._queues import event_bus as _event_bus
from pegboard._queues import worker as _worker
from pegboard.contracts import (
    event_log,
)
from pegboard.errors import InvalidRequest

from ._contracts import Queue
from ._twins import Blocking, blocking, twin_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pegboard.contracts.queue import Delivery


class Worker(Blocking):
    """
    Calls a plain function for each message of a queue; see ``pegboard.Worker``.

    It is called in threads. These cannot be stopped: what still runs when its grace is
    over, or after its message was delivered anew, is done by others, too.
    """

    _original: _worker.Worker

    def __init__(  # noqa: PLR0913 - as the original has it
        self,
        queue: Queue,
        handler: Callable[[Delivery], object],
        *,
        concurrency: int = 10,
        visibility: float = 30.0,
        backoff: float = 1.0,
        grace: float = 10.0,
        on_failure: Callable[[Delivery, Exception], object] | None = None,
    ) -> None:
        """Make a worker; it does nothing yet. See ``pegboard.Worker``."""
        if inspect.iscoroutinefunction(handler):
            msg = f"{handler!r} is async. Use it with pegboard.Worker."
            raise InvalidRequest(msg, request_sent="no")

        async def handle(delivery: Delivery) -> None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._threads, handler, delivery)

        original = _worker.Worker(
            queue._original,  # noqa: SLF001 - its own
            handle,
            concurrency=concurrency,
            visibility=visibility,
            backoff=backoff,
            grace=grace,
            on_failure=on_failure,
        )
        super().__init__(original, queue._portal)  # noqa: SLF001 - its own
        self._concurrency = concurrency
        self._threads: ThreadPoolExecutor

    @property
    def done(self) -> int:
        """How many messages were acknowledged."""
        return self._original.done

    @property
    def failed(self) -> int:
        """How many times the function raised."""
        return self._original.failed

    def run(self) -> None:
        """Work until ``stop`` is called, by a signal or in another thread."""
        self._work(self._original.run())

    def drain(self) -> None:
        """Work until the queue gives nothing more."""
        self._work(self._original.drain())

    def stop(self) -> None:
        """Have ``run`` take no more messages, finish what it has, and return."""
        self._portal.soon(self._original.stop)

    def _work(self, work: Coroutine[Any, Any, None]) -> None:
        self._threads = ThreadPoolExecutor(self._concurrency, "pegboard-worker")
        try:
            self._portal.call(work)
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)


class Subscription(Blocking):
    """Events as they happen; see ``pegboard.Subscription``."""

    _original: _event_bus.Subscription

    next = blocking(_event_bus.Subscription.next)

    def __enter__(self) -> Self:
        self._portal.call(self._original.__aenter__())
        return self

    def __exit__(self, *exception: object) -> None:
        self._portal.call(self._original.__aexit__(*exception))

    def __iter__(self) -> Iterator[event_log.Event]:
        return self._portal.iterate(aiter(self._original))

    @property
    def position(self) -> str:
        """Where it is: pass it as *after* to go on there another time."""
        return self._original.position

    @property
    def dropped(self) -> int:
        """How many events had been dropped before they could be read."""
        return self._original.dropped


@twin_of(_event_bus.EventBus)
class EventBus(Blocking):
    """Events for whoever wants to know; see ``pegboard.EventBus``."""

    _original: _event_bus.EventBus

    publish = blocking(_event_bus.EventBus.publish)

    def subscribe(
        self,
        *topics: str,
        after: str = event_log.END,
        where: Callable[[event_log.Event], bool] | None = None,
    ) -> Subscription:
        """Return the events of *topics*, to be used in a ``with`` block."""
        original = self._original.subscribe(*topics, after=after, where=where)
        return Subscription(original, self._portal)
