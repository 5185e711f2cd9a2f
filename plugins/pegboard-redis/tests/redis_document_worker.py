"""Count in a document: URL PREFIX TASKS TURNS; print each number."""

import asyncio
import sys
from typing import Annotated

from pegboard import Documents, Index, Key, Pegboard
from pegboard.errors import Conflict
from pydantic import BaseModel


class Counter(BaseModel):
    """Something that all count in."""

    name: Annotated[str, Key()]
    count: Annotated[int, Index()] = 0


async def count(counters):
    """Add 1, however often others are faster."""
    while True:
        found = await counters.get_entry("all")
        version = found and found.version
        counter = found.value if found else Counter(name="all")
        counter.count += 1
        await asyncio.sleep(0)
        try:
            await counters.put(counter, if_version=version, if_absent=not found)
        except Conflict:
            continue
        return counter.count


async def turns(counters, number):
    """Count *number* times."""
    for _ in range(number):
        sys.stdout.write(f"{await count(counters)}\n")


async def main():
    """Count in several tasks."""
    url, prefix, tasks, number = sys.argv[1:]
    settings = {"provider": "redis", "url": url, "prefix": prefix, "timeout": 60}
    async with Pegboard.isolated({"storage": {"kit": settings}}) as board:
        counters = board.storage("kit", Documents[Counter])
        await asyncio.gather(*(turns(counters, int(number)) for _ in range(int(tasks))))


asyncio.run(main())
