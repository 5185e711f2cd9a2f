from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from pegboard import Collection, DocumentStore, IndexedField, KeyValue, Pegboard

WORKER = Path(__file__).with_name("dynamodb_worker.py")
PROCESSES, TASKS, TURNS = 4, 8, 2
COUNTERS = Collection("counters", (IndexedField("sum", "number"),))


async def test_processes_that_compare_and_set_lose_nothing(ministack, settings):
    """Four processes with eight tasks each count exactly, in each way there is."""
    async with Pegboard.isolated({"storage": {"kit": settings}}) as board:
        values = board.storage("kit", KeyValue)
        documents = board.storage("kit", DocumentStore)
        await values.set("key", 0)
        await documents.put_document(COUNTERS, "key", {"sum": 0})
        command = (sys.executable, str(WORKER), ministack, settings["url"], str(TURNS))
        workers = [
            await asyncio.create_subprocess_exec(*command, stdin=PIPE)
            for _ in range(PROCESSES)
        ]
        for worker in workers:
            worker.stdin.write_eof()  # they begin together
        ends = [await worker.wait() for worker in workers]

        expected = PROCESSES * TASKS * TURNS
        assert ends == [0] * PROCESSES
        assert await values.get("key") == expected
        assert await values.get("counter") == expected
        found = await documents.find_documents(COUNTERS, {"sum": expected})
        assert [one.key for one in found.documents] == ["key"]
