"""
Processes that use a store at once, and may be killed while they do.

Run by test_redis_processes.py. Each begins when it gets a line, and says what it did
line by line, at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from pathlib import Path

from pegboard import Context
from pegboard.errors import Conflict
from pegboard_redis._key_value import RedisKeyValue
from pegboard_redis.options import RedisOptions

TASKS = 8


def open_store(url):
    """Return a store that is patient: the machine may be slow."""
    options = RedisOptions(url=url, prefix="shared:", timeout=60, connect_timeout=60)
    return RedisKeyValue(options, Context("storage.kit", Path("unused")))


def say(*words):
    """Print a line that nothing can tear or hold back."""
    os.write(1, f"{json.dumps(words)}\n".encode())


async def count_by_version(store, turns):
    """Add to one number in many tasks, each turn a compare and set."""

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


async def use_registers(store, name):
    """For each line that names a register, call it a few times at random."""
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


async def main(function, url, *arguments):
    """Run *function* with a store."""
    store = open_store(url)
    await globals()[function](store, *arguments)
    await store.aclose()


if __name__ == "__main__":
    sys.stdin.readline()
    asyncio.run(main(*sys.argv[1:]))
