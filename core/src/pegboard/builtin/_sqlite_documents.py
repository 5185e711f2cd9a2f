"""Documents in a SQLite file."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

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

from ._sqlite_statistics import FEW, GROWTH, count_anew

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pegboard.contracts.document_search import Condition, Search
    from pegboard.contracts.documents import IndexedField, Kind

    from ._sqlite_file import SqliteFile

TABLE = """
    CREATE TABLE IF NOT EXISTS document (
        collection TEXT NOT NULL,
        key TEXT NOT NULL,
        body TEXT NOT NULL,
        version TEXT NOT NULL,
        PRIMARY KEY (collection, key)
    )
"""
# Not WITHOUT ROWID: SQLite would read all of a collection where an index leads to few.
INDEX = """
    CREATE INDEX IF NOT EXISTS "{name}" ON document (collection, {value}, key)
"""
JSON_TYPES: Mapping[Kind, str] = {
    "text": "'text'",
    "number": "'integer', 'real'",
    "boolean": "'true', 'false'",
}
"""What SQLite calls the values of each kind."""
GET = "SELECT key, body, version FROM document WHERE collection = ? AND key = ?"
PUT = """
    INSERT INTO document (collection, key, body, version) VALUES (?, ?, ?, ?)
    ON CONFLICT (collection, key) DO
"""
PUT_ANYWAY = PUT + "UPDATE SET body = excluded.body, version = excluded.version"
PUT_IF_ABSENT = PUT + "NOTHING"
PUT_IF_VERSION = """
    UPDATE document SET body = ?, version = ?
    WHERE collection = ? AND key = ? AND version = ?
"""
DELETE = "DELETE FROM document WHERE collection = ? AND key = ?"
DELETE_IF_VERSION = DELETE + " AND version = ?"
FIND = """
    SELECT key, body, version FROM document WHERE {conditions}
    ORDER BY {order} LIMIT ?
"""

# From one name to the next through the index: there may be many documents of each.
COLLECTIONS = """
    WITH RECURSIVE known (name) AS (
        SELECT min(collection) FROM document
        UNION ALL
        SELECT (SELECT min(collection) FROM document WHERE collection > known.name)
        FROM known WHERE known.name IS NOT NULL
    )
    SELECT name FROM known WHERE name IS NOT NULL
"""


class Part(NamedTuple):
    """A part of a statement, and what is put into it."""

    sql: str
    values: tuple[object, ...]


class SqliteDocuments:
    """
    Documents in a SQLite file.

    They are in one table. An indexed field is an expression of which the table has an
    index, made when the collection is first used: SQLite keeps it, for what is
    already there as well.
    """

    def __init__(self, file: SqliteFile, address: str) -> None:
        self._file = file
        self._address = address
        self._prepared: set[Collection] = set()
        self._puts, self._next_count = 0, FEW

    async def get_document(
        self, collection: Collection, key: str
    ) -> StoredDocument | None:
        """Return the document under *key*, or None if there is none."""
        values = (collection.name, checked_key(key))
        await self._prepare(collection)
        found = await self._file.run(_documents, GET, values)
        return found[0] if found else None

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
        text, version = encode(key, checked_body(collection, key, body)), new_version()
        sql = PUT_IF_ABSENT if if_absent else PUT_ANYWAY
        values: tuple[str, ...] = (collection.name, key, text, version)
        if if_version is not None:
            sql = PUT_IF_VERSION
            values = (text, version, collection.name, key, if_version)
        await self._prepare(collection)
        if not await self._file.run(_changed, sql, values):
            raise conflict(self._address, "put_document", key)
        self._puts += 1
        if self._puts >= self._next_count:
            self._next_count *= GROWTH
            await self._file.run(count_anew, "document")
        return version

    async def delete_document(
        self, collection: Collection, key: str, *, if_version: str | None = None
    ) -> bool:
        """Remove the document under *key*; return whether it was there."""
        values = (collection.name, checked_key(key))
        await self._prepare(collection)
        if if_version is None:
            return await self._file.run(_changed, DELETE, values)
        if not await self._file.run(_changed, DELETE_IF_VERSION, (*values, if_version)):
            raise conflict(self._address, "delete_document", key)
        return True

    async def list_collections(self) -> list[str]:
        """Return the names of the collections that have documents, in order."""
        return await self._file.run(_collections)

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
        await self._prepare(collection)
        sql, values = statement(collection, search)
        return search.page(await self._file.run(_documents, sql, values))

    def forget(self) -> None:
        """Prepare every collection anew, since the file may be another one."""
        self._prepared.clear()

    async def _prepare(self, collection: Collection) -> None:
        """Make the table and the indexes of *collection* where they are missing."""
        if collection in self._prepared:
            return
        names = [_name(index) for index in checked_collection(collection).indexes]
        missing = await self._file.run(_missing, ["document", *names])
        for sql in (TABLE, *map(_index, collection.indexes)) if missing else ():
            await self._file.run(_changed, sql, ())
        await self._file.run(partial(count_anew, has_new_index=missing), "document")
        self._prepared.add(collection)


def statement(collection: Collection, search: Search) -> Part:
    """Return what asks the table for a page, and for one document more."""
    parts = [Part("collection = ?", (collection.name,))]
    parts += map(_condition, search.conditions)
    parts += _later(search)
    conditions = " AND ".join(part.sql for part in parts)
    sql = FIND.format(conditions=conditions, order=_order(search))
    values = (value for part in parts for value in part.values)
    return Part(sql, (*values, search.limit + 1))


def _condition(condition: Condition) -> Part:
    sign = "IS" if condition.value is None else condition.operator
    return Part(f"{_value(condition.index)} {sign} ?", (condition.value,))


def _order(search: Search) -> str:
    way = " DESC" if search.descending else ""
    first = f"{_value(search.order_by)}{way}, " if search.order_by else ""
    return f"{first}key{way}"


def _later(search: Search) -> Iterator[Part]:
    """Yield the condition that a document comes after those of the pages before."""
    if search.after is None:
        return
    sign = "<" if search.descending else ">"
    last, key = search.after
    if search.order_by is None:
        yield Part(f"key {sign} ?", (key,))
        return
    value = _value(search.order_by)
    if last is None:
        others = "" if search.descending else f" OR {value} IS NOT NULL"
        yield Part(f"(({value} IS NULL AND key {sign} ?){others})", (key,))
    else:
        others = f" OR {value} IS NULL" if search.descending else ""
        yield Part(f"(({value}, key) {sign} (?, ?){others})", (last, key))


def _value(index: IndexedField) -> str:
    """Return the expression that an index is of: always the same text."""
    path = f"body, '$.\"{index.name}\"'"
    types = JSON_TYPES[index.kind]
    return f"CASE WHEN json_type({path}) IN ({types}) THEN json_extract({path}) END"


def _name(index: IndexedField) -> str:
    # SQLite takes names for equal that differ in case only; in hexadecimal none do.
    return f"document_{index.kind}_{index.name.encode().hex()}"


def _index(index: IndexedField) -> str:
    return INDEX.format(name=_name(index), value=_value(index))


def _missing(connection: sqlite3.Connection, names: list[str]) -> bool:
    rows = connection.execute("SELECT name FROM sqlite_master")
    return not set(names) <= {name for (name,) in rows}


def _collections(connection: sqlite3.Connection) -> list[str]:
    if _missing(connection, ["document"]):
        return []
    return [name for (name,) in connection.execute(COLLECTIONS).fetchall()]


def _documents(
    connection: sqlite3.Connection, sql: str, values: tuple[object, ...]
) -> list[StoredDocument]:
    rows = connection.execute(sql, values).fetchall()
    return [StoredDocument(*row) for row in rows]


def _changed(
    connection: sqlite3.Connection, sql: str, values: tuple[object, ...]
) -> bool:
    return connection.execute(sql, values).rowcount > 0
