"""A part of a store, which is used like a store of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pegboard.contracts.key_value import (
    Entry,
    KeyPage,
    KeyValue,
    checked_key,
    checked_keys,
    checked_values,
)

from .namespace import Namespace


class Namespaced:
    """
    The keys of *store* that begin with *name* and a colon, without that.

    It is a ``KeyValue``. Programs that use a store under different names do not see
    each other's keys, and cannot change them.
    """

    def __init__(self, store: KeyValue, name: str) -> None:
        self._store = store
        self._prefix = Namespace(name).prefix

    async def get(self, key: str, default: Any = None) -> Any:
        """Return the value of *key*, or *default* if there is none."""
        return await self._store.get(self._inner(key), default)

    async def get_entry(self, key: str) -> Entry | None:
        """Return the value of *key* with its version, or None if there is none."""
        return await self._store.get_entry(self._inner(key))

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
        return await self._store.set(
            self._inner(key), value, ttl=ttl, if_version=if_version, if_absent=if_absent
        )

    async def delete(self, key: str, *, if_version: str | None = None) -> bool:
        """Remove *key*; return whether it was there."""
        return await self._store.delete(self._inner(key), if_version=if_version)

    async def exists(self, key: str) -> bool:
        """Return whether *key* has a value."""
        return await self._store.exists(self._inner(key))

    async def touch(self, key: str, *, ttl: float | None = None) -> bool:
        """Give *key* a new expiry; return whether it exists."""
        return await self._store.touch(self._inner(key), ttl=ttl)

    async def ttl(self, key: str) -> float | None:
        """Return the seconds until *key* expires, if it does; 0 if it is not there."""
        return await self._store.ttl(self._inner(key))

    async def incr(self, key: str, by: int = 1, *, ttl: float | None = None) -> int:
        """Add *by* to the whole number under *key* and return the sum."""
        return await self._store.incr(self._inner(key), by, ttl=ttl)

    async def get_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return the values of those *keys* that exist, all as of one moment."""
        inner = [self._inner(key) for key in checked_keys(keys)]
        found = await self._store.get_many(inner)
        return {self._outer(key): value for key, value in found.items()}

    async def set_many(
        self, values: Mapping[str, Any], *, ttl: float | None = None
    ) -> dict[str, str]:
        """Store all *values* under their keys, or none; return their new versions."""
        inner = {self._inner(key): values[key] for key in checked_values(values)}
        versions = await self._store.set_many(inner, ttl=ttl)
        return {self._outer(key): version for key, version in versions.items()}

    async def delete_many(self, keys: Sequence[str]) -> int:
        """Remove all of *keys* at once; return how many were there."""
        inner = [self._inner(key) for key in checked_keys(keys)]
        return await self._store.delete_many(inner)

    async def scan(
        self, prefix: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> KeyPage:
        """Return up to *limit* keys that begin with *prefix*, in order."""
        inner = self._prefix + prefix
        page = await self._store.scan(inner, limit=limit, cursor=cursor)
        return KeyPage(tuple(map(self._outer, page.keys)), page.cursor)

    def _inner(self, key: str) -> str:
        return self._prefix + checked_key(key)

    def _outer(self, key: str) -> str:
        return key.removeprefix(self._prefix)
