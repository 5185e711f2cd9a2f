"""
A process that counts in a table while others do. Run by test_dynamodb_processes.py.

It begins when its input ends.
"""

from __future__ import annotations

import asyncio
import sys

from pegboard import Collection, DocumentStore, IndexedField, KeyValue, Pegboard
from pegboard.errors import Conflict

TASKS = 8
PATIENT = {"deadline": 120, "attempt_timeout": 120}
COUNTERS = Collection("counters", (IndexedField("sum", "number"),))


async def count_values(board, turns):
    """Add to one value, each turn a compare and set."""
    store = board.storage("kit", KeyValue)
    while turns:
        entry = await store.get_entry("key")
        try:
            await store.set("key", entry.value + 1, if_version=entry.version)
        except Conflict:
            continue
        turns -= 1


async def count_documents(board, turns):
    """Add to one document, each turn a compare and put."""
    store = board.storage("kit", DocumentStore)
    while turns:
        found = await store.get_document(COUNTERS, "key")
        body = {"sum": found.body["sum"] + 1}
        try:
            await store.put_document(COUNTERS, "key", body, if_version=found.version)
        except Conflict:
            continue
        turns -= 1


async def count_up(board, turns):
    """Add to a counter, which takes no comparing."""
    store = board.storage("kit", KeyValue)
    for _ in range(turns):
        await store.incr("counter")


async def main(endpoint, url, turns):
    """Count in many tasks."""
    settings = {
        "provider": "dynamodb",
        "url": url,
        "endpoint": endpoint,
        "access_key_id": "test",
        "secret_access_key": "test",
        "policy": PATIENT,
    }
    async with Pegboard.isolated({"storage": {"kit": settings}}) as board:
        ways = (count_values, count_documents, count_up)
        await asyncio.gather(
            *(way(board, int(turns)) for way in ways for _ in range(TASKS))
        )


if __name__ == "__main__":
    sys.stdin.read()
    asyncio.run(main(*sys.argv[1:]))
