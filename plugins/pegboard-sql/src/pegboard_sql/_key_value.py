"""Values by key, in a table."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

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

from ._errors import KNOWN, before_sending, too_late
from ._lane import Lane, Row
from ._statements import (
    LONGEST_COUNTER,
    Statements,
    create,
    make_table,
    restored,
    stop_of,
    stored,
    table_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pegboard import Context
    from sqlalchemy.ext.asyncio import AsyncEngine

    from ._pools import Pools
    from .options import SqlOptions

WRITES_PER_PURGE, MOST_PURGED = 64, 256
"""Fewer rows than this one can expire between two purges, though many come at once."""


class SqlKeyValue:
    """
    Values by key in a table of a database.

    Each change is one statement that holds its own condition, so that nobody else can
    come in between.
    """

    def __init__(self, pools: Pools, options: SqlOptions, context: Context) -> None:
        self._pools = pools
        self._address = context.address
        self._clock = context.clock
        self._ttl = options.ttl
        self._timeout = options.timeout
        self._lane = Lane(context.address, options.timeout)
        self._table = make_table(options.table or table_of(context.name))
        self._rows_until_purge = 0
        self._statements: Statements | None = None

    async def get(self, key: str, default: Any = None) -> Any:
        """Return the value of *key*, or *default* if there is none."""
        rows = await self._read("get", {"key": stored(checked_key(key))})
        return decode(key, rows[0][0]) if rows else default

    async def get_entry(self, key: str) -> Entry | None:
        """Return the value of *key* with its version, or None if there is none."""
        rows = await self._read("get", {"key": stored(checked_key(key))})
        return Entry(decode(key, rows[0][0]), rows[0][1]) if rows else None

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
        values = {
            "key": stored(key),
            "value": text,
            "version": version,
            "expires": self._expiry(ttl),
        }
        if if_version is not None:
            values["if_version"] = _plain(if_version)
        name = "set_if_version" if if_version is not None else "set"
        if not await self._change("set_if_absent" if if_absent else name, values):
            raise conflict(self._address, "set", key)
        return version

    async def delete(self, key: str, *, if_version: str | None = None) -> bool:
        """Remove *key*; return whether it was there."""
        values = {"key": stored(checked_key(key))}
        if if_version is None:
            return bool(await self._change("delete", values))
        values["if_version"] = _plain(if_version)
        if not await self._change("delete_if_version", values):
            raise conflict(self._address, "delete", key)
        return True

    async def exists(self, key: str) -> bool:
        """Return whether *key* has a value."""
        return bool(await self._read("exists", {"key": stored(checked_key(key))}))

    async def touch(self, key: str, *, ttl: float | None = None) -> bool:
        """Give *key* a new expiry; return whether it exists."""
        values = {"key": stored(checked_key(key)), "expires": self._expiry(ttl)}
        return bool(await self._change("touch", values))

    async def ttl(self, key: str) -> float | None:
        """Return the seconds until *key* expires, if it does; 0 if it is not there."""
        now = self._clock()
        rows = await self._read("ttl", {"key": stored(checked_key(key))})
        if not rows:
            return 0.0
        (expires,) = rows[0]
        return None if expires is None else float(expires - now)

    async def incr(self, key: str, by: int = 1, *, ttl: float | None = None) -> int:
        """Add *by* to the whole number under *key* and return the sum."""
        values = {"key": stored(checked_key(key)), "expires": self._expiry(ttl)}
        text = str(checked_sum(key, None, by))
        if len(text) <= LONGEST_COUNTER:
            new = {"value": text, "version": new_version()}
            rows = await self._change("add", values | new)
            if rows:
                return int(rows[0][0])
        return await self._add_in_steps(key, by, values)

    async def get_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return the values of those *keys* that exist, all as of one moment."""
        rows = await self._read("get_many", {"keys": _keys(keys)})
        found = [(restored(name), text) for name, text in rows]
        return {key: decode(key, text) for key, text in found}

    async def set_many(
        self, values: Mapping[str, Any], *, ttl: float | None = None
    ) -> dict[str, str]:
        """Store all *values* under their keys, or none; return their new versions."""
        rows = [
            {"key": stored(key), "value": text, "version": new_version()}
            for key, text in encode_all(values).items()
        ]
        new = {"rows": json.dumps(rows), "expires": self._expiry(ttl)}
        await self._change("set_many", new, rows=len(rows))
        return {restored(row["key"]): row["version"] for row in rows}

    async def delete_many(self, keys: Sequence[str]) -> int:
        """Remove all of *keys* at once; return how many were there."""
        return len(await self._change("delete_many", {"keys": _keys(keys)}))

    async def scan(
        self, prefix: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> KeyPage:
        """Return up to *limit* keys that begin with *prefix*, in order."""
        limit = checked_limit(limit)
        start, stop = scan_start(prefix, cursor), stop_of(prefix)
        values = {"start": stored(start), "most": limit + 1}
        if stop is not None:
            values["stop"] = stored(stop)
        rows = await self._read("scan" if stop is None else "scan_to", values)
        return page([restored(key) for (key,) in rows], limit)

    async def _add_in_steps(self, key: str, by: int, values: dict[str, Any]) -> int:
        """Add where the database cannot: to what is no number, or nearly too big."""
        while True:  # until nobody came in between
            rows = await self._read("get", {"key": values["key"]})
            total = checked_sum(key, rows[0][0] if rows else None, by)
            new = {**values, "value": str(total), "version": new_version()}
            if not rows:
                added = await self._change("set_if_absent", new)
            else:
                del new["expires"]
                new["if_version"] = rows[0][1]
                added = await self._change("set_value", new)
            if added:
                return total

    def _expiry(self, ttl: float | None) -> float | None:
        seconds = checked_ttl(ttl, self._ttl)
        return None if seconds is None else self._clock() + seconds

    async def _read(self, name: str, values: dict[str, Any]) -> list[Row]:
        return await self._run(name, values, again=True)

    async def _change(
        self, name: str, values: dict[str, Any], *, rows: int = 1
    ) -> list[Row]:
        self._rows_until_purge -= rows
        if self._rows_until_purge < 0:  # remove some of what expired
            self._rows_until_purge = WRITES_PER_PURGE
            await self._run("purge", {"most": MOST_PURGED})
        return await self._run(name, values)

    async def _run(
        self, name: str, values: dict[str, Any], *, again: bool = False
    ) -> list[Row]:
        group = await self._pools.group()
        if self._statements is None:
            self._statements = await self._prepared(group.primary)
        statement = getattr(self._statements, name)
        values["now"] = self._clock()
        return await self._lane.rows(group.loans, statement, values, again=again)

    async def _prepared(self, engine: AsyncEngine) -> Statements:
        """Return the statements, for a table that is there."""
        try:
            async with asyncio.timeout(self._timeout), engine.begin() as connection:
                await connection.run_sync(create, self._table)
        except TimeoutError as error:
            raise too_late(self._timeout, self._address) from error
        except KNOWN as error:
            raise before_sending(error, self._address) from error
        return Statements.of(self._table, engine.dialect)


def _keys(keys: Sequence[str]) -> str:
    return json.dumps([stored(key) for key in checked_keys(keys)])


def _plain(version: str) -> str:
    """Return *version* without what no version has and PostgreSQL refuses."""
    return version.replace("\x00", "?")
