"""The short way to the driver, on the connections that sessions use, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from pegboard import errors

from ._errors import KNOWN, before_sending, too_late, translated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.pool import PoolProxiedConnection

    from ._loans import Loans
    from ._watch import Watch

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
        loans: Loans,
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
        lent = await self._lend(loans)
        try:
            return await self._run(loans.watch, lent, statement, values)
        except errors.ConnectionFailed as error:
            if not again and error.request_sent != "no":
                raise
        finally:
            await loans.give_back(lent)
        lent = await self._lend(loans)
        try:
            return await self._run(loans.watch, lent, statement, values)
        finally:
            await loans.give_back(lent)

    async def _lend(self, loans: Loans) -> PoolProxiedConnection:
        try:
            return await loans.borrow()
        except KNOWN as error:
            raise before_sending(error, self._address) from error

    async def _run(
        self,
        watch: Watch,
        lent: PoolProxiedConnection,
        statement: str,
        values: Mapping[str, object],
    ) -> list[Row]:
        driver: Any = lent.driver_connection
        try:
            if isinstance(driver, psycopg.AsyncConnection):
                return await self._watched(watch, driver, statement, values)
            rows: list[Row] = await driver.execute_fetchall(statement, values)
        except KNOWN as error:
            raise translated(error, self._address) from error
        return rows

    async def _watched(
        self,
        watch: Watch,
        driver: psycopg.AsyncConnection,
        statement: str,
        values: Mapping[str, object],
    ) -> list[Row]:
        watch.begin(driver, self._timeout)
        try:
            cursor = await driver.execute(statement, values)
            return await cursor.fetchall()
        except psycopg.OperationalError as error:
            if watch.end(driver):
                raise
            raise too_late(self._timeout, self._address) from error
        finally:
            watch.end(driver)
