"""
Count in a file, under a lock: ``lock_worker.py KIND FOLDER TURNS``.

The count is read and written with nothing to protect it but the lock. Each turn's
number is printed, with the token of the lease.
"""

import asyncio
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
async def by_sqlite(folder):
    """Hold a lock in a SQLite file."""
    settings = {"storage": {"locks": {"provider": "sqlite", "path": folder / "locks"}}}
    async with (
        Pegboard.isolated(settings) as board,
        board.storage("locks", Locks).hold("count") as lease,
    ):
        yield lease.token


async def main():
    """Count."""
    kind, folder, turns = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    hold = {"file": by_file, "sqlite": by_sqlite}[kind]
    for _ in range(turns):
        async with hold(folder) as token:
            path = folder / "count"
            count = int(path.read_text()) if path.exists() else 0
            await asyncio.sleep(0)
            path.write_text(f"{count + 1}")
        sys.stdout.write(f"{count} {token}\n")


asyncio.run(main())
