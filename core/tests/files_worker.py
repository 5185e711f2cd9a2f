"""
Processes that use a folder of blobs at once, and may be killed while they do.

Run by test_files_processes.py. Each begins when it gets a line, and says what it did
line by line, at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from pegboard import Context
from pegboard.builtin.files import FileBlobs, FilesOptions
from pegboard.errors import Conflict

TASKS = 8


def open_store(path):
    """Return a store that is patient: the machine may be slow."""
    options = FilesOptions(
        path=path, busy_timeout=60, durability="process", keep_versions=1
    )
    return FileBlobs(options, Context("storage.kit", Path(path).parent))


def say(*words):
    """Print a line that nothing can tear or hold back."""
    os.write(1, f"{json.dumps(words)}\n".encode())


async def count_by_version(path, turns):
    """Add to one number in many tasks, each turn a conditional put."""
    store = open_store(path)

    async def count():
        for _ in range(int(turns)):
            while True:
                blob = await store.stat("key")
                number = int(await store.get("key"))
                try:
                    await store.put(
                        "key", str(number + 1).encode(), if_version=blob.version
                    )
                    break
                except Conflict:
                    continue

    await asyncio.gather(*(count() for _ in range(TASKS)))


async def be_first(path, blobs):
    """Store many blobs if they are absent; say which were."""
    store = open_store(path)
    for number in range(int(blobs)):
        try:
            await store.put(f"a/{number}", b"", if_absent=True)
            say(number)
        except Conflict:
            continue


if __name__ == "__main__":
    sys.stdin.readline()
    asyncio.run(globals()[sys.argv[1]](*sys.argv[2:]))
