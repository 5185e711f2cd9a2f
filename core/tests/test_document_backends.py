from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from pegboard import Collection, DocumentStore, IndexedField, KeyValue, Pegboard, Range
from pegboard.builtin._sqlite_documents import statement
from pegboard.contracts.document_search import checked_search
from pegboard.testing.documents import (
    PETS,
    DocumentCollectionsContract,
    PersistentDocumentStoreContract,
)

WORKER = Path(__file__).with_name("document_worker.py")


class TestMemory(DocumentCollectionsContract):
    @pytest.fixture
    def settings(self):
        """Return the settings of a store in memory."""
        return {"provider": "memory"}


class TestSqlite(DocumentCollectionsContract, PersistentDocumentStoreContract):
    @pytest.fixture
    def settings(self, tmp_path):
        """Return the settings of a new file."""
        return {"provider": "sqlite", "path": str(tmp_path / "kit.sqlite")}


@pytest.fixture
def path(tmp_path):
    """Return where the file is."""
    return tmp_path / "kit.sqlite"


@pytest.fixture
def board(path):
    """Return a board with documents in a file."""
    return Pegboard.isolated({"storage": {"kit": {"provider": "sqlite", "path": path}}})


QUESTIONS = [
    {"where": {"kind": "cat"}},
    {"where": {"age": Range(at_least=1, below=5)}},
    {"where": {"tame": None}},
    {"order_by": "age"},
    {"order_by": "age", "descending": True},
    {"where": {"age": 1}, "order_by": "kind"},
]


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
async def test_sqlite_finds_by_index(board, path, question):
    """No question that the contract allows makes SQLite read the whole table."""
    async with board:
        store = board.storage("kit", DocumentStore)
        await store.find_documents(PETS)
        nothing = {"where": None, "order_by": None, "descending": False}
        search = checked_search(PETS, **nothing | question, limit=10, cursor=None)
        with closing(sqlite3.connect(path)) as connection:
            sql, values = statement(PETS, search)
            rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)
            plan = " ".join(row[3] for row in rows)

    assert "USING INDEX document_" in plan
    assert "TEMP B-TREE" not in plan or "where" in question


async def index_used(path, where, order_by):
    """Return the field by whose index SQLite finds, in a new connection."""
    nothing = {"descending": False, "limit": 10, "cursor": None}
    search = checked_search(PETS, where, order_by=order_by, **nothing)
    sql, values = statement(PETS, search)
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        (plan, *_) = (row[3] for row in rows)
    return bytes.fromhex(re.search(r"INDEX document_\w+?_(\w+)", plan)[1]).decode()


async def put_many(board, numbers):
    """Store documents of many kinds, all of which are tame."""
    store = board.storage("kit", DocumentStore)
    for number in numbers:
        body = {"age": number, "kind": f"kind {number % 50}", "tame": True}
        await store.put_document(PETS, f"{number}", body)


async def test_sqlite_knows_what_is_rare(board, path):
    """It looks where it finds few, and goes along the order where nearly all fit."""
    async with board:
        await put_many(board, range(1200))

    assert await index_used(path, {"kind": "kind 7"}, "age") == "kind"
    assert await index_used(path, {"tame": True}, "age") == "age"


async def test_sqlite_learns_from_who_comes_next(path):
    """Documents that many short processes stored are counted as well."""
    settings = {"storage": {"kit": {"provider": "sqlite", "path": path}}}
    for start in range(0, 1200, 50):
        async with Pegboard.isolated(settings) as board:
            await put_many(board, range(start, start + 50))

    assert await index_used(path, {"kind": "kind 7"}, "age") == "kind"


async def test_sqlite_file_of_values_takes_documents(board, path):
    """A file that was made before anyone stored documents gets what they need."""
    async with board:
        await board.storage("kit", KeyValue).set("key", 1)
        with closing(sqlite3.connect(path)) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
        assert not any("document" in name for (name,) in tables)

        store = board.storage("kit", DocumentStore)
        assert await store.get_document(PETS, "key") is None
        await store.put_document(PETS, "key", {"kind": "cat"})
        assert await board.storage("kit", KeyValue).get("key") == 1


async def test_sqlite_is_prepared_once(board, path):
    """Where all is there, nothing is written for a question."""
    async with board:
        await board.storage("kit", DocumentStore).put_document(PETS, "a", {"age": 1})
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        settings = {"provider": "sqlite", "path": path, "busy_timeout": 0}
        async with Pegboard.isolated({"storage": {"kit": settings}}) as second:
            store = second.storage("kit", DocumentStore)
            assert (await store.find_documents(PETS, {"age": 1})).documents


async def test_fields_that_differ_in_case_are_apart(board):
    """SQLite takes names for equal that differ in case; fields are not."""
    both = Collection(
        "x", (IndexedField("Age", "number"), IndexedField("age", "number"))
    )
    async with board:
        store = board.storage("kit", DocumentStore)
        await store.put_document(both, "a", {"Age": 1, "age": 2})

        assert (await store.find_documents(both, {"Age": 1, "age": 2})).documents
        assert not (await store.find_documents(both, {"Age": 2})).documents


def test_processes_count_exactly(path):
    """Four processes of eight tasks make one file, its indexes, and no lost update."""
    command = [sys.executable, str(WORKER), str(path), "8", "5"]
    workers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    printed = [worker.communicate()[0].split() for worker in workers]

    assert [worker.returncode for worker in workers] == [0] * 4
    assert sorted(int(number) for words in printed for number in words) == [
        *range(1, 4 * 8 * 5 + 1)
    ]
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert ("document_number_" + b"count".hex(),) in tables
