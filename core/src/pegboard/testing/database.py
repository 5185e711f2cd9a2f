"""
Prove that a backend keeps the contract of Database.

    from pegboard.testing.database import DatabaseContract


    class TestMine(DatabaseContract):
        @pytest.fixture
        def settings(self, server):
            return {"provider": "mine", "url": server.url_of_an_empty_database}

The fixture ``settings`` returns what stands in the settings of an instance whose
database is empty. It needs SQLAlchemy, as the contract does. What cannot be kept is
left out with a reason; see ``pegboard.testing.standard``.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import pytest_asyncio
from sqlalchemy import Column, Integer, MetaData, String, Table, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pegboard import Database, Pegboard
from pegboard import sync as blocking
from pegboard.errors import CallError, Conflict

from .standard import StandardTests

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable
    from contextlib import AbstractAsyncContextManager

    from sqlalchemy import Executable
    from sqlalchemy.ext.asyncio import AsyncSession

MANY = 40
"""Tasks at once: more than any sensible pool has connections."""
METADATA = MetaData()
WORDS = Table(
    "pegboard_kit_words",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("word", String(100), nullable=False, unique=True),
)
COUNT = select(func.count()).select_from(WORDS)
LIST = select(WORDS.c.word).order_by(WORDS.c.id)


class Base(DeclarativeBase):
    """Where the kit's class belongs to."""

    metadata = METADATA


class Note(Base):
    """A row as an object."""

    __tablename__ = "pegboard_kit_notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


class StopWordError(Exception):
    """What a program raises for reasons of its own."""


class MakeBoard(Protocol):
    """Make a board with the database, some of its settings changed."""

    def __call__(self, **changes: object) -> Pegboard:
        """Return a new board."""
        ...


@pytest.mark.asyncio
class DatabaseContract(StandardTests):
    """What every Database must do. Inherit it and give the fixture ``settings``."""

    @pytest.fixture
    def plugins(self) -> Iterable[object]:
        """Return plugins to use that are not installed."""
        return ()

    @pytest.fixture
    def make_board(
        self, settings: dict[str, Any], plugins: Iterable[object]
    ) -> MakeBoard:
        """Return a function that makes a board with the database in it."""

        def make_board(**changes: object) -> Pegboard:
            kit = {**settings, **changes}
            return Pegboard.isolated({"storage": {"kit": kit}}, plugins=plugins)

        return make_board

    @pytest_asyncio.fixture
    async def database(self, make_board: MakeBoard) -> AsyncGenerator[Database]:
        """Return the database, with tables that are empty."""
        async with make_board() as board:
            database = board.storage("kit", Database)
            async with (await database.engine()).begin() as connection:
                await connection.run_sync(METADATA.create_all)
            yield database

    async def test_ping_answers(self, database: Database) -> None:
        """A database that is there says so."""
        await database.ping()

    async def test_transaction_commits_at_its_end(self, database: Database) -> None:
        """What a block did is there for the next one."""
        async with database.transaction() as session:
            await session.execute(_adding("peg"))

        assert await _words(database) == ["peg"]

    async def test_transaction_rolls_back_at_an_error(self, database: Database) -> None:
        """An error of the program leaves nothing behind, and stays what it was."""
        with pytest.raises(StopWordError):
            await _add(database, "peg", then=StopWordError())

        assert await _words(database) == []

    async def test_transaction_rolls_back_when_cancelled(
        self, database: Database
    ) -> None:
        """A task that is cancelled leaves nothing behind."""
        is_inside = asyncio.Event()

        async def work() -> None:
            async with database.transaction() as session:
                await session.execute(_adding("peg"))
                is_inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await is_inside.wait()
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task
        assert await _words(database) == []

    async def test_session_commits_when_it_is_told(self, database: Database) -> None:
        """What was not committed is gone at the end."""
        async with database.session() as session:
            await session.execute(_adding("kept"))
            await session.commit()
            await session.execute(_adding("lost"))

        assert await _words(database) == ["kept"]

    async def test_objects_outlive_their_session(self, database: Database) -> None:
        """What was read or written can be looked at later, without another query."""
        async with database.transaction() as session:
            note = Note(id=1, text="a")
            session.add(note)

        assert note.text == "a"
        async with database.session(read_only=True) as session:
            found = await session.get(Note, 1)
        assert found
        assert found.text == "a"

    async def test_unfinished_work_is_unseen(self, database: Database) -> None:
        """Others see what is committed."""
        async with database.transaction() as session:
            await session.execute(_adding("peg"))
            assert await _words(database) == []

    async def test_same_again_is_a_conflict(self, database: Database) -> None:
        """A row like another one is refused, and with it all of the transaction."""
        await _add(database, "peg")

        with pytest.raises(Conflict) as caught:
            await _add(database, "board", "peg")
        assert caught.value.address == "storage.kit"
        assert isinstance(caught.value.__cause__, IntegrityError)
        assert await _words(database) == ["peg"]

    async def test_errors_are_the_databases_own_inside(
        self, database: Database
    ) -> None:
        """A program can catch what SQLAlchemy raises, and go on from a savepoint."""
        async with database.transaction() as session:
            await session.execute(_adding("peg"))
            with pytest.raises(IntegrityError):
                async with session.begin_nested():
                    await session.execute(_adding("peg"))
            await session.execute(_adding("board"))

        assert await _words(database) == ["peg", "board"]

    async def test_bad_statement_is_blamed_on_the_request(
        self, database: Database
    ) -> None:
        """A table that is not there is an error that says so, and hides no value."""
        absent = Table("pegboard_kit_absent", MetaData(), Column("word", String))

        async def add() -> None:
            async with database.transaction() as session:
                await session.execute(insert(absent).values(word="sentinel"))

        with pytest.raises(CallError, match="pegboard_kit_absent") as caught:
            await add()
        assert not caught.value.retryable
        assert "sentinel" not in f"{caught.value} {caught.value.__cause__}"

    async def test_read_only_reads(self, database: Database) -> None:
        """Where the hint leads to, the words are."""
        async with database.transaction() as session:
            await session.execute(_adding("peg"))

        async with database.transaction(read_only=True) as session:
            assert list(await session.scalars(LIST)) == ["peg"]

    async def test_read_only_refuses_to_write(self, database: Database) -> None:
        """A write is refused wherever the hint led to, and nothing is stored."""

        async def add(
            opened: AbstractAsyncContextManager[AsyncSession], *, commits: bool
        ) -> None:
            async with opened as session:
                await session.execute(_adding("peg"))
                if commits:
                    await session.commit()

        with pytest.raises(CallError):
            await add(database.transaction(read_only=True), commits=False)
        with pytest.raises(CallError):
            await add(database.session(read_only=True), commits=True)
        assert await _words(database) == []

    async def test_read_only_ends_with_its_session(self, database: Database) -> None:
        """The same connections write again afterwards."""
        for number in range(MANY):
            async with database.session(read_only=True) as session:
                await session.execute(COUNT)
            async with database.transaction() as session:
                await session.execute(_adding(f"word {number}"))

        assert len(await _words(database)) == MANY

    async def test_more_tasks_than_connections(self, database: Database) -> None:
        """Who finds all connections in use waits for one."""

        async def add(number: int) -> None:
            async with database.transaction() as session:
                await session.execute(_adding(f"word {number}"))

        await asyncio.gather(*(add(number) for number in range(MANY)))

        assert len(await _words(database)) == MANY

    async def test_event_loops_may_follow_each_other(self, database: Database) -> None:
        """A database works in the next event loop when the first has ended."""

        def use_two_loops() -> None:
            asyncio.run(_add(database, "first"))
            asyncio.run(_add(database, "second"))

        await asyncio.to_thread(use_two_loops)

        assert await _words(database) == ["first", "second"]

    async def test_engine_is_of_the_loop(self, database: Database) -> None:
        """One loop has one engine, and each loop has another."""

        def in_another() -> object:
            return asyncio.run(_engine(database))

        assert await database.engine() is await database.engine()
        assert await asyncio.to_thread(in_another) is not await database.engine()

    async def test_request_commits(self, database: Database) -> None:
        """What a handler of a web framework did is committed after it."""
        async with aclosing(database.per_request()) as sessions:
            async for session in sessions:
                await session.execute(_adding("peg"))

        assert await _words(database) == ["peg"]

    async def test_request_that_fails_leaves_nothing(self, database: Database) -> None:
        """The handler's error is thrown in, and comes out as it was."""
        sessions = database.per_request()
        await (await anext(sessions)).execute(_adding("peg"))

        with pytest.raises(StopWordError):
            await sessions.athrow(StopWordError())
        assert await _words(database) == []

    async def test_threads_have_it_blocking(self, database: Database) -> None:
        """Code that is not async has the same transactions."""

        def work() -> list[str]:
            _add_blocking(database, "kept")
            with pytest.raises(StopWordError):
                _add_blocking(database, "lost", then=StopWordError())
            with database.blocking.session(read_only=True) as session:
                return list(session.scalars(LIST))

        assert await asyncio.to_thread(work) == ["kept"]
        assert await _words(database) == ["kept"]

    async def test_blocking_errors_are_the_same(self, database: Database) -> None:
        """A conflict is a conflict, and who promised to read cannot write."""
        await asyncio.to_thread(_add_blocking, database, "peg")
        with pytest.raises(Conflict):
            await asyncio.to_thread(_add_blocking, database, "peg")
        with pytest.raises(CallError):
            await asyncio.to_thread(_add_blocking, database, "board", read_only=True)
        assert await _words(database) == ["peg"]

    async def test_blocking_requests_commit_or_not(self, database: Database) -> None:
        """A handler in a thread has its transaction, too."""

        def work() -> None:
            with closing(database.blocking.per_request()) as sessions:
                for session in sessions:
                    session.execute(_adding("kept"))
            sessions = database.blocking.per_request()
            next(sessions).execute(_adding("lost"))
            with pytest.raises(StopWordError):
                sessions.throw(StopWordError())

        await asyncio.to_thread(work)

        assert await _words(database) == ["kept"]

    async def test_blocking_board_has_it(
        self, settings: dict[str, Any], plugins: Iterable[object]
    ) -> None:
        """A program that is not async at all uses sessions on its own threads."""

        def work() -> list[str]:
            kit = {"storage": {"kit": settings}}
            with blocking.Pegboard.isolated(kit, plugins=plugins) as board:
                database = board.storage("kit", blocking.Database)
                METADATA.create_all(database.engine())
                database.ping()
                with database.transaction() as session:
                    session.execute(_adding("peg"))
                with database.session(read_only=True) as session:
                    return list(session.scalars(LIST))

        assert await asyncio.to_thread(work) == ["peg"]

    async def test_settings_may_not_put_a_policy_between(
        self, make_board: MakeBoard
    ) -> None:
        """A session is no call: it is the same where calls are governed."""
        async with make_board(external=True) as board:
            database = board.storage("kit", Database)
            async with (await database.engine()).begin() as connection:
                await connection.run_sync(METADATA.create_all)
            await _add(database, "peg")

            assert await _words(database) == ["peg"]

    async def test_closing_closes_the_connections(self, make_board: MakeBoard) -> None:
        """Nothing stays open behind a board."""
        async with make_board() as board:
            database = board.storage("kit", Database)
            engine = await database.engine()
            async with database.session() as session:
                await session.execute(select(1))
            assert _open_connections(engine.sync_engine.pool) == 1

        assert _open_connections(engine.sync_engine.pool) == 0


async def _words(database: Database) -> list[str]:
    async with database.session(read_only=True) as session:
        return list(await session.scalars(LIST))


async def _add(database: Database, *words: str, then: Exception | None = None) -> None:
    async with database.transaction() as session:
        for word in words:
            await session.execute(_adding(word))
        if then:
            raise then


def _add_blocking(
    database: Database,
    word: str,
    *,
    read_only: bool = False,
    then: Exception | None = None,
) -> None:
    with database.blocking.transaction(read_only=read_only) as session:
        session.execute(_adding(word))
        if then:
            raise then


async def _engine(database: Database) -> object:
    return await database.engine()


def _adding(word: str) -> Executable:
    return insert(WORDS).values(word=word)


def _open_connections(pool: Any) -> int:
    idle: int = pool.checkedin()
    used: int = pool.checkedout()
    return idle + used
