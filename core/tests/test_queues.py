"""The queues that come with the core keep the contract."""

from __future__ import annotations

import tracemalloc

import pytest
from pegboard import DeadLetterQueue, Pegboard, Queue
from pegboard.testing.queue import (
    DeadLetterQueueContract,
    GroupedQueueContract,
    SharedQueueContract,
)


class TestMemory(DeadLetterQueueContract, GroupedQueueContract):
    @pytest.fixture
    def settings(self):
        """Return the settings of a queue in memory."""
        return {"provider": "memory"}


class TestSqlite(DeadLetterQueueContract, GroupedQueueContract, SharedQueueContract):
    @pytest.fixture
    def settings(self, tmp_path):
        """Return the settings of a queue in a file."""
        return {"provider": "sqlite", "path": str(tmp_path / "kit.sqlite")}


async def test_queue_in_memory_forgets_what_is_done():
    """However long it could have been hidden."""
    settings = {"integrations": {"q": {"provider": "memory"}}}
    async with Pegboard.isolated(settings) as board:
        queue = board.integration("q", Queue)
        tracemalloc.start()
        for _ in range(5_000):
            await queue.publish("x" * 100, group="g")
            (received,) = await queue.receive(visibility=10**6)
            await queue.extend(received.receipt, visibility=10**7)
            await queue.ack(received.receipt)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert size < 100_000


async def test_redriven_group_in_a_file_keeps_its_order(tmp_path):
    """Many that are put in by one statement stand behind each other, too."""
    path = str(tmp_path / "kit.sqlite")
    sqlite = {"provider": "sqlite", "path": path, "max_deliveries": 1}
    async with Pegboard.isolated({"integrations": {"q": sqlite}}) as board:
        queue = board.integration("q", DeadLetterQueue)
        for number in range(4):
            await queue.publish(number, group="g")
            (received,) = await queue.receive()
            await queue.nack(received.receipt)
        await queue.redrive()
        seen = []
        while received := await queue.receive(limit=10):
            seen.append([one.body for one in received])
            await queue.ack(received[0].receipt)

    assert seen == [[0], [1], [2], [3]]
