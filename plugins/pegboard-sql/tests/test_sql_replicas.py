"""Who promises to read may be served by a copy."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from pegboard import Database, Pegboard
from pegboard.errors import CallError, ConnectionFailed
from pegboard.testing.tcp_proxy import TcpProxy
from sqlalchemy import text

NAME = text("SELECT current_database()")
DROP = text("DROP TABLE kept")


@pytest.fixture
def copies(postgres):
    """Return the urls of three databases that stand for a primary and its replicas."""
    names = ("the_primary", "replica_a", "replica_b")
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        for name in names:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name}")
    for name in names:
        with psycopg.connect(postgres.url(name)) as connection:
            connection.execute("CREATE TABLE kept (id INTEGER)")
    return [postgres.url(name) for name in names]


def board_of(primary, *replicas, **more):
    """Return a board with a primary and its replicas."""
    section = {"provider": "postgresql", "url": primary, "replicas": [*replicas]}
    return Pegboard.isolated({"storage": {"main": {**section, **more}}})


async def asked(database, *, read_only):
    """Return the name of the database that a session is of."""
    async with database.session(read_only=read_only) as session:
        return await session.scalar(NAME)


async def test_replicas_are_read_in_turn(copies):
    """Readers are spread; whoever may write is at the primary."""
    async with board_of(*copies) as board:
        database = board.storage("main", Database)
        readers = [await asked(database, read_only=True) for _ in range(4)]

        assert readers == ["replica_a", "replica_b", "replica_a", "replica_b"]
        assert await asked(database, read_only=False) == "the_primary"


async def test_blocking_readers_are_spread_too(copies):
    """Threads share the replicas in the same way."""
    async with board_of(*copies) as board:
        database = board.storage("main", Database)

        def read():
            with database.blocking.session(read_only=True) as session:
                return session.scalar(NAME)

        readers = [await asyncio.to_thread(read) for _ in range(2)]
        assert readers == ["replica_a", "replica_b"]


async def test_primary_reads_where_no_replica_can(postgres, copies):
    """A replica that is away is left out, and is asked again when it is back."""
    primary, replica, _ = copies
    async with TcpProxy(postgres.host, postgres.port) as proxy:
        url = replica.replace(f":{postgres.port}/", f":{proxy.port}/")
        async with board_of(primary, url) as board:
            database = board.storage("main", Database)
            await proxy.refuse()
            assert await asked(database, read_only=True) == "the_primary"
            told = (await board.health())["storage.main"]
            await proxy.accept()
            found = (await board.health())["storage.main"]

    assert (told.status, told.reason) == ("up", "0 of 1 replicas answered, too")
    assert found.reason == "1 of 1 replicas answered, too"


async def test_blocking_primary_reads_where_no_replica_can(copies):
    """The same holds for threads."""
    async with board_of(copies[0], "postgresql://127.0.0.1:1/none") as board:
        database = board.storage("main", Database)

        def read():
            with database.blocking.session(read_only=True) as session:
                return session.scalar(NAME)

        assert await asyncio.to_thread(read) == "the_primary"


async def test_replica_is_asked_again_after_a_rest(postgres, copies, monkeypatch):
    """Being away once is not for ever."""
    monkeypatch.setattr("pegboard_sql._pools.REST", 0.0)
    primary, replica, _ = copies
    async with TcpProxy(postgres.host, postgres.port) as proxy:
        url = replica.replace(f":{postgres.port}/", f":{proxy.port}/")
        async with board_of(primary, url) as board:
            database = board.storage("main", Database)
            await proxy.refuse()
            await asked(database, read_only=True)
            await proxy.accept()

            assert await asked(database, read_only=True) == "replica_a"


async def test_hint_forbids_writes_everywhere(copies):
    """A program that writes with the hint fails on a laptop without replicas, too."""
    for replicas in ((), copies[1:]):
        async with board_of(copies[0], *replicas) as board:
            database = board.storage("main", Database)

            async def drop(database):
                async with database.transaction(read_only=True) as session:
                    await session.execute(DROP)

            with pytest.raises(CallError, match="Write without read_only"):
                await drop(database)


async def test_replicas_have_the_primarys_password(copies):
    """It is said once."""
    primary, replica, _ = copies
    bare = replica.replace(":sentinel-of-a-password", "")
    async with board_of(primary, bare) as board:
        database = board.storage("main", Database)

        assert await asked(database, read_only=True) == "replica_a"


async def test_primary_that_is_away_is_an_error(copies):
    """Nobody else may write."""
    async with board_of("postgresql://127.0.0.1:1/none", *copies[1:]) as board:
        database = board.storage("main", Database)

        with pytest.raises(ConnectionFailed):
            await asked(database, read_only=False)
        assert (await board.health())["storage.main"].status == "down"
