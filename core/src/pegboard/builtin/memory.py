"""Values, blobs, files and documents in the memory of this process."""

from __future__ import annotations

import heapq
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field

from pegboard.contracts.file_guards import FileGuards, checked_extension
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

from ._memory_documents import MemoryDocuments
from .memory_blobs import MemoryBlobs
from .memory_files import MemoryFiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pegboard.descriptors import Context

Extension = Annotated[str, AfterValidator(checked_extension)]
FEWEST_WRITES_BETWEEN_SWEEPS = 64


class MemoryOptions(Options):
    """Values, blobs and files in memory; they are gone when the process ends."""

    ttl: float | None = Field(default=None, gt=0)
    """Seconds until a value expires, where the call does not say. None is never."""
    keep_versions: int = Field(default=0, ge=0)
    """How many replaced versions of each blob can still be read."""
    extensions: frozenset[Extension] | None = None
    """How names of files may end, such as ``.txt``. None is any way. Not for blobs."""
    max_size: int | None = Field(default=None, gt=0)
    """Bytes that a file may be written with. None is as many as fit. Not for blobs."""


class _Item(NamedTuple):
    text: str
    version: str
    expires: float | None


class MemoryKeyValue:
    """
    Values by key in the memory of this process.

    They are kept as JSON, so that what is read is always a copy. Threads may share
    it: whatever reads and then writes holds the lock. Its blobs are a part of it.
    """

    def __init__(self, options: MemoryOptions, context: Context) -> None:
        self._address = context.address
        self._clock = context.clock
        self._ttl = options.ttl
        self._items: dict[str, _Item] = {}
        self._lock = Lock()
        self._writes_until_sweep = FEWEST_WRITES_BETWEEN_SWEEPS
        blobs = MemoryBlobs(context, keep_versions=options.keep_versions)
        documents = MemoryDocuments(context.address)
        self.parts = {
            "Blobs": blobs,
            "VersionedBlobs": blobs,
            "DocumentStore": documents,
            "DocumentCollections": documents,
            "Files": MemoryFiles(
                FileGuards(options.extensions, options.max_size), context
            ),
        }

    async def ping(self) -> None:
        """Do nothing: what is in this process can be reached."""

    async def get(self, key: str, default: Any = None) -> Any:
        """Return the value of *key*, or *default* if there is none."""
        item = self._find(checked_key(key))
        return default if item is None else decode(key, item.text)

    async def get_entry(self, key: str) -> Entry | None:
        """Return the value of *key* with its version, or None if there is none."""
        item = self._find(checked_key(key))
        return None if item is None else Entry(decode(key, item.text), item.version)

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
        item = self._new(encode(checked_key(key), value), ttl)
        with self._lock:
            if if_version is not None or if_absent:
                self._check(key, if_version, "set")
            self._store(key, item)
        return item.version

    async def delete(self, key: str, *, if_version: str | None = None) -> bool:
        """Remove *key*; return whether it was there."""
        with self._lock:
            if if_version is not None:
                self._check(checked_key(key), if_version, "delete")
            existed = self._find(checked_key(key)) is not None
            self._items.pop(key, None)
        return existed

    async def exists(self, key: str) -> bool:
        """Return whether *key* has a value."""
        return self._find(checked_key(key)) is not None

    async def touch(self, key: str, *, ttl: float | None = None) -> bool:
        """Give *key* a new expiry; return whether it exists."""
        expires = self._expiry(ttl)
        with self._lock:
            item = self._find(checked_key(key))
            if item is not None:
                self._items[key] = item._replace(expires=expires)
        return item is not None

    async def ttl(self, key: str) -> float | None:
        """Return the seconds until *key* expires, if it does; 0 if it is not there."""
        now = self._clock()
        item = self._items.get(checked_key(key))
        if item is None or not _is_alive(item, now):
            return 0.0
        return None if item.expires is None else item.expires - now

    async def incr(self, key: str, by: int = 1, *, ttl: float | None = None) -> int:
        """Add *by* to the whole number under *key* and return the sum."""
        new = self._new("", ttl)
        with self._lock:
            old = self._find(checked_key(key))
            total = checked_sum(key, old and old.text, by)
            expires = new.expires if old is None else old.expires
            self._store(key, new._replace(text=encode(key, total), expires=expires))
        return total

    async def get_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return the values of those *keys* that exist, all as of one moment."""
        names = checked_keys(keys)
        with self._lock:
            found = self._alive(names)
        return {key: decode(key, item.text) for key, item in found.items()}

    async def set_many(
        self, values: Mapping[str, Any], *, ttl: float | None = None
    ) -> dict[str, str]:
        """Store all *values* under their keys, or none; return their new versions."""
        texts, expires = encode_all(values), self._expiry(ttl)
        items = {key: _Item(texts[key], new_version(), expires) for key in texts}
        with self._lock:
            for key, item in items.items():
                self._store(key, item)
        return {key: item.version for key, item in items.items()}

    async def delete_many(self, keys: Sequence[str]) -> int:
        """Remove all of *keys* at once; return how many were there."""
        names = checked_keys(keys)
        with self._lock:
            found = self._alive(names)
            for key in names:
                self._items.pop(key, None)
        return len(found)

    async def scan(
        self, prefix: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> KeyPage:
        """Return up to *limit* keys that begin with *prefix*, in order."""
        limit, start, now = (
            checked_limit(limit),
            scan_start(prefix, cursor),
            self._clock(),
        )
        with self._lock:
            found = [
                key
                for key, item in self._items.items()
                if key >= start and key.startswith(prefix) and _is_alive(item, now)
            ]
        return page(heapq.nsmallest(limit + 1, found), limit)

    def _find(self, key: str) -> _Item | None:
        item = self._items.get(key)
        return item if item is not None and _is_alive(item, self._clock()) else None

    def _alive(self, keys: list[str]) -> dict[str, _Item]:
        now, items = self._clock(), self._items
        held = {key: items[key] for key in keys if key in items}
        return {key: item for key, item in held.items() if _is_alive(item, now)}

    def _check(self, key: str, version: str | None, operation: str) -> None:
        item = self._find(key)
        if (item and item.version) != version:
            raise conflict(self._address, operation, key)

    def _new(self, text: str, ttl: float | None) -> _Item:
        return _Item(text, new_version(), self._expiry(ttl))

    def _expiry(self, ttl: float | None) -> float | None:
        seconds = checked_ttl(ttl, self._ttl)
        return None if seconds is None else self._clock() + seconds

    def _store(self, key: str, item: _Item) -> None:
        self._items[key] = item
        self._writes_until_sweep -= 1
        if self._writes_until_sweep <= 0:
            self._sweep()

    def _sweep(self) -> None:
        """Drop what has expired; so rarely that a write costs the same however many."""
        now = self._clock()
        alive = {key: item for key, item in self._items.items() if _is_alive(item, now)}
        self._items = alive
        self._writes_until_sweep = max(len(alive), FEWEST_WRITES_BETWEEN_SWEEPS)


def _is_alive(item: _Item, now: float) -> bool:
    return item.expires is None or item.expires > now
