"""The typed surface of queues and events, as mypy must see it. Checked, never run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, assert_type

from pegboard import (
    DeadLetterPage,
    DeadLetterQueue,
    Delivery,
    Event,
    EventBus,
    EventLog,
    EventPage,
    Jobs,
    JobState,
    KeyValue,
    NewMessage,
    Pegboard,
    Published,
    Queue,
    QueueCounts,
    Subscription,
    Worker,
    sync,
)

if TYPE_CHECKING:
    from pegboard.builtin._memory_events import MemoryEvents
    from pegboard.builtin._memory_queue import MemoryQueue
    from pegboard.builtin._sqlite_events import SqliteEvents
    from pegboard.builtin._sqlite_queue import SqliteQueue


async def queues_are_typed(board: Pegboard) -> None:
    """Each contract comes back as itself."""
    queue = board.integration("x", Queue)
    assert_type(queue, Queue)
    assert_type(await queue.publish({"a": 1}, group="g"), str)
    assert_type(await queue.publish_many([NewMessage(body=1)]), Sequence[Published])
    assert_type(await queue.receive(limit=2), Sequence[Delivery])
    assert_type(await queue.ack("receipt"), bool)
    assert_type(await queue.count(), QueueCounts)
    letters = board.integration("x", DeadLetterQueue)
    assert_type(await letters.list_dead_letters(), DeadLetterPage)
    await queue.ack(1)  # type: ignore[arg-type]  # must be an error


async def handle(delivery: Delivery) -> int:
    """Handle a message."""
    return delivery.deliveries


def plain(delivery: Delivery) -> None:
    """Handle a message without async."""


async def workers_are_typed(board: Pegboard) -> None:
    """A worker takes an async function of a delivery."""
    worker = Worker(board.integration("x", Queue), handle)
    assert_type(worker.done, int)
    Worker(board.integration("x", Queue), plain)  # type: ignore[arg-type]  # not async
    jobs = Jobs(board.integration("x", Queue), board.storage("x", KeyValue))
    assert_type(await jobs.submit(1), str)
    assert_type(await jobs.state("id"), JobState | None)
    assert_type(jobs.worker(handle), Worker)


async def events_are_typed(board: Pegboard) -> None:
    """A bus is made of any log."""
    assert_type(await board.integration("x", EventLog).read_events(["a"]), EventPage)
    bus = board.integration("x", EventBus)
    assert_type(bus, EventBus)
    assert_type(bus.subscribe("a.*", after="start"), Subscription)
    async with bus.subscribe() as events:
        assert_type(await events.next(), Event | None)
        async for event in events:
            assert_type(event, Event)


def blocking_ones_are_typed(board: sync.Pegboard) -> None:
    """The blocking twins have the same types."""
    queue = board.integration("x", sync.Queue)
    assert_type(queue.publish(1), str)
    assert_type(queue.receive(), Sequence[Delivery])
    sync.Worker(queue, plain)
    with board.integration("x", sync.EventBus).subscribe("a") as events:
        assert_type(events.next(wait=1.0), Event | None)
        for event in events:
            assert_type(event, Event)


def backends_keep_the_contracts(
    memory: MemoryQueue, file: SqliteQueue, latest: MemoryEvents, kept: SqliteEvents
) -> tuple[DeadLetterQueue, DeadLetterQueue, EventLog, EventLog]:
    """What comes with the core fits, as mypy sees it."""
    return memory, file, latest, kept
