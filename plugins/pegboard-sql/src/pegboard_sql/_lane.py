"""The short way to the driver, on the connections that sessions use, too."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
from pegboard import errors
from sqlalchemy.util import greenlet_spawn

from ._engines import distrust
from ._errors import KNOWN, before_sending, too_late, translated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.pool import PoolProxiedConnection

Row = tuple[Any, ...]


class Lane:
    """
    Runs single statements, each a transaction of its own.

    SQLAlchemy lends the connection, and that is all: compiling statements and wrapping
    results takes several times as long as the driver needs to be answered.
    """

    def __init__(self, address: str, timeout: float) -> None:
        self._address = address
        self._timeout = timeout

    async def rows(
        self,
        engine: AsyncEngine,
        statement: str,
        values: Mapping[str, object],
        *,
        again: bool = False,
    ) -> list[Row]:
        """
        Return the rows of *statement*; it may be run *again* on another connection.

        One that was lost while it rested is only noticed when it is used. Unless the
        server told of it, nobody knows then whether the statement was carried out.
        """
        lent = await self._lend(engine)
        try:
            return await self._run(lent, statement, values)
        except errors.ConnectionFailed as error:
            if not again and error.request_sent != "no":
                raise
        finally:
            await greenlet_spawn(_give_back, lent, engine.sync_engine)
        return await self.rows(engine, statement, values)

    async def _lend(self, engine: AsyncEngine) -> PoolProxiedConnection:
        try:
            lent: PoolProxiedConnection = await greenlet_spawn(
                engine.sync_engine.raw_connection
            )
        except KNOWN as error:
            raise before_sending(error, self._address) from error
        return lent

    async def _run(
        self, lent: PoolProxiedConnection, statement: str, values: Mapping[str, object]
    ) -> list[Row]:
        try:
            return await self._driven(lent.driver_connection, statement, values)
        except KNOWN as error:
            raise translated(error, self._address) from error

    async def _driven(
        self, driver: Any, statement: str, values: Mapping[str, object]
    ) -> list[Row]:
        if not isinstance(driver, psycopg.AsyncConnection):
            rows: list[Row] = await driver.execute_fetchall(statement, values)
            return rows
        loop = asyncio.get_running_loop()
        late = loop.call_later(self._timeout, _cut, driver)
        try:
            await driver.set_autocommit(True)
            cursor = await driver.execute(statement, values)
            return await cursor.fetchall()
        except psycopg.OperationalError as error:
            if loop.time() < late.when():
                raise
            raise too_late(self._timeout, self._address) from error
        finally:
            late.cancel()
            with suppress(psycopg.Error):  # of a connection that is lost
                await driver.set_autocommit(False)


def _give_back(lent: PoolProxiedConnection, engine: Engine) -> None:
    driver: Any = lent.driver_connection
    if isinstance(driver, psycopg.AsyncConnection) and driver.closed:
        lent.invalidate()
        distrust(engine)
    lent.close()


def _cut(driver: psycopg.AsyncConnection) -> None:
    """End the connection at once: to cancel politely takes a server that listens."""
    with (
        suppress(OSError, psycopg.Error),
        socket.socket(fileno=os.dup(driver.fileno())) as copy,
    ):
        copy.shutdown(socket.SHUT_RDWR)
