from __future__ import annotations

import asyncio
import json

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pegboard import Database, KeyValue
from pegboard.errors import Overloaded
from pegboard_sql._key_value import WRITES_PER_PURGE
from pegboard_sql._statements import (
    Statements,
    make_table,
    restored,
    stop_of,
    stored,
)
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.text(
    "\x00\x01\x02a\ud7ff\ue000\U0010ffff", max_size=8
)


@given(KEYS, KEYS)
def test_stored_keys_have_the_same_order(one, other):
    """A table that is sorted is sorted as the keys are; none has a NUL."""
    assert (stored(one).encode() < stored(other).encode()) == (one < other)
    assert restored(stored(one)) == one
    assert "\x00" not in stored(one)


@given(KEYS, KEYS)
def test_range_holds_what_begins_with_the_prefix(prefix, key):
    """From the prefix to its stop there is nothing else."""
    stop = stop_of(prefix)
    is_inside = prefix <= key and (stop is None or key < stop)

    assert is_inside == key.startswith(prefix)


@pytest.fixture
def values_and_rows(database_url):
    """Return what shows the table of ``storage.main``, and the settings."""
    settings = {"provider": "postgresql", "url": database_url}

    def rows():
        with psycopg.connect(database_url) as connection:
            return connection.execute(
                "SELECT key, value, expires FROM pegboard_main ORDER BY key"
            ).fetchall()

    return settings, rows


class TestTable:
    """What people see who look into the table."""

    @pytest.fixture
    def settings(self, values_and_rows):
        return values_and_rows[0]

    async def test_keys_and_values_are_readable(self, open_board, values_and_rows):
        """A person may ask for a key in SQL, and reads JSON."""
        await open_board().storage("main", KeyValue).set("user-1", {"seen": [1]})

        assert values_and_rows[1]() == [("user-1", '{"seen":[1]}', None)]

    async def test_many_are_found_by_the_index(self, open_board, database_url):
        """A hundred of many rows are read and deleted without reading them all."""
        values = open_board().storage("main", KeyValue)
        for start in range(0, 5000, 100):
            await values.set_many({f"k{n:05}": n for n in range(start, start + 100)})
        statements = Statements.of(make_table("pegboard_main"), postgresql.dialect())
        parameters = {"keys": json.dumps(["k00001", "k00100"]), "now": 0.0}
        with psycopg.connect(database_url) as connection:
            connection.execute("ANALYZE pegboard_main")
            for sql in (statements.get_many, statements.delete_many):
                rows = connection.execute(f"EXPLAIN {sql}", parameters).fetchall()
                assert not [row for (row,) in rows if "Seq Scan" in row], rows

    async def test_expired_rows_are_removed_by_writes(
        self, open_board, values_and_rows
    ):
        """They do not pile up, though nobody asks for them any more."""
        values = open_board().storage("main", KeyValue)
        for number in range(WRITES_PER_PURGE):
            await values.set(f"k{number}", 1, ttl=1e-9)
        for _ in range(WRITES_PER_PURGE):
            await values.set("stays", 1)

        assert [row[0] for row in values_and_rows[1]()] == ["stays"]

    async def test_foreign_json_is_read_and_counted(self, open_board, database_url):
        """What somebody else wrote into the table is a value, too."""
        values = open_board().storage("main", KeyValue)
        await values.incr("n", 40)
        with psycopg.connect(database_url) as connection:
            connection.execute("UPDATE pegboard_main SET value = '041'")

        with pytest.raises(Exception, match="is not JSON"):
            await values.get("n")


async def test_options_of_a_session_do_not_stay(open_board):
    """An isolation level that one session asked for is not the next one's."""
    board = open_board(pool_size=1, max_overflow=0)
    database, values = board.storage("main", Database), board.storage("main", KeyValue)
    engine = await database.engine()
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("SELECT 1"))
    await values.set("a", 1)
    async with database.transaction() as session:
        await session.execute(text("SELECT 1"))

    assert await open_board().storage("main", KeyValue).get("a") == 1


async def test_values_and_sessions_share_the_connections(open_board):
    """One connection is enough for both, in turn."""
    board = open_board(pool_size=1, max_overflow=0, pool_timeout=1)
    database, values = board.storage("main", Database), board.storage("main", KeyValue)
    for number in range(3):
        await values.set("n", number)
        async with database.transaction() as session:
            assert await session.scalar(text("SELECT count(*) FROM pegboard_main")) == 1

    engine = await database.engine()
    assert engine.sync_engine.pool.checkedin() == 1


async def test_sessions_get_their_turn_between_values(open_board):
    """However many ask for values without a pause, a session is not kept out."""
    board = open_board(pool_size=2, max_overflow=0, pool_timeout=5)
    database, values = board.storage("main", Database), board.storage("main", KeyValue)
    await values.set("n", 0)
    is_served = asyncio.Event()

    async def ask():
        while not is_served.is_set():
            await values.get("n")

    asking = [asyncio.create_task(ask()) for _ in range(8)]
    await asyncio.sleep(0)
    async with database.session(read_only=True) as session:
        assert await session.scalar(text("SELECT 1")) == 1
    is_served.set()
    await asyncio.gather(*asking)


async def test_values_are_asked_for_in_turn(open_board):
    """Who comes first is served first, also where connections are few."""
    values = open_board(pool_size=1, max_overflow=0).storage("main", KeyValue)
    await values.set("n", 0)
    order = []

    async def ask(number):
        for _ in range(2):
            await values.get("n")
            order.append(number)

    await asyncio.gather(*(ask(number) for number in range(4)))

    assert order == [0, 1, 2, 3, 0, 1, 2, 3]


async def test_values_do_not_wait_for_ever(open_board):
    """Who waits in vain for a connection learns why."""
    board = open_board(pool_size=1, max_overflow=0, pool_timeout=0.05)
    database, values = board.storage("main", Database), board.storage("main", KeyValue)
    await values.get("n")
    async with database.session(read_only=True) as session:
        await session.execute(text("SELECT 1"))
        waiting = [values.get("n"), values.get("n")]
        found = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(error) for error in found] == [Overloaded] * 2
    assert await values.get("n") is None
