"""
Processes that use a store at once, and may be killed while they do.

Run by test_sqlite_processes.py. Each begins when it gets a line, and says what it did
line by line, at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import sys
import time
from pathlib import Path

from pegboard import Context
from pegboard.builtin.sqlite import SqliteKeyValue, SqliteOptions
from pegboard.errors import CallError, Conflict

TASKS = 8
VALUE_LENGTH = 500


def open_store(path):
    """Return a store that is patient: the machine may be slow."""
    options = SqliteOptions(path=path, busy_timeout=60)
    return SqliteKeyValue(options, Context("storage.kit", Path(path).parent))


def say(*words):
    """Print a line that nothing can tear or hold back."""
    os.write(1, f"{json.dumps(words)}\n".encode())


async def count_by_version(path, turns):
    """Add to one number in many tasks, each turn a compare and set."""
    store = open_store(path)

    async def count():
        for _ in range(int(turns)):
            while True:
                entry = await store.get_entry("key")
                await asyncio.sleep(0)
                try:
                    await store.set("key", entry.value + 1, if_version=entry.version)
                    break
                except Conflict:
                    continue

    await asyncio.gather(*(count() for _ in range(TASKS)))
    await store.aclose()


async def open_new_files(folder, files):
    """Use many files, each for the first time."""
    for number in range(int(files)):
        store = open_store(f"{folder}/{number}.sqlite")
        await store.incr("key")
        await store.aclose()


async def use_registers(path, name):
    """For each line that names a register, call it a few times at random."""
    store = open_store(path)
    say("ready")
    for line in sys.stdin:
        key, seed = line.split()
        chance = random.Random(f"{seed} {name}")  # noqa: S311 - no secret
        seen = None
        for number in range(3):
            seen = await call_register(store, key, f"{name}.{number}", chance, seen)
        say("done")


async def call_register(store, key, value, chance, seen):
    """Make one call; say when it begins and what it answers. Return the last entry."""
    kind = chance.choice(["read", "write", "swap", "swap"])
    say(kind, seen and seen[0], value, time.monotonic_ns())
    answer = True
    if kind == "read":
        entry = await store.get_entry(key)
        seen = entry and (entry.value, entry.version)
        answer = entry and entry.value
    elif kind == "write":
        seen = value, await store.set(key, value)
    else:
        condition = {"if_version": seen[1]} if seen else {"if_absent": True}
        try:
            seen = value, await store.set(key, value, **condition)
        except Conflict:
            answer = False
    say(answer, time.monotonic_ns())
    return seen


async def write_until_the_disk_is_full(path, limit):
    """Store number after number in a file that cannot grow beyond *limit*."""
    store = open_store(path)
    await store.set("key", "old")
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    for number in range(10_000):
        try:
            await store.set(f"key{number}", [number] * VALUE_LENGTH)
        except CallError as error:
            say(type(error).__name__)
            return
        say(number)


if __name__ == "__main__":
    sys.stdin.readline()
    asyncio.run(globals()[sys.argv[1]](*sys.argv[2:]))
