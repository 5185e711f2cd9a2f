"""
Databases that each break one promise, and the kit run against them.

Not collected by itself: ``test_sql_database_kit.py`` runs it and looks at what fails.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager, suppress
from typing import ClassVar

import pytest
from pegboard import StorageProvider, hookimpl
from pegboard.testing.database import DatabaseContract
from pegboard_sql._database import SqlDatabase
from pegboard_sql._storage import SqlStorage
from pegboard_sql.options import SqlOptions
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session


class Sound(SqlDatabase):
    """A database that keeps every promise."""

    caught_by: ClassVar[tuple[str, ...]] = ()
    """The tests that have to fail."""


class CommitsAtAnError(Sound):
    caught_by = (
        "test_transaction_rolls_back_at_an_error",
        "test_transaction_rolls_back_when_cancelled",
        "test_request_that_fails_leaves_nothing",
    )

    @asynccontextmanager
    async def transaction(self, *, read_only=False):
        async with self.session(read_only=read_only) as session:
            try:
                yield session
            finally:
                await session.commit()


class ForgetsToCommit(Sound):
    caught_by = ("test_transaction_commits_at_its_end", "test_request_commits")

    def transaction(self, *, read_only=False):
        return self.session(read_only=read_only)


class CommitsUnasked(Sound):
    caught_by = ("test_session_commits_when_it_is_told",)

    @asynccontextmanager
    async def session(self, *, read_only=False):
        async with super().session(read_only=read_only) as session:
            yield session
            await session.commit()


class WritesAnyway(Sound):
    caught_by = ("test_read_only_refuses_to_write",)

    def session(self, *, read_only=False):  # noqa: ARG002 - that is the fault
        return super().session()


class ForbidsForEver(Sound):
    caught_by = ("test_read_only_ends_with_its_session",)

    @asynccontextmanager
    async def session(self, *, read_only=False):
        async with super().session() as session:
            if read_only:
                await (await session.connection()).exec_driver_sql(
                    "PRAGMA query_only = ON"
                )
            yield session


class ErrorsAsTheyCome(Sound):
    caught_by = (
        "test_same_again_is_a_conflict",
        "test_bad_statement_is_blamed_on_the_request",
    )

    @asynccontextmanager
    async def session(self, **_):
        async with AsyncSession(await self.engine(), expire_on_commit=False) as session:
            yield session


class ForgetsObjects(Sound):
    caught_by = ("test_objects_outlive_their_session",)

    @asynccontextmanager
    async def session(self, *, read_only=False):
        async with super().session(read_only=read_only) as session:
            session.sync_session.expire_on_commit = True
            yield session


class OneEngineForAllLoops(Sound):
    caught_by = ("test_engine_is_of_the_loop",)

    kept = None

    async def engine(self):
        if self.kept is None:
            self.kept = await super().engine()
        return self.kept


class RequestsAreAlone(Sound):
    caught_by = ("test_request_commits",)

    async def per_request(self):
        async with self.session() as session:
            yield session


class SwallowsWhatHandlersRaise(Sound):
    caught_by = ("test_request_that_fails_leaves_nothing",)

    async def per_request(self):
        async with self.session() as session:
            with suppress(Exception):
                yield session
            await session.commit()


class BlockingForgetsToCommit(Sound):
    caught_by = ("test_threads_have_it_blocking", "test_blocking_board_has_it")

    def __init__(self, pools, address):
        super().__init__(pools, address)
        self.blocking.transaction = self.blocking.session


class BlockingErrorsAsTheyCome(Sound):
    caught_by = ("test_blocking_errors_are_the_same",)

    def __init__(self, pools, address):
        super().__init__(pools, address)

        @contextmanager
        def transaction(*, read_only=False):  # noqa: ARG001 - that is the fault
            engine = self.blocking.engine()
            with Session(engine, expire_on_commit=False) as session, session.begin():
                yield session

        self.blocking.transaction = transaction


class ShowsValues(Sound):
    caught_by = ("test_bad_statement_is_blamed_on_the_request",)

    async def engine(self):
        engine = await super().engine()
        engine.sync_engine.hide_parameters = False
        return engine


class LeavesConnectionsOpen(Sound):
    caught_by = ("test_closing_closes_the_connections",)
    closes = False


DATABASES = [Sound, *Sound.__subclasses__()]


class BrokenStorage(SqlStorage):
    """An instance whose database is one of those above."""

    def __init__(self, options, context, kind):
        super().__init__(options, context)
        self._kind = kind
        self.parts["Database"] = kind(self._pools, context.address)

    async def aclose(self):
        """Close all connections, if this one does that."""
        if getattr(self._kind, "closes", True):
            await super().aclose()


class Plugin:
    """Offers one of the databases as ``broken``."""

    def __init__(self, kind):
        self.kind = kind

    @hookimpl
    def pegboard_storage_providers(self):
        """Return the one provider."""
        return [
            StorageProvider(
                name="broken",
                factory=lambda options, context: BrokenStorage(
                    options, context, self.kind
                ),
                options=SqlOptions,
                contracts={"Database": 1, "KeyValue": 1},
            )
        ]


def suite_of(kind):
    """Return the kit for a database of this *kind*."""

    class Suite(DatabaseContract):
        @pytest.fixture
        def plugins(self):
            return (Plugin(kind),)

        @pytest.fixture
        def settings(self, tmp_path):
            return {"provider": "broken", "url": f"sqlite:///{tmp_path}/x.sqlite"}

    Suite.__qualname__ = Suite.__name__ = f"Test{kind.__name__}"
    return Suite


for database in DATABASES:
    globals()[f"Test{database.__name__}"] = suite_of(database)
