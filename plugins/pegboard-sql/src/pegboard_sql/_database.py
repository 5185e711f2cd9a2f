"""A database through SQLAlchemy's sessions."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from pegboard.errors import CallError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from ._errors import translating
from ._lane import Lane
from ._loans import Loans
from ._url import WITH_VALUES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from sqlalchemy import Engine

    from ._pools import Pools

PING = "SELECT 1"
LONGEST_PING = 1.5
"""Seconds: a health check is cut off after 2, and would wait for that, too."""


class SqlDatabase:
    """Sessions on the connections of an instance."""

    def __init__(self, pools: Pools, address: str) -> None:
        self._pools = pools
        self._address = address
        self._lane = Lane(address, LONGEST_PING)
        self.blocking = BlockingSqlDatabase(pools, address)

    async def ping(self) -> str | None:
        """Ask the primary, which must answer, and the replicas, which need not."""
        group = await self._pools.group()
        await self._ask(group.primary)
        up = [await self._answers(replica) for replica in group.replicas]
        return f"{sum(up)} of {len(up)} replicas answered, too" if up else None

    @asynccontextmanager
    async def transaction(
        self, *, read_only: bool = False
    ) -> AsyncGenerator[AsyncSession]:
        """Open a session whose work is committed at the end of the block."""
        async with self.session(read_only=read_only) as session, session.begin():
            yield session

    @asynccontextmanager
    async def session(self, *, read_only: bool = False) -> AsyncGenerator[AsyncSession]:
        """Open a session that commits when it is told to, and is closed at the end."""
        with translating(self._address):
            if read_only:
                async with (
                    self._pools.reading() as connection,
                    AsyncSession(connection, expire_on_commit=False) as session,
                ):
                    yield session
            else:
                engine = await self.engine()
                async with AsyncSession(engine, expire_on_commit=False) as session:
                    yield session

    async def per_request(self) -> AsyncGenerator[AsyncSession]:
        """Yield the session of a transaction, as web frameworks take it."""
        async with self.transaction() as session:
            yield session

    async def engine(self) -> AsyncEngine:
        """Return the engine of the primary, for the running event loop."""
        return (await self._pools.group()).primary

    async def _ask(self, engine: AsyncEngine) -> None:
        if engine.dialect.name in WITH_VALUES:
            loans = Loans(engine, self._pools.options)
            try:
                await self._lane.rows(loans, PING, {}, again=True)
            finally:
                await loans.return_all()
            return
        with translating(self._address):
            async with engine.connect() as connection:
                await connection.exec_driver_sql(PING)

    async def _answers(self, replica: AsyncEngine) -> bool:
        try:
            await self._ask(replica)
        except CallError:
            return False
        return True


class BlockingSqlDatabase:
    """The same for code that is not async."""

    def __init__(self, pools: Pools, address: str) -> None:
        self._pools = pools
        self._address = address

    @contextmanager
    def transaction(self, *, read_only: bool = False) -> Generator[Session]:
        """Open a session whose work is committed at the end of the block."""
        with self.session(read_only=read_only) as session, session.begin():
            yield session

    @contextmanager
    def session(self, *, read_only: bool = False) -> Generator[Session]:
        """Open a session that commits when it is told to, and is closed at the end."""
        with translating(self._address):
            if read_only:
                with (
                    self._pools.blocking_reading() as connection,
                    Session(connection, expire_on_commit=False) as session,
                ):
                    yield session
            else:
                with Session(self.engine(), expire_on_commit=False) as session:
                    yield session

    def per_request(self) -> Generator[Session]:
        """Yield the session of a transaction, as web frameworks take it."""
        with self.transaction() as session:
            yield session

    def engine(self) -> Engine:
        """Return the engine of the primary."""
        return self._pools.blocking_group().primary
