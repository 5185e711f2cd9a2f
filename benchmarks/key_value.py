"""
Compare KeyValue on SQLite with the sqlite3 module that it is made of.

Prints one table. All ways store the same JSON in the same kind of file. They take
turns, round by round, and only CPU time counts, so that whatever else the machine
does meets all of them alike.

    python benchmarks/key_value.py
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from contextlib import AsyncExitStack, closing
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pegboard.builtin.memory import MemoryKeyValue, MemoryOptions
from pegboard.builtin.sqlite import GET, SET, SqliteKeyValue, SqliteOptions
from pegboard.contracts.key_value import new_version
from pegboard.descriptors import Context

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Round = Callable[[], Awaitable[None]]

ROUNDS, CALLS = 41, 500
VALUE = {"user": "u-1093", "roles": ["reader", "editor"], "last": "Hello. " * 20}
BASELINE = "sqlite3"
DURABILITY = "PRAGMA synchronous = NORMAL"


def raw_rounds(connection: sqlite3.Connection) -> dict[str, Round]:
    """Use the sqlite3 module by hand, as one who knows it would."""
    connection.execute(DURABILITY)

    async def get() -> None:
        for _ in range(CALLS):
            row = connection.execute(GET, ("key", time.time())).fetchone()
            json.loads(row[0])

    async def set_() -> None:
        for _ in range(CALLS):
            row = ("key", json.dumps(VALUE), new_version(), None)
            connection.execute(SET, row)

    return {"get": get, "set": set_}


def store_rounds(store: Any) -> dict[str, Round]:
    """Use a KeyValue."""

    async def get() -> None:
        for _ in range(CALLS):
            await store.get("key")

    async def set_() -> None:
        for _ in range(CALLS):
            await store.set("key", VALUE)

    return {"get": get, "set": set_}


def aiosqlite_rounds(connection: Any) -> dict[str, Round]:
    """Use aiosqlite, which hands each statement to a thread."""

    async def get() -> None:
        for _ in range(CALLS):
            cursor = await connection.execute(GET, ("key", time.time()))
            row = await cursor.fetchone()
            await cursor.close()
            json.loads(row[0])

    async def set_() -> None:
        for _ in range(CALLS):
            row = ("key", json.dumps(VALUE), new_version(), None)
            await connection.execute(SET, row)

    return {"get": get, "set": set_}


async def measure(ways: dict[str, dict[str, Round]]) -> dict[str, dict[str, float]]:
    """Return the median microseconds of CPU per call, by way and operation."""
    spent: dict[str, dict[str, list[float]]] = {
        way: {name: [] for name in rounds} for way, rounds in ways.items()
    }
    for _ in range(ROUNDS):
        for way, rounds in ways.items():
            for name, run in rounds.items():
                began = time.process_time()
                await run()
                spent[way][name].append((time.process_time() - began) / CALLS * 1e6)
    return {
        way: {name: median(times) for name, times in rounds.items()}
        for way, rounds in spent.items()
    }


def table(medians: dict[str, dict[str, float]]) -> str:
    """Return *medians* as Markdown, each beside its ratio to the baseline."""
    lines = [
        "| | get, µs | ratio | set, µs | ratio |",
        "| --- | --: | --: | --: | --: |",
    ]
    for way, spent in medians.items():
        cells = [
            f"{spent[name]:.1f} | {spent[name] / medians[BASELINE][name]:.2f}"
            for name in ("get", "set")
        ]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


async def main() -> None:
    """Measure in a temporary folder and print the table."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        context = Context("storage.benchmark", folder)
        memory = MemoryKeyValue(MemoryOptions(), context)
        sqlite = SqliteKeyValue(SqliteOptions(), context)
        stack.push_async_callback(sqlite.aclose)
        for store in (memory, sqlite):
            await store.set("key", VALUE)
        path = folder / "benchmark.sqlite"
        raw = sqlite3.connect(path, isolation_level=None, timeout=0)
        stack.enter_context(closing(raw))
        ways = {
            BASELINE: raw_rounds(raw),
            "SqliteKeyValue": store_rounds(sqlite),
            "MemoryKeyValue": store_rounds(memory),
        }
        if find_spec("aiosqlite"):
            import aiosqlite  # noqa: PLC0415 - measured only where it is installed

            connecting = aiosqlite.connect(path, isolation_level=None)
            connection = await stack.enter_async_context(connecting)
            await connection.execute(DURABILITY)
            ways["aiosqlite"] = aiosqlite_rounds(connection)
        print(table(await measure(ways)))


asyncio.run(main())
