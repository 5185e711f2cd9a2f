"""What an instance is: connections, and the contracts that are kept on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._database import SqlDatabase
from ._documents import SqlDocuments
from ._errors import translating
from ._key_value import SqlKeyValue
from ._pools import Pools

if TYPE_CHECKING:
    from collections.abc import Callable

    from pegboard import Context
    from sqlalchemy import Connection

    from ._migrations import Migrations, Tell
    from .options import SqlOptions


class SqlStorage:
    """A database. All that it offers shares its connections."""

    def __init__(self, options: SqlOptions, context: Context) -> None:
        self._pools = Pools(options, context)
        database = SqlDatabase(self._pools, context.address)
        values = SqlKeyValue(self._pools, options, context)
        documents = SqlDocuments(self._pools, options, context)
        self.parts = {
            "Database": database,
            "DocumentStore": documents,
            "DocumentCollections": documents,
            "KeyValue": values,
        }
        self.ping = database.ping
        self._options = options
        self._address = context.address

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pools.aclose()

    async def migrate(self, work: Callable[[Migrations], Any], tell: Tell) -> Any:
        """Return what *work* does with the migrations."""
        from ._migrations import Migrations  # noqa: PLC0415 - Alembic is for this only

        def run(connection: Connection) -> Any:
            return work(Migrations(self._options, connection, tell))

        engine = (await self._pools.group()).primary
        with translating(self._address):
            async with engine.connect() as connection:
                return await connection.run_sync(run)
