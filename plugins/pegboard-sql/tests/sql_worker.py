"""
Processes that use a KeyValue at once, and may be killed while they do.

Run by test_sql_processes.py, with a function and the settings. Each begins when it gets
a line, and says what it does line by line, at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time

from pegboard import KeyValue, Pegboard
from pegboard.errors import Conflict

TASKS, TURNS = 8, 6


def say(*words):
    """Print a line that nothing can tear or hold back."""
    os.write(1, f"{json.dumps(words)}\n".encode())


async def add_by_version(values):
    """Add to one number in many tasks, each turn a compare and set."""

    async def add():
        for _ in range(TURNS):
            while True:
                entry = await values.get_entry("compared")
                condition = (
                    {"if_version": entry.version} if entry else {"if_absent": True}
                )
                total = entry.value + 1 if entry else 1
                try:
                    await values.set("compared", total, **condition)
                    break
                except Conflict:
                    continue

    await asyncio.gather(*(add() for _ in range(TASKS)))


async def add_at_once(values):
    """Add to another number in many tasks."""

    async def add():
        for _ in range(TURNS):
            await values.incr("counted")

    await asyncio.gather(*(add() for _ in range(TASKS)))


async def use_registers(values):
    """Call one register after the other, as all others do, until killed or done."""
    chance = random.Random(os.getpid())  # noqa: S311 - no secret
    for number in range(40):
        seen = None
        for turn in range(3):
            value = f"{os.getpid()}.{number}.{turn}"
            kind = chance.choice(["read", "write", "swap", "swap"])
            say(number, kind, seen and seen[0], value, time.monotonic_ns())
            seen, answer = await call(values, f"r{number}", kind, seen, value)
            say(answer, time.monotonic_ns())


async def call(values, key, kind, seen, value):
    """Make one call; return the entry as it is then known, and the answer."""
    if kind == "read":
        entry = await values.get_entry(key)
        return entry and (entry.value, entry.version), entry and entry.value
    if kind == "write":
        return (value, await values.set(key, value)), True
    condition = {"if_version": seen[1]} if seen else {"if_absent": True}
    try:
        return (value, await values.set(key, value, **condition)), True
    except Conflict:
        return seen, False


async def main(function, settings):
    """Run a function on a board of this process."""
    board = Pegboard.isolated({"storage": {"main": json.loads(settings)}})
    async with board:
        await globals()[function](board.storage("main", KeyValue))


if __name__ == "__main__":
    say("ready")
    sys.stdin.readline()
    asyncio.run(main(*sys.argv[1:]))
