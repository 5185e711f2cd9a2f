"""
Count in a file, under a lock: ``lock_worker.py KIND FOLDER TURNS``.

KIND is "file", or the settings of a storage as JSON.

The count is read and written with nothing to protect it but the lock. Each turn's
number is printed, with the token of the lease.
"""

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from pegboard import Locks, Pegboard, file_lock


@asynccontextmanager
async def by_file(folder):
    """Hold the lock of a file; it knows no tokens."""
    async with file_lock(folder / "lock"):
        yield 0


@asynccontextmanager
async def by_storage(settings):
    """Hold a lock in the storage that *settings* name."""
    async with (
        Pegboard.isolated({"storage": {"locks": settings}}) as board,
        board.storage("locks", Locks).hold("count", wait=300) as lease,
    ):
        yield lease.token


async def main():
    """Count."""
    kind, folder, turns = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    for _ in range(turns):
        held = by_file(folder) if kind == "file" else by_storage(json.loads(kind))
        async with held as token:
            path = folder / "count"
            count = int(path.read_text()) if path.exists() else 0
            await asyncio.sleep(0)
            path.write_text(f"{count + 1}")
        sys.stdout.write(f"{count} {token}\n")


asyncio.run(main())
