"""Values by key on a Redis or Valkey server."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

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

from ._client import Client
from ._documents import RedisDocuments
from ._scripts import (
    ABSENT,
    ADD,
    ANY,
    DELETE,
    DELETE_MANY,
    EQUAL,
    EXACT,
    KEEP,
    LONGEST_TTL,
    MOST_LOOKED_AT,
    NEVER,
    SCAN,
    SET,
    SET_MANY,
    TOUCH,
    VERSION_LENGTH,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pegboard import Context

    from ._connection import Part
    from .options import RedisOptions

# No text encodes to this byte, so no key is named like the two sorted sets, and none
# comes behind it in their order.
BEYOND = b"\xff"
NO_KEY, NO_END = -2, -1
"""What the server answers instead of the time that a key has left."""


class RedisKeyValue:
    """
    Values by key on a Redis or Valkey server.

    Each change is one script, so that nobody comes in between. Expiry is by the
    server's clock.
    """

    def __init__(self, options: RedisOptions, context: Context) -> None:
        self._address = context.address
        self._ttl = options.ttl
        default = f"pegboard:{quote(context.name, '')}:"
        self._prefix = default if options.prefix is None else options.prefix
        named = self._prefix.encode() + BEYOND
        self._index: tuple[Part, Part] = (named + b"order", named + b"expiry")
        self._client = Client(options, context)
        documents = RedisDocuments(self._client, named, context.address)
        self.parts = dict.fromkeys(("DocumentCollections", "DocumentStore"), documents)

    async def ping(self) -> None:
        """Have the server answer."""
        await self._client.call("PING")

    async def get(self, key: str, default: Any = None) -> Any:
        """Return the value of *key*, or *default* if there is none."""
        text = await self._client.call("GET", self._prefix + checked_key(key))
        return default if text is None else decode(key, text[VERSION_LENGTH:])

    async def get_entry(self, key: str) -> Entry | None:
        """Return the value of *key* with its version, or None if there is none."""
        found = await self._stored(checked_key(key))
        return None if found is None else Entry(decode(key, found[0]), found[1])

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
        condition = ABSENT if if_absent else _equal(if_version)
        milliseconds = self._milliseconds(ttl)
        if not await self._store(key, version + text, milliseconds, condition):
            raise conflict(self._address, "set", key)
        return version

    async def delete(self, key: str, *, if_version: str | None = None) -> bool:
        """Remove *key*; return whether it was there."""
        keys = self._keys(checked_key(key))
        deleted: int = await self._client.run(DELETE, keys, key, _equal(if_version))
        if deleted < 0:
            raise conflict(self._address, "delete", key)
        return deleted > 0

    async def exists(self, key: str) -> bool:
        """Return whether *key* has a value."""
        found = await self._client.call("EXISTS", self._prefix + checked_key(key))
        return bool(found)

    async def touch(self, key: str, *, ttl: float | None = None) -> bool:
        """Give *key* a new expiry; return whether it exists."""
        milliseconds = self._milliseconds(ttl)
        keys = self._keys(checked_key(key))
        return bool(await self._client.run(TOUCH, keys, key, milliseconds))

    async def ttl(self, key: str) -> float | None:
        """Return the seconds until *key* expires, if it does; 0 if it is not there."""
        left: int = await self._client.call("PTTL", self._prefix + checked_key(key))
        if left == NO_KEY:
            return 0.0
        return None if left == NO_END else max(left, 1) / 1000

    async def incr(self, key: str, by: int = 1, *, ttl: float | None = None) -> int:
        """Add *by* to the whole number under *key* and return the sum."""
        milliseconds = self._milliseconds(ttl)
        keys = self._keys(checked_key(key))
        if _is_exact(by):
            version = new_version()
            values = (key, int(by), version, milliseconds)
            total = await self._client.run(ADD, keys, *values)
            if total is not None:
                return int(total)
        return await self._add_by_version(key, by, milliseconds)

    async def get_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return the values of those *keys* that exist, all as of one moment."""
        names = checked_keys(keys)
        if not names:
            return {}
        texts = await self._client.call("MGET", *self._values(names))
        return {
            key: decode(key, text[VERSION_LENGTH:])
            for key, text in zip(names, texts, strict=True)
            if text is not None
        }

    async def set_many(
        self, values: Mapping[str, Any], *, ttl: float | None = None
    ) -> dict[str, str]:
        """Store all *values* under their keys, or none; return their new versions."""
        texts, milliseconds = encode_all(values), self._milliseconds(ttl)
        if not texts:
            return {}
        versions = {key: new_version() for key in texts}
        stored = [(key, versions[key] + text) for key, text in texts.items()]
        keys = (*self._index, *self._values(texts))
        await self._client.run(SET_MANY, keys, milliseconds, *chain(*stored))
        return versions

    async def delete_many(self, keys: Sequence[str]) -> int:
        """Remove all of *keys* at once; return how many were there."""
        names = checked_keys(keys)
        if not names:
            return 0
        parts = (*self._index, *self._values(names))
        deleted: int = await self._client.run(DELETE_MANY, parts, *names)
        return deleted

    async def scan(
        self, prefix: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> KeyPage:
        """Return up to *limit* keys that begin with *prefix*, in order."""
        limit, start = checked_limit(limit), scan_start(prefix, cursor)
        low: Part = f"[{start}"
        high = b"(" + prefix.encode() + BEYOND
        found: list[str] = []
        while low and len(found) <= limit:
            bounds = (low, high, limit + 1 - len(found), MOST_LOOKED_AT)
            keys, last = await self._client.run(SCAN, self._keys(""), "", *bounds)
            found += keys
            low = last and f"({last}"
        return page(found, limit)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _keys(self, key: str) -> tuple[Part, ...]:
        return (self._prefix + key, *self._index)

    def _values(self, keys: Iterable[str]) -> list[Part]:
        return [self._prefix + key for key in keys]

    def _milliseconds(self, ttl: float | None) -> Part:
        seconds = checked_ttl(ttl, self._ttl)
        if seconds is None:
            return NEVER
        return math.ceil(min(seconds * 1000, LONGEST_TTL))

    async def _stored(self, key: str) -> tuple[str, str] | None:
        """Return the JSON text under *key* and its version."""
        text: str | None = await self._client.call("GET", self._prefix + key)
        if text is None:
            return None
        return text[VERSION_LENGTH:], text[:VERSION_LENGTH]

    async def _store(self, key: str, text: str, ttl: Part, condition: Part) -> bool:
        keys = self._keys(key)
        return bool(await self._client.run(SET, keys, key, text, ttl, condition))

    async def _add_by_version(self, key: str, by: int, ttl: Part) -> int:
        """Add numbers that are too big for a script, until nobody comes in between."""
        while True:
            found = await self._stored(key)
            total = checked_sum(key, None if found is None else found[0], by)
            text = new_version() + encode(key, total)
            condition = _equal(found[1]) if found else ABSENT
            if await self._store(key, text, KEEP if found else ttl, condition):
                return total


def _is_exact(by: object) -> bool:
    return isinstance(by, int) and abs(by) < EXACT


def _equal(version: str | None) -> Part:
    # Whatever is no version must not be equal; none has a "?" in it.
    return ANY if version is None else f"{EQUAL}{version}".encode(errors="replace")
