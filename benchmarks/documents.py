"""
Compare documents on SQLite, Valkey and PostgreSQL with the drivers below them.

Prints a table for each. A driver by hand does the same work: the same statements or
scripts, JSON, and a pydantic model where ours has one. There are 2,000 documents; a
question finds 20 of the 40 that are equal in one field, in the order of another. All
take turns, round by round, and only the CPU time of this process counts.

    python benchmarks/documents.py
"""

from __future__ import annotations

import asyncio
import json
import runpy
import sqlite3
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import psycopg
from pegboard import Database, Documents, DocumentStore, Index, Key, Pegboard
from pegboard._stores.document_shape import Shape
from pegboard.builtin import _sqlite_documents as sqlite_sql
from pegboard.contracts.document_order import mark, sortable_fields
from pegboard.contracts.document_search import checked_search
from pegboard.contracts.key_value import new_version
from pegboard_redis._document_scripts import FIND, PUT
from pegboard_redis._document_spans import spans_of
from pegboard_sql._document_statements import (
    DocumentStatements,
    documents_table_of,
    make_documents_table,
)
from pydantic import BaseModel
from redis.asyncio import Redis

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Call = Callable[[], Awaitable[object]]

PLUGINS = Path(__file__).parents[1] / "plugins"
ROUNDS, COUNT = 15, 2000
OPERATIONS = {"get": 320, "put": 320, "find": 64}
"""How often each is called in a round."""
WITH_MODELS = "the driver and pydantic"
QUESTION: Any = {"order_by": "age", "limit": 20}


class Pet(BaseModel):
    """What is stored."""

    name: Annotated[str, Key()]
    kind: Annotated[str, Index()]
    age: Annotated[int, Index()]
    story: str = "It came one day. " * 10


PET = Pet(name="pet 01000", kind="kind 7", age=1000)
COLLECTION = Shape(Pet).collection
WHERE = {"kind": "kind 7"}
SEARCH = checked_search(COLLECTION, WHERE, **QUESTION, descending=False, cursor=None)


class Driver(NamedTuple):
    """What one writes by hand, JSON in and out."""

    get: Callable[[], Awaitable[str]]
    put: Callable[[dict[str, Any], str], Awaitable[object]]
    find: Callable[[], Awaitable[list[str]]]


def sqlite_driver(connection: sqlite3.Connection) -> Driver:
    """Use the sqlite3 module."""
    find_sql, find_values = sqlite_sql.statement(COLLECTION, SEARCH)
    connection.execute("PRAGMA synchronous = NORMAL")

    async def get() -> str:
        row = connection.execute(sqlite_sql.GET, ("Pet", PET.name)).fetchone()
        return str(row[1])

    async def put(_: dict[str, Any], text: str) -> None:
        row = ("Pet", PET.name, text, new_version())
        connection.execute(sqlite_sql.PUT_ANYWAY, row)

    async def find() -> list[str]:
        rows = connection.execute(find_sql, find_values).fetchall()
        return [row[1] for row in rows]

    return Driver(get, put, find)


def redis_driver(client: Any, name: bytes) -> Driver:
    """Use redis-py, and the same scripts."""
    store, search = (client.register_script(one.text) for one in (PUT, FIND))
    marks = sorted(mark(index) for index in COLLECTION.indexes)
    document, indexes, index = (
        name + part for part in (b"document:Pet:", b"indexes:Pet", b"index:Pet:")
    )
    key = document + PET.name.encode()
    spans = [part for one in spans_of(SEARCH) for part in (one.mark, one.low, one.high)]

    async def get() -> str:
        return (await client.hmget(key, "body", "version"))[0].decode()

    async def put(body: dict[str, Any], text: str) -> None:
        fields = sortable_fields(body)
        found_by = [part for one in marks for part in (one, fields[one])]
        values = [PET.name, " ".join(marks), "", new_version(), text, *found_by]
        assert await store([key, indexes, index], values) == 1

    async def find() -> list[str]:
        values = ["", " ".join(marks), 21, 1000, *spans]
        found, _ = await search([document, indexes, index], values)
        return [body.decode() for _, body, _ in found]

    return Driver(get, put, find)


def sql_driver(connection: Any, statements: DocumentStatements) -> Driver:
    """Use psycopg, and the same statements."""
    place = {"collection": "Pet", "key": PET.name}
    asks = statements.find(COLLECTION, SEARCH)

    async def rows(statement: str, values: Mapping[str, Any]) -> Any:
        return await (await connection.execute(statement, values)).fetchall()

    async def get() -> str:
        return str((await rows(statements.get, place))[0][1])

    async def put(body: dict[str, Any], text: str) -> None:
        fields = json.dumps(sortable_fields(body))
        new = {"body": text, "version": new_version(), "fields": fields}
        await rows(statements.put, {**place, **new})

    async def find() -> list[str]:
        return [row[1] for row in await rows(asks.sql, asks.values)]

    return Driver(get, put, find)


def by_hand(driver: Driver) -> tuple[Call, ...]:
    """Return how documents are had, stored and found with the driver."""
    body = PET.model_dump()

    async def get() -> object:
        return json.loads(await driver.get())

    async def put() -> object:
        return await driver.put(body, json.dumps(body))

    async def find() -> object:
        return [json.loads(text) for text in await driver.find()]

    return get, put, find


def by_hand_with_models(driver: Driver) -> tuple[Call, ...]:
    """Return the same with a pydantic model."""

    async def get() -> object:
        return Pet.model_validate_json(await driver.get())

    async def put() -> object:
        dumped = PET.model_dump(mode="json")
        return await driver.put(dumped, json.dumps(dumped))

    async def find() -> object:
        return [Pet.model_validate_json(text) for text in await driver.find()]

    return get, put, find


def by_store(store: DocumentStore) -> tuple[Call, ...]:
    """Return how a DocumentStore does it."""
    body = PET.model_dump()

    async def get() -> object:
        found = await store.get_document(COLLECTION, PET.name)
        return found and found.body

    async def put() -> object:
        return await store.put_document(COLLECTION, PET.name, body)

    async def find() -> object:
        page = await store.find_documents(COLLECTION, WHERE, **QUESTION)
        return [one.body for one in page.documents]

    return get, put, find


def by_documents(store: DocumentStore) -> tuple[Call, ...]:
    """Return how Documents does it."""
    pets = Documents(store, Pet)
    return (
        lambda: pets.get(PET.name),
        lambda: pets.put(PET),
        lambda: pets.find(WHERE, **QUESTION),
    )


async def measure(calls: dict[str, tuple[Call, ...]]) -> dict[str, list[float]]:
    """Return the median microseconds of CPU of each call, by way."""
    spent: dict[str, list[list[float]]] = {way: [] for way in calls}
    for _ in range(ROUNDS + 1):
        for way, operations in calls.items():
            taken = zip(operations, OPERATIONS.values(), strict=True)
            spent[way].append([await microseconds(*one) for one in taken])
    return {
        way: [median(times) for times in zip(*rounds[1:], strict=True)]
        for way, rounds in spent.items()
    }


async def microseconds(call: Call, count: int) -> float:
    """Return the CPU time of one *call*."""
    began = time.process_time()
    for _ in range(count):
        await call()
    return (time.process_time() - began) / count * 1e6


def table(name: str, medians: dict[str, list[float]]) -> str:
    """Return *medians* as Markdown, each beside its ratio to the driver's."""
    titles = " | ".join(f"{operation}, µs | ratio" for operation in OPERATIONS)
    lines = [f"| {name} | {titles} |", f"| --- | {' | '.join(['--: | --:'] * 3)} |"]
    for way, spent in medians.items():
        has_models = way in {"Documents", WITH_MODELS}
        base = medians[WITH_MODELS if has_models else "the driver"]
        cells = (f"{a:.1f} | {a / b:.2f}" for a, b in zip(spent, base, strict=True))
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


async def fill(store: DocumentStore) -> None:
    """Have documents to find."""
    pets = Documents(store, Pet)
    for number in range(COUNT):
        await pets.put(
            Pet(name=f"pet {number:05}", kind=f"kind {number % 50}", age=number)
        )


async def compare(name: str, driver: Driver, store: DocumentStore) -> None:
    """Print the table of one backend."""
    calls = {
        "the driver": by_hand(driver),
        "DocumentStore": by_store(store),
        WITH_MODELS: by_hand_with_models(driver),
        "Documents": by_documents(store),
    }
    for get, _, find in calls.values():  # they agree
        assert await get()
        found: Any = await find()
        assert len(getattr(found, "documents", found)) in {20, 21}
    print(table(name, await measure(calls)), end="\n\n", flush=True)


async def on_sqlite() -> None:
    """Compare in a file."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "pets.sqlite")
        settings = {"storage": {"kit": {"provider": "sqlite", "path": path}}}
        async with Pegboard.isolated(settings) as board:
            store = board.storage("kit", DocumentStore)
            await fill(store)
            connection = sqlite3.connect(path, isolation_level=None)
            await compare("SQLite", sqlite_driver(connection), store)
            connection.close()


async def on_redis(url: str) -> None:
    """Compare on a Valkey server."""
    settings = {"storage": {"kit": {"provider": "redis", "url": url, "timeout": 60}}}
    async with Pegboard.isolated(settings) as board, Redis.from_url(url) as client:
        store = board.storage("kit", DocumentStore)
        await fill(store)
        driver = redis_driver(client, b"pegboard:kit:\xff")
        await compare("Valkey, redis-py", driver, store)


async def on_sql(url: str) -> None:
    """Compare on a PostgreSQL server."""
    settings = {"storage": {"kit": {"provider": "postgresql", "url": url}}}
    async with AsyncExitStack() as stack:
        board = await stack.enter_async_context(Pegboard.isolated(settings))
        store = board.storage("kit", DocumentStore)
        await fill(store)
        engine = await board.storage("kit", Database).engine()
        documents = make_documents_table(documents_table_of("kit"))
        statements = DocumentStatements(documents, engine.dialect)
        connecting = psycopg.AsyncConnection.connect(url, autocommit=True)
        connection = await stack.enter_async_context(await connecting)
        await connection.execute("ANALYZE")
        await compare("PostgreSQL, psycopg", sql_driver(connection, statements), store)


def main() -> None:
    """Run servers and compare on them."""
    asyncio.run(on_sqlite())
    running = runpy.run_path(str(PLUGINS / "pegboard-redis/tests/conftest.py"))
    with running["running"]() as valkey:
        asyncio.run(on_redis(valkey.url))
    server = runpy.run_path(str(PLUGINS / "pegboard-sql/tests/postgres.py"))[
        "Postgres"
    ]()
    server.start()
    try:
        asyncio.run(on_sql(server.url()))
    finally:
        server.remove()


if __name__ == "__main__":
    main()
