"""
Compare pegboard-sql with the driver and with SQLAlchemy that it is made of.

Prints two tables: values by key, and a SELECT in a session, one and 64 at once, on a
PostgreSQL server of the benchmark's own. All ways do the same work on as many
connections. They take turns, round by round, and only the CPU time of this process
counts.

    python benchmarks/sql.py
"""

from __future__ import annotations

import asyncio
import json
import runpy
import time
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import psycopg
from pegboard import Database, KeyValue, Pegboard
from pegboard.contracts.key_value import new_version
from pegboard_sql._statements import Statements, make_table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    Call = Callable[[], Awaitable[object]]

TESTS = Path(__file__).parents[1] / "plugins/pegboard-sql/tests"
ROUNDS, CALLS = 13, 256
AT_ONCE = (1, 64)
CONNECTIONS = 15
VALUE = {"user": "u-1093", "roles": ["reader", "editor"], "last": "Hello. " * 20}
SELECT = "SELECT value FROM pegboard_kv WHERE key = 'key'"


class DriverPool:
    """As many connections of the driver, lent in turn: what one would write by hand."""

    def __init__(self, url: str, *, autocommit: bool) -> None:
        self._url = url
        self._autocommit = autocommit
        self._idle: asyncio.LifoQueue[Any] = asyncio.LifoQueue()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[DriverPool]:
        """Keep the connections open meanwhile."""
        connections = [
            await psycopg.AsyncConnection.connect(
                self._url, autocommit=self._autocommit
            )
            for _ in range(CONNECTIONS)
        ]
        for connection in connections:
            self._idle.put_nowait(connection)
        yield self
        for connection in connections:
            await connection.close()

    async def rows(self, statement: str, values: Mapping[str, object]) -> Any:
        """Return the rows of *statement*."""
        connection = await self._idle.get()
        try:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall()
        finally:
            if not self._autocommit:
                await connection.commit()
            self._idle.put_nowait(connection)


def driver_calls(pool: DriverPool, statements: Statements) -> dict[str, Call]:
    """Get and set with the driver alone."""

    async def get() -> None:
        found = {"key": "key", "now": time.time()}
        json.loads((await pool.rows(statements.get, found))[0][0])

    async def set_() -> None:
        await pool.rows(statements.set, new_row())

    return {"get": get, "set": set_}


def core_calls(engine: Any, statements: Statements) -> dict[str, Call]:
    """Get and set as SQLAlchemy's manual has it, without transactions around them."""
    read, write = (as_text(one) for one in (statements.get, statements.set))
    alone = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def get() -> None:
        async with alone.connect() as connection:
            values = {"key": "key", "now": time.time()}
            json.loads((await connection.execute(read, values)).first()[0])

    async def set_() -> None:
        async with alone.connect() as connection:
            await connection.execute(write, new_row())

    return {"get": get, "set": set_}


def value_calls(values: KeyValue) -> dict[str, Call]:
    """Get and set with a KeyValue."""

    async def get() -> None:
        await values.get("key")

    async def set_() -> None:
        await values.set("key", VALUE)

    return {"get": get, "set": set_}


def select_calls(
    pool: DriverPool, engine: Any, database: Database
) -> dict[str, dict[str, Call]]:
    """Read one value in a transaction, in each way."""
    statement = text(SELECT)

    async def driver() -> None:
        await pool.rows(SELECT, {})

    async def by_hand() -> None:
        async with AsyncSession(engine) as session:
            await session.scalar(statement)

    async def in_session() -> None:
        async with database.session() as session:
            await session.scalar(statement)

    async def in_transaction() -> None:
        async with database.transaction() as session:
            await session.scalar(statement)

    return {
        "psycopg": {"select": driver},
        "AsyncSession by hand": {"select": by_hand},
        "database.session()": {"select": in_session},
        "database.transaction()": {"select": in_transaction},
    }


def new_row() -> dict[str, object]:
    """Return what a set stores."""
    new = {"version": new_version(), "expires": None}
    return {"key": "key", "value": json.dumps(VALUE), **new}


def as_text(statement: str) -> Any:
    """Return a driver's *statement* in SQLAlchemy's spelling."""
    return text(statement.replace("%(", ":").replace(")s", ""))


async def run(call: Call, at_once: int) -> float:
    """Return the microseconds of CPU that a call takes, with so many *at_once*."""

    async def work() -> None:
        for _ in range(CALLS // at_once):
            await call()

    began = time.process_time()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return (time.process_time() - began) / CALLS * 1e6


async def measure(
    ways: dict[str, dict[str, Call]],
) -> dict[str, dict[tuple[str, int], float]]:
    """Return the median cost of each call, by way."""
    spent: dict[str, dict[tuple[str, int], list[float]]] = {way: {} for way in ways}
    for _ in range(ROUNDS):
        for at_once in AT_ONCE:
            for way, calls in ways.items():
                for name, call in calls.items():
                    took = await run(call, at_once)
                    spent[way].setdefault((name, at_once), []).append(took)
    return {
        way: {place: median(times) for place, times in places.items()}
        for way, places in spent.items()
    }


def table(medians: dict[str, dict[tuple[str, int], float]]) -> str:
    """Return *medians* as Markdown, each with its ratio to the first way."""
    first = next(iter(medians.values()))
    titles = [f"{name}, {at_once} at once, µs" for name, at_once in first]
    lines = [
        f"| | {' | ratio | '.join(titles)} | ratio |",
        f"| --- | {' | '.join(['--: | --:'] * len(titles))} |",
    ]
    for way, spent in medians.items():
        cells = [
            f"{spent[place]:.0f} | {spent[place] / first[place]:.2f}" for place in first
        ]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


async def compare(url: str) -> None:
    """Measure on the server at *url* and print the tables."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        sizes = {"pool_size": CONNECTIONS, "max_overflow": 0}
        settings = {"kv": {"provider": "postgresql", "url": url, **sizes}}
        board = await enter(Pegboard.isolated({"storage": settings}))
        values, database = board.storage("kv", KeyValue), board.storage("kv", Database)
        await values.set("key", VALUE)
        engine = create_async_engine(
            url.replace("postgresql:", "postgresql+psycopg:"), **sizes
        )
        stack.push_async_callback(engine.dispose)
        statements = Statements.of(make_table("pegboard_kv"), engine.dialect)
        direct = await enter(DriverPool(url, autocommit=True).opened())
        careful = await enter(DriverPool(url, autocommit=False).opened())
        ways = {
            "psycopg": driver_calls(direct, statements),
            "SQLAlchemy Core": core_calls(engine, statements),
            "KeyValue": value_calls(values),
        }
        print(table(await measure(ways)), end="\n\n")
        print(table(await measure(select_calls(careful, engine, database))))


def main() -> None:
    """Run a server and compare on it."""
    server = runpy.run_path(str(TESTS / "postgres.py"))["Postgres"]()
    server.start()
    try:
        asyncio.run(compare(server.url()))
    finally:
        server.remove()


if __name__ == "__main__":
    main()
