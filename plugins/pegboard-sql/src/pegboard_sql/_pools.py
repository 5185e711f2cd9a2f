"""The pools of an instance: for each event loop, and for threads."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

from pegboard import PerLoop
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ._engines import Engines, forbid_writes, hand_back
from ._loans import Loans

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator

    from pegboard import Context
    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from .options import SqlOptions

Kind = TypeVar("Kind", "Engine", "AsyncEngine")
REST = 10.0
"""Seconds for which a replica is left alone that could not be reached."""
UNREACHABLE = (DBAPIError, PoolTimeout)


class Group(Generic[Kind]):
    """The primary and its replicas, as one event loop or all threads use them."""

    def __init__(self, engines: Engines, make: Callable[[URL], Kind]) -> None:
        self.primary: Kind = make(engines.primary)
        self.replicas: list[Kind] = [make(url) for url in engines.replicas]
        self._turns = count()
        self._down_until: dict[int, float] = {}

    def readers(self) -> Iterator[Kind]:
        """Yield the replicas to ask, each call another first."""
        turn = next(self._turns)
        for number in range(len(self.replicas)):
            at = (turn + number) % len(self.replicas)
            if self._down_until.get(at, 0.0) <= monotonic():
                yield self.replicas[at]

    def leave_alone(self, replica: Kind) -> None:
        """Remember that *replica* could not be reached just now."""
        self._down_until[self.replicas.index(replica)] = monotonic() + REST


class LoopGroup(Group["AsyncEngine"]):
    """Those of an event loop, and what it has borrowed from the primary."""

    def __init__(self, engines: Engines, options: SqlOptions) -> None:
        super().__init__(engines, engines.make)
        self.loans = Loans(self.primary, options)

    async def dispose(self) -> None:
        """Close all connections."""
        await self.loans.close()
        for engine in (self.primary, *self.replicas):
            await engine.dispose()


class Pools:
    """Connections of an instance, opened when they are first used."""

    def __init__(self, options: SqlOptions, context: Context) -> None:
        self._engines = Engines(options, context)
        self._log = context.log
        self._groups = PerLoop(
            lambda: LoopGroup(self._engines, options), LoopGroup.dispose
        )
        self.options = options
        self._blocking: Group[Engine] | None = None
        self._pid = os.getpid()
        self._lock = Lock()

    async def group(self) -> LoopGroup:
        """Return the engines of the running event loop."""
        return await self._groups.get()

    def blocking_group(self) -> Group[Engine]:
        """Return the engines of this process's threads."""
        with self._lock:
            if self._blocking is not None and self._pid != os.getpid():
                self._leave_to_parent(self._blocking)
            if self._blocking is None:
                self._blocking = Group(self._engines, self._engines.make_blocking)
            return self._blocking

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection]:
        """Open a connection that reads only, to a replica if one can be reached."""
        connection = await self._open_reader(await self.group())
        try:
            await connection.run_sync(forbid_writes)
            yield connection
        finally:
            await connection.run_sync(hand_back)

    @contextmanager
    def blocking_reading(self) -> Generator[Connection]:
        """Do the same for threads."""
        connection = self._open_blocking_reader(self.blocking_group())
        try:
            forbid_writes(connection)
            yield connection
        finally:
            hand_back(connection)

    async def aclose(self) -> None:
        """Close all connections. The next use opens new ones."""
        await self._groups.aclose()
        with self._lock:
            group, self._blocking = self._blocking, None
        for engine in () if group is None else (group.primary, *group.replicas):
            engine.dispose(close=self._pid == os.getpid())

    async def _open_reader(self, group: Group[AsyncEngine]) -> AsyncConnection:
        for replica in group.readers():
            try:
                return await replica.connect()
            except UNREACHABLE as error:
                self._leave_alone(group, replica, error)
        return await group.primary.connect()

    def _open_blocking_reader(self, group: Group[Engine]) -> Connection:
        for replica in group.readers():
            try:
                return replica.connect()
            except UNREACHABLE as error:
                self._leave_alone(group, replica, error)
        return group.primary.connect()

    def _leave_alone(self, group: Group[Kind], replica: Kind, error: Exception) -> None:
        group.leave_alone(replica)
        self._log.warning(
            "The replica {} cannot be reached, so that others are asked for {:g} s: {}",
            *(replica.url.host, REST, type(error).__name__),
        )

    def _leave_to_parent(self, group: Group[Engine]) -> None:
        """Forget, and do not close, what a fork brought: both would write to it."""
        for engine in (group.primary, *group.replicas):
            engine.dispose(close=False)
        self._blocking, self._pid = None, os.getpid()
