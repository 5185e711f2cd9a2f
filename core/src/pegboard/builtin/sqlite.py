"""Values in a SQLite file, shared by all processes of a machine."""

from __future__ import annotations

import sqlite3
from itertools import chain, islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import Field, field_validator

from pegboard.contracts.key_value import (
    Entry,
    KeyPage,
    checked_condition,
    checked_key,
    checked_keys,
    checked_limit,
    checked_sum,
    checked_ttl,
    conflict,
    decode,
    encode,
    encode_all,
    new_version,
    page,
    scan_start,
)
from pegboard.options import Options

from ._sqlite_documents import SqliteDocuments
from ._sqlite_file import Durability, Schema, SqliteFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pegboard.descriptors import Context

WRITES_PER_PURGE, MOST_PURGED = 64, 256
"""Fewer rows than this one can expire between two purges, though many come at once."""

SCHEMA = Schema(
    version=1,
    statements=(
        """
        CREATE TABLE IF NOT EXISTS key_value (
            key TEXT PRIMARY KEY,
            value TEXT NOT NULL,
            version TEXT NOT NULL,
            expires REAL
        ) WITHOUT ROWID
        """,
        """
        CREATE INDEX IF NOT EXISTS key_value_expires ON key_value (expires)
        WHERE expires IS NOT NULL
        """,
    ),
)
GET = """
    SELECT value FROM key_value WHERE key = ? AND (expires IS NULL OR expires > ?)
"""
GET_ENTRY = """
    SELECT value, version FROM key_value
    WHERE key = ? AND (expires IS NULL OR expires > ?)
"""
EXISTS = """
    SELECT 1 FROM key_value WHERE key = ? AND (expires IS NULL OR expires > ?)
"""
SCAN = """
    SELECT key FROM key_value WHERE key >= ? AND (expires IS NULL OR expires > ?)
    ORDER BY key
"""
SET = """
    INSERT INTO key_value (key, value, version, expires) VALUES (?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE
    SET value = excluded.value, version = excluded.version, expires = excluded.expires
"""
GET_MANY = """
    SELECT key, value FROM key_value
    WHERE key IN ({}) AND (expires IS NULL OR expires > ?)
"""
SET_MANY = SET.replace("(?, ?, ?, ?)", "{}")
DELETE_MANY = """
    DELETE FROM key_value WHERE key IN ({}) AND (expires IS NULL OR expires > ?)
"""
TTL = """
    SELECT expires FROM key_value WHERE key = ? AND (expires IS NULL OR expires > ?)
"""
SET_IF_ABSENT = SET + "WHERE key_value.expires <= ?"
SET_IF_VERSION = """
    UPDATE key_value SET value = ?, version = ?, expires = ?
    WHERE key = ? AND version = ? AND (expires IS NULL OR expires > ?)
"""
SET_VALUE_IF_VERSION = """
    UPDATE key_value SET value = ?, version = ?
    WHERE key = ? AND version = ? AND (expires IS NULL OR expires > ?)
"""
TOUCH = """
    UPDATE key_value SET expires = ?
    WHERE key = ? AND (expires IS NULL OR expires > ?)
"""
DELETE = """
    DELETE FROM key_value WHERE key = ? AND (expires IS NULL OR expires > ?)
"""
DELETE_IF_VERSION = """
    DELETE FROM key_value
    WHERE key = ? AND version = ? AND (expires IS NULL OR expires > ?)
"""
PURGE = """
    DELETE FROM key_value
    WHERE key IN (SELECT key FROM key_value WHERE expires <= ? LIMIT ?)
"""


class SqliteOptions(Options):
    """Values in a SQLite file, shared by all processes of a machine."""

    path: Path | None = None
    """The file. None is one in the data folder, named after the instance."""
    ttl: float | None = Field(default=None, gt=0)
    """Seconds until a value expires, where the call does not say. None is never."""
    busy_timeout: float = Field(default=5.0, ge=0)
    """Seconds to wait while another process writes."""
    durability: Durability = "process"
    """What a stored value survives: the end of the process, or a power cut too."""

    @field_validator("path")
    @classmethod
    def _refuse_memory(cls, path: Path | None) -> Path | None:
        if str(path) == ":memory:":
            msg = 'keeps nothing. Name a file, or set provider = "memory".'
            raise ValueError(msg)
        return path


class SqliteKeyValue:
    """
    Values by key in a SQLite file.

    Each change is one statement that holds its own condition, so that no other
    process can come in between.
    """

    def __init__(self, options: SqliteOptions, context: Context) -> None:
        self._address = context.address
        self._clock = context.clock
        self._ttl = options.ttl
        self._rows_until_purge = 0
        self._file = SqliteFile(
            options.path or context.data_folder / f"{quote(context.name, '')}.sqlite",
            SCHEMA,
            context,
            busy_timeout=options.busy_timeout,
            durability=options.durability,
        )
        self._documents = SqliteDocuments(self._file, context.address)
        self.parts = {
            "DocumentStore": self._documents,
            "DocumentCollections": self._documents,
        }

    async def ping(self) -> None:
        """Read from the file, which is made if there is none."""
        await self._file.run(_row, EXISTS, ("", self._clock()))

    async def get(self, key: str, default: Any = None) -> Any:
        """Return the value of *key*, or *default* if there is none."""
        row = await self._file.run(_row, GET, (checked_key(key), self._clock()))
        return default if row is None else decode(key, row[0])

    async def get_entry(self, key: str) -> Entry | None:
        """Return the value of *key* with its version, or None if there is none."""
        row = await self._file.run(_row, GET_ENTRY, (checked_key(key), self._clock()))
        return None if row is None else Entry(decode(key, row[0]), row[1])

    async def set(
        self,
        key: str,
        value: Any,
        *,
        ttl: float | None = None,
        if_version: str | None = None,
        if_absent: bool = False,
    ) -> str:
        """Store *value* under *key* and return its new version."""
        checked_condition(if_version, if_absent=if_absent)
        text, version = encode(checked_key(key), value), new_version()
        now = self._clock()
        expires = self._expiry(ttl, now)
        if if_version is not None:
            sql = SET_IF_VERSION
            values: tuple[object, ...] = (text, version, expires, key, if_version, now)
        elif if_absent:
            sql, values = SET_IF_ABSENT, (key, text, version, expires, now)
        else:
            sql, values = SET, (key, text, version, expires)
        if not await self._change(now, sql, values):
            raise conflict(self._address, "set", key)
        return version

    async def delete(self, key: str, *, if_version: str | None = None) -> bool:
        """Remove *key*; return whether it was there."""
        now = self._clock()
        if if_version is None:
            return bool(await self._change(now, DELETE, (checked_key(key), now)))
        if not await self._change(
            now, DELETE_IF_VERSION, (checked_key(key), if_version, now)
        ):
            raise conflict(self._address, "delete", key)
        return True

    async def exists(self, key: str) -> bool:
        """Return whether *key* has a value."""
        values = (checked_key(key), self._clock())
        return await self._file.run(_row, EXISTS, values) is not None

    async def touch(self, key: str, *, ttl: float | None = None) -> bool:
        """Give *key* a new expiry; return whether it exists."""
        now = self._clock()
        expires = self._expiry(ttl, now)
        return bool(await self._change(now, TOUCH, (expires, checked_key(key), now)))

    async def ttl(self, key: str) -> float | None:
        """Return the seconds until *key* expires, if it does; 0 if it is not there."""
        now = self._clock()
        row = await self._file.run(_row, TTL, (checked_key(key), now))
        if row is None:
            return 0.0
        return None if row[0] is None else float(row[0] - now)

    async def incr(self, key: str, by: int = 1, *, ttl: float | None = None) -> int:
        """Add *by* to the whole number under *key* and return the sum."""
        now = self._clock()
        expires = self._expiry(ttl, now)
        await self._purge(now)
        return await self._file.run(_add, checked_key(key), by, expires, now)

    async def get_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return the values of those *keys* that exist, all as of one moment."""
        names = checked_keys(keys)
        values = (*names, self._clock())
        rows = await self._file.run(_rows, _for_each(GET_MANY, "?", names), values)
        return {key: decode(key, text) for key, text in rows}

    async def set_many(
        self, values: Mapping[str, Any], *, ttl: float | None = None
    ) -> dict[str, str]:
        """Store all *values* under their keys, or none; return their new versions."""
        texts, now = encode_all(values), self._clock()
        expires = self._expiry(ttl, now)
        if not texts:
            return {}
        rows = [(key, text, new_version(), expires) for key, text in texts.items()]
        sql = _for_each(SET_MANY, "(?, ?, ?, ?)", rows)
        await self._change(now, sql, tuple(chain(*rows)), rows=len(rows))
        return {key: version for key, _, version, _ in rows}

    async def delete_many(self, keys: Sequence[str]) -> int:
        """Remove all of *keys* at once; return how many were there."""
        names, now = checked_keys(keys), self._clock()
        sql = _for_each(DELETE_MANY, "?", names)
        return await self._change(now, sql, (*names, now))

    async def scan(
        self, prefix: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> KeyPage:
        """Return up to *limit* keys that begin with *prefix*, in order."""
        limit, values = (
            checked_limit(limit),
            (scan_start(prefix, cursor), self._clock()),
        )
        return page(await self._file.run(_keys, prefix, limit + 1, values), limit)

    async def aclose(self) -> None:
        """Close the file."""
        await self._file.aclose()
        self._documents.forget()

    def _expiry(self, ttl: float | None, now: float) -> float | None:
        seconds = checked_ttl(ttl, self._ttl)
        return None if seconds is None else now + seconds

    async def _change(
        self, now: float, sql: str, values: tuple[object, ...], *, rows: int = 1
    ) -> int:
        await self._purge(now, rows)
        return await self._file.run(_changed, sql, values)

    async def _purge(self, now: float, rows: int = 1) -> None:
        """Now and then remove some of what has expired."""
        self._rows_until_purge -= rows
        if self._rows_until_purge < 0:
            self._rows_until_purge = WRITES_PER_PURGE
            await self._file.run(_changed, PURGE, (now, MOST_PURGED))


def _row(
    connection: sqlite3.Connection, sql: str, values: tuple[object, ...]
) -> tuple[Any, ...] | None:
    return connection.execute(sql, values).fetchone()  # type: ignore[no-any-return]


def _rows(
    connection: sqlite3.Connection, sql: str, values: tuple[object, ...]
) -> list[tuple[Any, ...]]:
    return connection.execute(sql, values).fetchall()


def _changed(
    connection: sqlite3.Connection, sql: str, values: tuple[object, ...]
) -> int:
    return connection.execute(sql, values).rowcount


def _for_each(sql: str, place: str, values: Sequence[object]) -> str:
    """Return *sql* with a *place* for each of *values*."""
    return sql.format(", ".join([place] * len(values)))


def _keys(
    connection: sqlite3.Connection, prefix: str, most: int, values: tuple[object, ...]
) -> list[str]:
    rows = connection.execute(SCAN, values)
    try:
        found = takewhile(lambda row: row[0].startswith(prefix), rows)
        return [key for (key,) in islice(found, most)]
    finally:
        rows.close()


def _add(
    connection: sqlite3.Connection, key: str, by: int, expires: float | None, now: float
) -> int:
    while True:  # until nobody came in between
        row = _row(connection, GET_ENTRY, (key, now))
        total = checked_sum(key, None if row is None else row[0], by)
        new = (encode(key, total), new_version())
        if row is None:
            stored = _changed(connection, SET_IF_ABSENT, (key, *new, expires, now))
        else:
            values = (*new, key, row[1], now)
            stored = _changed(connection, SET_VALUE_IF_VERSION, values)
        if stored:
            return total
