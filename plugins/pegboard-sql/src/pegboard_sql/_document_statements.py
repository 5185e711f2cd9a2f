"""The SQL of documents, which PostgreSQL and SQLite both understand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pegboard.contracts.document_order import NONE, mark, sortable
from sqlalchemy import Column, MetaData, Table, Text, func, select, text
from sqlalchemy.dialects.postgresql import JSONB

from ._statements import stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pegboard import Collection, IndexedField
    from pegboard.contracts.document_search import Search
    from sqlalchemy import Connection, Dialect

LONGEST_TABLE = 63
"""Characters of a name that PostgreSQL does not cut."""
ALL_NEW = "body = {0}body, version = {0}version, fields = {0}fields"
INDEX = "CREATE INDEX IF NOT EXISTS {name} ON {table} (collection, {value}, key)"
FIND = """
    SELECT key, body, version FROM {table} WHERE collection = :collection {conditions}
    ORDER BY {order} LIMIT :most
"""
GET = "SELECT key, body, version FROM {table} WHERE {this}"
PUT = """
    INSERT INTO {table} (collection, key, body, version, fields)
    VALUES (:collection, :key, :body, :version, :fields)
    ON CONFLICT (collection, key) DO {otherwise} RETURNING 1
"""
PUT_IF_VERSION = """
    UPDATE {table} SET {all_new} WHERE {this} AND version = :if_version RETURNING 1
"""
DELETE = "DELETE FROM {table} WHERE {this} RETURNING 1"
DELETE_IF_VERSION = """
    DELETE FROM {table} WHERE {this} AND version = :if_version RETURNING 1
"""
# From one name to the next through the index: there may be many documents of each.
COLLECTIONS = """
    WITH RECURSIVE known (name) AS (
        SELECT min(collection) FROM {table}
        UNION ALL
        SELECT (SELECT min(collection) FROM {table} WHERE collection > known.name)
        FROM known WHERE known.name IS NOT NULL
    )
    SELECT name FROM known WHERE name IS NOT NULL
"""
THIS = "collection = :collection AND key = :key"


@dataclass(frozen=True, slots=True)
class Question:
    """A statement, and what is put into it."""

    sql: str
    values: dict[str, Any]


class DocumentStatements:
    """
    Statements with named values for *table*, as the driver of a dialect takes them.

    All return rows: a change one for each row.
    """

    def __init__(self, table: Table, dialect: Dialect) -> None:
        self._table = table
        self._name = dialect.identifier_preparer.format_table(table)
        self._is_server = dialect.name == "postgresql"
        self._known: dict[object, str] = {}
        all_old = f"UPDATE SET {ALL_NEW.format('excluded.')}"
        self.get = self._spelled(GET)
        self.put = self._spelled(PUT, otherwise=all_old)
        self.put_if_absent = self._spelled(PUT, otherwise="NOTHING")
        self.put_if_version = self._spelled(PUT_IF_VERSION, all_new=ALL_NEW.format(":"))
        self.delete = self._spelled(DELETE)
        self.delete_if_version = self._spelled(DELETE_IF_VERSION)
        self.collections = self._spelled(COLLECTIONS)

    def find(self, collection: Collection, search: Search) -> Question:
        """Return what asks for a page, and for one document more."""
        values: dict[str, Any] = {
            f"value{number}": sortable(condition.value)
            for number, condition in enumerate(search.conditions)
        }
        values |= {"collection": stored(collection.name), "most": search.limit + 1}
        if search.after is not None:
            values["after"] = stored(search.after.key)
            values["after_value"] = sortable(search.after.value)
        return Question(self._asking(search), values)

    def index_name(self, index: IndexedField) -> str:
        """Return what *index* of this table is called in the database."""
        # Short, as databases want names, and with nothing in it that needs quotes.
        full = f"{self._table.fullname} {mark(index)}"
        return f"pegboard_{sha256(full.encode()).hexdigest()[:32]}"

    def lock(self, connection: Connection) -> None:
        """Wait for other processes that make what is missing, and keep them waiting."""
        if self._is_server:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            lock = func.pg_advisory_xact_lock(func.hashtext(self._table.fullname))
            connection.execute(select(lock))

    def count_anew(self, connection: Connection) -> None:
        """Have SQLite count a little of each index; PostgreSQL does so by itself."""
        connection.exec_driver_sql("PRAGMA analysis_limit = 400")
        connection.exec_driver_sql(f"ANALYZE {self._name}")

    def missing(self, connection: Connection, collection: Collection) -> list[str]:
        """Return the statements that make what *collection* still needs."""
        return [
            self._spelled(INDEX, name=self.index_name(index), value=self._value(index))
            for index in collection.indexes
            if not self._has(connection, self.index_name(index))
        ]

    def _has(self, connection: Connection, name: str) -> bool:
        known = "SELECT name FROM sqlite_master WHERE name = :name"
        if self._is_server:
            known = "SELECT to_regclass(:name)"
            schema = self._table.schema
            name = f"{schema}.{name}" if schema else name
        return connection.scalar(text(known), {"name": name}) is not None

    def _spelled(self, sql: str, **parts: str) -> str:
        filled = sql.format(table=self._name, this=THIS, **parts)
        plain = " ".join(filled.split())
        return re.sub(r":(\w+)", r"%(\1)s", plain) if self._is_server else plain

    def _asking(self, search: Search) -> str:
        """Return the statement: a program has few kinds of questions."""
        compared = ((one.index, one.operator) for one in search.conditions)
        is_first = search.after is None
        kind = (search.order_by, search.descending, is_first, *compared)
        if kind not in self._known:
            parts = [*self._conditions(search), *self._later(search)]
            conditions = "".join(f" AND {part}" for part in parts)
            order = self._order(search)
            sql = self._spelled(FIND, conditions=conditions, order=order)
            self._known[kind] = sql
        return self._known[kind]

    def _conditions(self, search: Search) -> Iterator[str]:
        for number, condition in enumerate(search.conditions):
            value = self._value(condition.index)
            yield f"{value} {condition.operator} :value{number}"
            if condition.operator in {"<", "<="}:  # None lies in no range
                yield f"{value} > '{NONE}'"

    def _later(self, search: Search) -> Iterator[str]:
        """Yield the condition that a document comes after those of the pages before."""
        sign = "<" if search.descending else ">"
        if search.after is None:
            return
        if search.order_by is None:
            yield f"key {sign} :after"
        else:
            value = self._value(search.order_by)
            yield f"({value}, key) {sign} (:after_value, :after)"

    def _order(self, search: Search) -> str:
        way = " DESC" if search.descending else ""
        first = f"{self._value(search.order_by)}{way}, " if search.order_by else ""
        return f"{first}key{way}"

    def _value(self, index: IndexedField) -> str:
        """Return the expression that an index is of: always the same text."""
        if self._is_server:
            return f"(COALESCE(fields ->> '{mark(index)}', '{NONE}') COLLATE \"C\")"
        return f"COALESCE(json_extract(fields, '$.\"{mark(index)}\"'), '{NONE}')"


def documents_table_of(instance: str) -> str:
    """Return the name of the table of the documents of *instance* alone."""
    # No instance begins with "_", so that no table of values is named like this.
    name = f"pegboard__documents_{instance}"
    if len(name) <= LONGEST_TABLE:
        return name
    return f"{name[: LONGEST_TABLE - 9]}_{sha256(instance.encode()).hexdigest()[:8]}"


def make_documents_table(name: str) -> Table:
    """Return the table *name*, or schema.name, of documents."""
    schema, _, name = name.rpartition(".")
    # By code point, as Python orders text and as nothing else in PostgreSQL does.
    plain = Text().with_variant(Text(collation="C"), "postgresql")
    return Table(
        name,
        MetaData(schema=schema or None),
        Column("collection", plain, primary_key=True),
        Column("key", plain, primary_key=True),
        Column("body", Text, nullable=False),
        Column("version", Text, nullable=False),
        Column("fields", Text().with_variant(JSONB(), "postgresql"), nullable=False),
    )
