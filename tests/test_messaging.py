"""One program with queued work and events, on every backend, by settings alone."""

from __future__ import annotations

import asyncio
import runpy
import tracemalloc
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest
from pegboard import (
    EventBus,
    Jobs,
    KeyValue,
    NewMessage,
    Pegboard,
    Queue,
    QueueCounts,
    Worker,
)

ROOT = Path(__file__).parents[1]
REDIS = runpy.run_path(str(ROOT / "plugins/pegboard-redis/tests/conftest.py"))
PATIENCE = 60


@pytest.fixture(scope="session")
def valkey():
    """Run a Valkey server."""
    with REDIS["running"]("valkey") as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", "valkey"])
def settings(request, tmp_path):
    """Return the settings of an empty instance of each kind in turn."""
    if request.param == "memory":
        return {"provider": "memory"}
    if request.param == "sqlite":
        return {"provider": "sqlite", "path": str(tmp_path / "x.sqlite")}
    url, prefix = request.getfixturevalue("valkey").url, f"{uuid4().hex}:"
    return {"provider": "redis", "url": url, "prefix": prefix, "timeout": PATIENCE}


@pytest.fixture
def make_board(settings, tmp_path):
    """Return a function that makes a board with the instance, changed a bit."""

    def make_board(**changes):
        storage = {"provider": "sqlite", "path": str(tmp_path / "states.sqlite")}
        instance = {**settings, **changes}
        return Pegboard.isolated(
            {"integrations": {"x": instance}, "storage": {"states": storage}}
        )

    return make_board


async def test_everything_that_is_sent_is_done_once(make_board):
    """Though two workers share it, and much of it fails at first."""
    done = Counter()

    async def handle(delivery):
        await asyncio.sleep(0)
        if delivery.body % 3 == 0 and delivery.deliveries < 3:
            raise ValueError
        done[delivery.body] += 1

    async with make_board() as board:
        queue = board.integration("x", Queue)
        await queue.publish_many([NewMessage(body=number) for number in range(200)])
        workers = [Worker(queue, handle, backoff=0.0) for _ in range(2)]
        await asyncio.gather(*(worker.drain() for worker in workers))

        assert await queue.count() == QueueCounts(0, 0, 0)
    assert done == dict.fromkeys(range(200), 1)
    assert sum(worker.done for worker in workers) == 200


async def test_jobs_tell_what_became_of_them(make_board):
    """By a queue of any kind, in a storage of another."""

    async def double(delivery):
        return delivery.body * 2

    async with make_board() as board:
        jobs = Jobs(board.integration("x", Queue), board.storage("states", KeyValue))
        ids = [await jobs.submit(number) for number in range(10)]
        await jobs.worker(double).drain()
        states = [await jobs.state(job) for job in ids]

    assert [state.result for state in states] == [n * 2 for n in range(10)]


async def test_slow_subscriber_gets_all_where_others_wait(make_board):
    """Nothing is dropped, and nothing is out of order."""
    seen = []

    async def publish(bus):
        for number in range(300):
            await bus.publish("a", number)

    async with make_board(keep=20, overflow="block", block_timeout=PATIENCE) as board:
        bus = board.integration("x", EventBus)
        async with bus.subscribe() as events:
            publishing = asyncio.create_task(publish(bus))
            async for event in events:
                await asyncio.sleep(0)
                seen.append(event.body)
                if len(seen) == 300:
                    break
            await publishing

    assert seen == list(range(300))
    assert events.dropped == 0


async def test_ten_thousand_events_leave_a_slow_subscriber_within_memory(make_board):
    """What it did not get is counted, and nobody holds it."""
    async with make_board(keep=100) as board:
        bus = board.integration("x", EventBus)
        async with bus.subscribe() as events:
            first = await events.next()
            tracemalloc.start()
            for _ in range(100):
                many = (bus.publish("a", "x" * 1000) for _ in range(100))
                await asyncio.gather(*many)
            size, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            got = 0
            while await events.next() is not None:
                got += 1

    assert first is None
    assert got + events.dropped == 10_000
    assert got <= 200
    assert size < 1_000_000
