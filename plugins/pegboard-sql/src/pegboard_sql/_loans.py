"""Connections that SQLAlchemy's pool lends to who asks the driver directly."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.util import greenlet_spawn

from ._engines import distrust
from ._watch import Watch

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.pool import PoolProxiedConnection

    from .options import SqlOptions

MOMENT = 0.02
"""Seconds until a connection goes back, so that sessions do not wait for longer."""
LONGEST_LOAN = 1.0
"""Seconds until it goes back though it is used: the pool looks at its age."""


class Loans:
    """
    The connections that an event loop has borrowed from the pool.

    To borrow one and to hand it back costs nearly as much as a statement. So one that
    is not needed any more stays here for a moment, and on as long as statements keep
    coming and the pool has others. Who finds all in use waits in a line; sessions wait
    at the pool, which gets one back at the latest when it has been out for that moment.
    """

    def __init__(self, engine: AsyncEngine, options: SqlOptions) -> None:
        self._engine = engine
        self._most = options.pool_size + options.max_overflow
        self._patience = options.pool_timeout
        self._turns = asyncio.Semaphore(self._most)
        self._kept: list[PoolProxiedConnection] = []
        self._due: dict[PoolProxiedConnection, float] = {}
        self._lock = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._is_used = False
        self._is_closed = False
        self.watch = Watch()
        self._returning: asyncio.Task[None] | None = None

    async def borrow(self) -> PoolProxiedConnection:
        """Return a connection on which each statement is a transaction of its own."""
        await self._wait_for_a_turn()
        if self._kept:
            return self._kept.pop()
        try:
            lent: PoolProxiedConnection = await greenlet_spawn(_lend, self._engine)
        except BaseException:
            self._turns.release()
            raise
        self._due[lent] = asyncio.get_running_loop().time() + MOMENT
        return lent

    async def give_back(self, lent: PoolProxiedConnection) -> None:
        """Keep what was *lent* for a moment, unless it is lost or has to go back."""
        try:
            if self._is_closed:  # the pool is gone, which would have closed it
                await greenlet_spawn(_discard, lent)
            elif _is_lost(lent):
                await self._replace(lent)
            elif self._has_to_go(lent):
                await self._return(lent)
            else:
                self._keep(lent)
        finally:
            self._turns.release()

    async def _wait_for_a_turn(self) -> None:
        if not self._turns.locked():
            await self._turns.acquire()
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._turns.acquire()
        except TimeoutError as error:
            raise PoolTimeout from error

    def _has_to_go(self, lent: PoolProxiedConnection) -> bool:
        overdue = asyncio.get_running_loop().time() - self._due.get(lent, 0.0)
        return overdue > (0 if self._is_pool_empty() else LONGEST_LOAN)

    def _is_pool_empty(self) -> bool:
        pool: Any = self._engine.sync_engine.pool
        return bool(pool.checkedout() >= self._most)

    def _keep(self, lent: PoolProxiedConnection) -> None:
        self._kept.append(lent)
        self._is_used = True
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(MOMENT, self._look)

    def _look(self) -> None:
        """Hand all back, unless they are in use and nobody else may want one."""
        loop = asyncio.get_running_loop()
        if self._is_used and not self._is_pool_empty():
            self._is_used = False
            self._timer = loop.call_later(MOMENT, self._look)
        else:
            self._returning = loop.create_task(self.return_all())

    async def _replace(self, lent: PoolProxiedConnection) -> None:
        del self._due[lent]
        await greenlet_spawn(_discard, lent)
        await self.return_all()
        distrust(self._engine.sync_engine)

    async def close(self) -> None:
        """Hand all back, and close what somebody still has when it comes back."""
        self._is_closed = True
        await self.return_all()

    async def return_all(self) -> None:
        """Hand back to the pool what nobody uses just now."""
        self.watch.rest()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        async with self._lock:  # who closes the pool waits for what is on its way
            while self._kept:
                await self._return(self._kept.pop())

    async def _return(self, lent: PoolProxiedConnection) -> None:
        self._due.pop(lent, None)
        try:
            await greenlet_spawn(_return, lent)
        except asyncio.CancelledError:  # the loop ends, and closes the pool next
            self._kept.append(lent)
            raise


def _lend(engine: AsyncEngine) -> PoolProxiedConnection:
    lent = engine.sync_engine.raw_connection()
    _set_autocommit(lent, value=True)
    return lent


def _return(lent: PoolProxiedConnection) -> None:
    if not lent.is_valid:
        return
    if _is_lost(lent):
        lent.invalidate()
    else:
        _set_autocommit(lent, value=False)
    lent.close()


def _discard(lent: PoolProxiedConnection) -> None:
    lent.invalidate()
    lent.close()


def _set_autocommit(lent: PoolProxiedConnection, *, value: bool) -> None:
    connection: Any = lent.dbapi_connection
    if isinstance(lent.driver_connection, psycopg.AsyncConnection):
        connection.autocommit = value


def _is_lost(lent: PoolProxiedConnection) -> bool:
    driver: Any = lent.driver_connection
    return isinstance(driver, psycopg.AsyncConnection) and driver.closed
