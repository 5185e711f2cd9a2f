"""Values of one type by key, over any store of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic

from typing_extensions import TypeForm

from pegboard.contracts.declare import built_on
from pegboard.contracts.key_value import Entry, KeyPage, KeyValue, checked_values

from .codec import Codec, Value


@built_on(KeyValue)
class Values(Generic[Value]):
    """
    Values of one type: ``board.storage("users", Values[User])``.

    The type is a pydantic model, ``bytes``, or whatever else pydantic makes JSON of.
    Keys are those of the store: who uses it as ``KeyValue`` finds the JSON there.
    Times to live, versions and many at once are as there, too.
    """

    def __init__(self, store: KeyValue, kind: TypeForm[Value]) -> None:
        self._store = store
        self._codec = Codec(kind)

    async def get(self, key: str) -> Value | None:
        """
        Return the value of *key*, or None if there is none.

        Raises:
            InvalidReply: What is stored there is not of the type.

        """
        entry = await self.get_entry(key)
        return None if entry is None else entry.value

    async def get_entry(self, key: str) -> Entry[Value] | None:
        """Return the value of *key* with its version, or None if there is none."""
        found = await self._store.get_entry(key)
        return found and Entry(self._codec.decode(key, found.value), found.version)

    async def set(
        self,
        key: str,
        value: Value,
        *,
        ttl: float | None = None,
        if_version: str | None = None,
        if_absent: bool = False,
    ) -> str:
        """
        Store *value* under *key* and return its new version.

        Raises:
            Conflict: The condition does not hold; nothing was changed.
            InvalidRequest: The key, the value or the ttl cannot be stored.

        """
        return await self._store.set(
            key,
            self._codec.encode(key, value),
            ttl=ttl,
            if_version=if_version,
            if_absent=if_absent,
        )

    async def delete(self, key: str, *, if_version: str | None = None) -> bool:
        """Remove *key*; return whether it was there."""
        return await self._store.delete(key, if_version=if_version)

    async def exists(self, key: str) -> bool:
        """Return whether *key* has a value."""
        return await self._store.exists(key)

    async def touch(self, key: str, *, ttl: float | None = None) -> bool:
        """Give *key* a new expiry, its version unchanged; return whether it exists."""
        return await self._store.touch(key, ttl=ttl)

    async def ttl(self, key: str) -> float | None:
        """Return the seconds until *key* expires: None is never, 0 that it is gone."""
        return await self._store.ttl(key)

    async def get_many(self, keys: Sequence[str]) -> dict[str, Value]:
        """Return the values of those *keys* that exist, all as of one moment."""
        found = await self._store.get_many(keys)
        return {key: self._codec.decode(key, value) for key, value in found.items()}

    async def set_many(
        self, values: Mapping[str, Value], *, ttl: float | None = None
    ) -> dict[str, str]:
        """Store all *values* under their keys, or none; return their new versions."""
        known = checked_values(values)
        encoded = {key: self._codec.encode(key, known[key]) for key in known}
        return await self._store.set_many(encoded, ttl=ttl)

    async def delete_many(self, keys: Sequence[str]) -> int:
        """Remove all of *keys* at once; return how many were there."""
        return await self._store.delete_many(keys)

    async def scan(
        self, prefix: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> KeyPage:
        """Return up to *limit* keys that begin with *prefix*, in order."""
        return await self._store.scan(prefix, limit=limit, cursor=cursor)
