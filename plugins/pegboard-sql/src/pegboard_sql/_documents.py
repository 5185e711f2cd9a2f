"""Documents in collections, in a table."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from pegboard import SingleFlight
from pegboard.contracts.document_order import sortable_fields
from pegboard.contracts.document_search import checked_search
from pegboard.contracts.documents import (
    Collection,
    StoredDocument,
    StoredPage,
    checked_body,
    checked_collection,
)
from pegboard.contracts.key_value import (
    checked_condition,
    checked_key,
    conflict,
    encode,
    new_version,
)
from pegboard.errors import CallError
from sqlalchemy import text

from ._document_statements import (
    DocumentStatements,
    documents_table_of,
    make_documents_table,
)
from ._errors import KNOWN, before_sending, too_late
from ._lane import Lane, Row
from ._statements import create, restored, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pegboard import Context
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

    from ._pools import Pools
    from .options import SqlOptions

PLAIN = Collection("plain")
"""Any collection will do to have the table made."""
LONGEST_INDEXING = 3600.0
"""Seconds: who has many documents and asks for a new index must wait for it once."""
FEW, GROWTH = 100, 10
"""Documents that need no counting, and how many times as many need it anew."""


class SqlDocuments:
    """
    Documents in a table of a database.

    Beside each one stands what it can be found by, as text that sorts as the values
    do, whatever is indexed. An index of that is made when a collection that declares
    it is first used: the database keeps it, for what is already there as well.
    """

    def __init__(self, pools: Pools, options: SqlOptions, context: Context) -> None:
        self._pools = pools
        self._address = context.address
        self._timeout = options.timeout
        self._lane = Lane(context.address, options.timeout)
        name = options.documents_table or documents_table_of(context.name)
        self._table = make_documents_table(name)
        self._statements: DocumentStatements | None = None
        self._prepared: set[Collection] = set()
        self._preparing = SingleFlight()
        self._puts, self._next_count = 0, FEW

    async def get_document(
        self, collection: Collection, key: str
    ) -> StoredDocument | None:
        """Return the document under *key*, or None if there is none."""
        values = _place(collection, checked_key(key))
        statements = await self._statements_for(collection)
        rows = await self._run(statements.get, values, again=True)
        return _document(rows[0]) if rows else None

    async def put_document(
        self,
        collection: Collection,
        key: str,
        body: Mapping[str, Any],
        *,
        if_version: str | None = None,
        if_absent: bool = False,
    ) -> str:
        """Store *body* under *key* and return its new version."""
        checked_condition(if_version, if_absent=if_absent)
        checked, version = checked_body(collection, key, body), new_version()
        values = _place(collection, key) | {
            "body": encode(key, checked),
            "version": version,
            "fields": json.dumps(sortable_fields(checked)),
        }
        statements = await self._statements_for(collection)
        statement = statements.put_if_absent if if_absent else statements.put
        if if_version is not None:
            statement = statements.put_if_version
            values["if_version"] = stored(if_version)
        if not await self._run(statement, values):
            raise conflict(self._address, "put_document", key)
        self._puts += 1
        if self._puts >= self._next_count:
            self._next_count *= GROWTH
            with suppress(CallError):  # the document is stored
                await self._count(statements)
        return version

    async def delete_document(
        self, collection: Collection, key: str, *, if_version: str | None = None
    ) -> bool:
        """Remove the document under *key*; return whether it was there."""
        values = _place(collection, checked_key(key))
        statements = await self._statements_for(collection)
        if if_version is None:
            return bool(await self._run(statements.delete, values))
        values["if_version"] = stored(if_version)
        if not await self._run(statements.delete_if_version, values):
            raise conflict(self._address, "delete_document", key)
        return True

    async def find_documents(  # noqa: PLR0913 - a question has this many parts
        self,
        collection: Collection,
        where: Mapping[str, Any] | None = None,
        *,
        order_by: str | None = None,
        descending: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> StoredPage:
        """Return up to *limit* documents that are as *where* says, in order."""
        search = checked_search(
            collection,
            where,
            order_by=order_by,
            descending=descending,
            limit=limit,
            cursor=cursor,
        )
        statements = await self._statements_for(collection)
        question = statements.find(collection, search)
        rows = await self._run(question.sql, question.values, again=True)
        return search.page([_document(row) for row in rows])

    async def list_collections(self) -> list[str]:
        """Return the names of the collections that have documents, in order."""
        statements = await self._statements_for(PLAIN)
        rows = await self._run(statements.collections, {}, again=True)
        return [restored(name) for (name,) in rows]

    async def _run(
        self, statement: str, values: Mapping[str, Any], *, again: bool = False
    ) -> list[Row]:
        group = await self._pools.group()
        return await self._lane.rows(group.loans, statement, values, again=again)

    async def _statements_for(self, collection: Collection) -> DocumentStatements:
        """Return the statements, for a table and indexes that are there."""
        engine = (await self._pools.group()).primary
        if self._statements is None:
            self._statements = DocumentStatements(self._table, engine.dialect)
        if collection not in self._prepared:
            checked_collection(collection)
            prepare = partial(self._prepare, engine, self._statements, collection)
            await self._preparing.do(collection, prepare)
            self._prepared.add(collection)
        return self._statements

    async def _prepare(
        self,
        engine: AsyncEngine,
        statements: DocumentStatements,
        collection: Collection,
    ) -> None:
        """Make the table and the indexes of *collection* where they are missing."""
        await self._do(engine, self._timeout, lambda one: create(one, self._table))
        missing = partial(statements.missing, collection=collection)
        has_new_index = await self._do(engine, self._timeout, missing)
        if has_new_index:
            make = partial(self._make_indexes, statements, collection)
            await self._do(engine, LONGEST_INDEXING, make)
        if has_new_index or not self._prepared:
            await self._count(statements)

    async def _count(self, statements: DocumentStatements) -> None:
        engine = (await self._pools.group()).primary
        if engine.dialect.name == "sqlite":
            await self._do(engine, self._timeout, statements.count_anew)

    def _make_indexes(
        self,
        statements: DocumentStatements,
        collection: Collection,
        connection: Connection,
    ) -> None:
        statements.lock(connection)
        for sql in statements.missing(connection, collection):
            connection.execute(text(sql))

    async def _do(
        self, engine: AsyncEngine, seconds: float, work: Callable[[Connection], Any]
    ) -> Any:
        try:
            async with asyncio.timeout(seconds), engine.begin() as connection:
                return await connection.run_sync(work)
        except TimeoutError as error:
            raise too_late(seconds, self._address) from error
        except KNOWN as error:
            raise before_sending(error, self._address) from error


def _place(collection: Collection, key: str) -> dict[str, Any]:
    return {"collection": stored(collection.name), "key": stored(key)}


def _document(row: Row) -> StoredDocument:
    key, body, version = row
    return StoredDocument(restored(key), body, version)
