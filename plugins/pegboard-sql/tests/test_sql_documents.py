from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from contextlib import AsyncExitStack, closing
from itertools import count
from pathlib import Path

import psycopg
import pytest
from pegboard import (
    Collection,
    Database,
    DocumentStore,
    IndexedField,
    KeyValue,
    Pegboard,
    Range,
)
from pegboard.contracts.document_order import sortable_fields
from pegboard.contracts.document_search import checked_search
from pegboard.errors import InvalidRequest
from pegboard.testing.documents import (
    PETS,
    DocumentCollectionsContract,
    PersistentDocumentStoreContract,
)
from pegboard_sql._document_statements import (
    DocumentStatements,
    documents_table_of,
    make_documents_table,
)
from sqlalchemy import text

WORKER = Path(__file__).with_name("sql_document_worker.py")
PROCESSES, TASKS, TURNS = 4, 8, 5
TABLE = "pegboard__documents_main"
COUNT = "SELECT count(*) FROM pegboard__documents_main"


class TestSql(DocumentCollectionsContract, PersistentDocumentStoreContract):
    """Documents in a PostgreSQL server and in a SQLite file."""


@pytest.fixture
async def on_server(database_url):
    """Return what makes boards with a new database on the server."""
    section = {"provider": "postgresql", "url": database_url}
    async with AsyncExitStack() as boards:

        async def make(**more):
            board = Pegboard.isolated({"storage": {"main": {**section, **more}}})
            return await boards.enter_async_context(board)

        yield make


async def fill(database_url, count):
    """Store *count* documents behind the back of the store, and have them counted."""
    rows = [
        (f"key {number:05}", json.dumps(body), json.dumps(sortable_fields(body)))
        for number in range(count)
        for body in [{"kind": f"kind {number % 50}", "age": number, "tame": None}]
    ]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.cursor().executemany(
            "INSERT INTO pegboard__documents_main"
            " VALUES ('pets', %s, %s, 'version', %s)",
            rows,
        )
        connection.execute(f"ANALYZE {TABLE}")


KIND, AGE, TAME = PETS.indexes
QUESTIONS = [
    ({"where": {"kind": "kind 7"}}, KIND),
    ({"where": {"age": 700}}, AGE),
    ({"where": {"age": Range(at_least=700, below=720)}}, AGE),
    ({"where": {"age": Range(above=700, at_most=720), "tame": None}}, AGE),
    ({"where": {"tame": True}}, TAME),
    ({"order_by": "age"}, AGE),
    ({"order_by": "kind", "descending": True}, KIND),
    ({"order_by": None}, None),
]


@pytest.mark.parametrize(("question", "index"), QUESTIONS, ids=str)
@pytest.mark.parametrize("is_later", [False, True])
async def test_server_finds_by_index(
    on_server, database_url, question, index, is_later
):
    """No question makes it read all of a collection, however far the page is."""
    board = await on_server()
    store = board.storage("main", DocumentStore)
    await store.find_documents(PETS)
    await fill(database_url, 3000)
    cursor = (await store.find_documents(PETS, limit=2, **question)).cursor
    asked = {"where": None, "order_by": None, "descending": False} | question
    after = cursor if is_later else None
    search = checked_search(PETS, limit=10, cursor=after, **asked)
    engine = await board.storage("main", Database).engine()
    statements = DocumentStatements(make_documents_table(TABLE), engine.dialect)
    asks = statements.find(PETS, search)
    with psycopg.connect(database_url) as connection:
        (analysed,), *_ = connection.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {asks.sql}", asks.values
        )
    plan = json.dumps(analysed)

    assert "Seq Scan" not in plan
    assert (statements.index_name(index) if index else f"{TABLE}_pkey") in plan
    assert rows_read(analysed[0]["Plan"]) <= 200
    if "where" not in question:
        assert "Sort" not in plan


def rows_read(plan):
    """Return how many rows the tables gave, those included that did not fit."""
    below = sum(rows_read(part) for part in plan.get("Plans", ()))
    dropped = plan.get("Rows Removed by Filter", 0)
    return below + dropped + (0 if "Plans" in plan else plan["Actual Rows"])


@pytest.mark.parametrize("question", [one for one, _ in QUESTIONS], ids=str)
async def test_file_finds_by_index(sqlite_url, question):
    """SQLite knows what of a collection to read, too."""
    section = {"provider": "sql", "url": sqlite_url}
    async with Pegboard.isolated({"storage": {"main": section}}) as board:
        await board.storage("main", DocumentStore).find_documents(PETS)
        engine = await board.storage("main", Database).engine()
    asked = {"where": None, "order_by": None, "descending": False} | question
    search = checked_search(PETS, limit=10, cursor=None, **asked)
    statements = DocumentStatements(make_documents_table(TABLE), engine.dialect)
    asks = statements.find(PETS, search)
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {asks.sql}", asks.values)
        plan = " ".join(row[3] for row in rows)

    assert "USING INDEX" in plan
    assert "TEMP B-TREE" not in plan or "where" in question


@pytest.mark.parametrize("boards", [1, 3])
async def test_file_knows_what_is_rare(sqlite_url, boards):
    """It looks where it finds few, and goes along the order where all fit."""
    section = {"provider": "sql", "url": sqlite_url}
    for part in range(boards):
        async with Pegboard.isolated({"storage": {"main": section}}) as board:
            store = board.storage("main", DocumentStore)
            for number in range(part, 240, boards):
                body = {"kind": f"kind {number % 50}", "age": number, "tame": True}
                await store.put_document(PETS, f"{number}", body)
            engine = await board.storage("main", Database).engine()
    statements = DocumentStatements(make_documents_table(TABLE), engine.dialect)

    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as file:
        for where, index in (({"kind": "kind 7"}, KIND), ({"tame": True}, AGE)):
            more = {"descending": False, "limit": 10, "cursor": None}
            asks = statements.find(
                PETS, checked_search(PETS, where, order_by="age", **more)
            )
            rows = file.execute(f"EXPLAIN QUERY PLAN {asks.sql}", asks.values)
            assert statements.index_name(index) in next(rows)[3]


async def test_documents_are_readable(on_server, database_url):
    """A person may ask for a document in SQL, and reads JSON."""
    store = (await on_server()).storage("main", DocumentStore)
    await store.put_document(PETS, "tom", {"kind": "cat", "lives": [9]})
    with psycopg.connect(database_url) as connection:
        (row,) = connection.execute(
            "SELECT collection, key, body FROM pegboard__documents_main"
        )

    assert row == ("pets", "tom", '{"kind":"cat","lives":[9]}')


async def test_indexes_are_made_once(on_server, database_url):
    """Where all is there, nothing is locked for a question."""
    await (await on_server()).storage("main", DocumentStore).find_documents(PETS)
    with psycopg.connect(database_url) as connection:
        connection.execute(f"LOCK {TABLE} IN ROW EXCLUSIVE MODE")
        store = (await on_server(timeout=20)).storage("main", DocumentStore)
        assert not (await store.find_documents(PETS)).documents
        assert await store.put_document(PETS, "key", {"age": 1})


async def test_index_has_all_the_time_it_needs(on_server, database_url):
    """Limits of statements and operations are for what is done every day."""
    board = await on_server(statement_timeout=0.5, timeout=0.5)
    store = board.storage("main", DocumentStore)
    await store.put_document(Collection("pets"), "key", {"age": 1})
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("LOCK pegboard__documents_main IN ROW EXCLUSIVE MODE")
        finding = asyncio.create_task(store.find_documents(PETS, {"age": 1}))
        for _ in count():
            waiting = await other.execute("SELECT 1 FROM pg_locks WHERE NOT granted")
            if await waiting.fetchall():
                break
        await asyncio.sleep(0.7)
        await other.commit()

    assert (await finding).documents


async def test_index_takes_what_could_not_be_indexed(open_board):
    """An index that comes later meets NULs, big numbers and long texts."""
    store = open_board().storage("main", DocumentStore)
    bare = Collection("x")
    texts = ["a\x00b", "\ud800", "b" * 5000, "b" * 4999 + "c", "a\x00"]
    for number, value in enumerate([*texts, 2**60, -(10**400), 10**400]):
        await store.put_document(bare, f"{number}", {"value": value})

    async def keys(kind):
        indexed = Collection("x", (IndexedField("value", kind),))
        page = await store.find_documents(indexed, order_by="value")
        return [document.key for document in page.documents]

    assert sorted(await keys("text")) == list("01234567")
    assert (await keys("text"))[3:6] == ["1", "4", "0"]
    assert await keys("number") == [*"01234", "6", "5", "7"]


async def test_long_texts_are_found(open_board):
    """What is too long to be indexed as it is is found nonetheless, and apart."""
    store = open_board().storage("main", DocumentStore)
    texts = ["\U0001f600" * 5000 + end for end in ("", "a", "b")]
    for text_ in texts:
        await store.put_document(PETS, text_[-1], {"kind": text_})

    for text_ in texts:
        page = await store.find_documents(PETS, {"kind": text_}, order_by="kind")
        assert [document.key for document in page.documents] == [text_[-1]]
    first = await store.find_documents(PETS, order_by="kind", limit=1)
    rest = await store.find_documents(PETS, order_by="kind", cursor=first.cursor)
    keys = {document.key for document in (*first.documents, *rest.documents)}
    assert keys == {"\U0001f600", "a", "b"}


@pytest.mark.parametrize("table", ["papers", "other.papers"])
async def test_table_is_named_by_settings(on_server, database_url, table):
    """It may be in a schema of its own."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA other")
        for _ in range(2):
            board = await on_server(documents_table=table)
            store = board.storage("main", DocumentStore)
            await store.put_document(PETS, "tom", {"kind": "cat"})
            assert (await store.find_documents(PETS, {"kind": "cat"})).documents
        rows = connection.execute(f"TABLE {table}").fetchall()

    assert len(rows) == 1


def test_tables_of_instances_are_apart():
    """Names stay short enough for PostgreSQL, and no two instances share one."""
    names = ["a", "main", "x" * 60, "x" * 61, "documents_a"]
    tables = {documents_table_of(name) for name in names}

    assert len(tables) == len(names)
    assert max(map(len, tables)) <= 63


async def test_all_contracts_share_the_connections(open_board):
    """One connection is enough for documents, values and sessions, in turn."""
    board = open_board(pool_size=1, max_overflow=0, pool_timeout=1)
    store, values = (
        board.storage("main", DocumentStore),
        board.storage("main", KeyValue),
    )
    database = board.storage("main", Database)
    for number in range(3):
        await values.set("n", number)
        await store.put_document(PETS, "n", {"age": number})
        async with database.transaction() as session:
            assert await session.scalar(text(COUNT)) == 1

    engine = await database.engine()
    assert engine.sync_engine.pool.checkedin() == 1


async def test_many_prepare_a_collection_once(open_board):
    """Tasks that come first together make its table and indexes together."""
    store = open_board(pool_size=1, max_overflow=0).storage("main", DocumentStore)
    pages = await asyncio.gather(*(store.find_documents(PETS) for _ in range(20)))

    assert [page.documents for page in pages] == [()] * 20


async def test_key_that_is_too_long_is_told(on_server):
    """PostgreSQL says what it cannot keep, and it is the request that is at fault."""
    store = (await on_server()).storage("main", DocumentStore)
    key = "".join(map(chr, range(0x4E00, 0x4E00 + 5000)))
    with pytest.raises(InvalidRequest, match="index row"):
        await store.put_document(PETS, key, {})


def test_processes_lose_no_update(settings):
    """8 tasks in each of 4 processes make the table, and count by versions exactly."""
    waiting = {**settings, "timeout": 60}
    command = [sys.executable, str(WORKER), json.dumps(waiting), f"{TASKS}", f"{TURNS}"]
    workers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    printed = [worker.communicate()[0].split() for worker in workers]

    assert [worker.returncode for worker in workers] == [0] * PROCESSES
    total = PROCESSES * TASKS * TURNS
    counted = sorted(int(number) for words in printed for number in words)
    assert counted == [*range(1, total + 1)]
    assert asyncio.run(keys_with(settings, total)) == ["all"]


async def keys_with(settings, count):
    """Return the keys of the counters that stand at *count*."""
    counters = Collection("Counter", (IndexedField("count", "number"),))
    async with Pegboard.isolated({"storage": {"main": settings}}) as board:
        store = board.storage("main", DocumentStore)
        page = await store.find_documents(counters, {"count": count})
    return [document.key for document in page.documents]
