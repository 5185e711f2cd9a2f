"""Values in a file that only grows: each change is one more line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from errno import ENOSPC
from functools import cached_property
from io import FileIO
from math import inf
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

from pegboard import Context, Entry, KeyPage, Options
from pegboard.contracts import key_value as rules
from pegboard.errors import Unavailable
from pydantic import Field


class JournalOptions(Options):
    """What settings may say about a journal."""

    path: Path | None = None
    """The file. Default: one in the data folder, named after the instance."""
    ttl: float | None = Field(default=None, gt=0)
    """Seconds until a value expires, where the call does not say. None is never."""


class _Record(NamedTuple):
    text: str | None
    """The value as JSON; None says that the key was deleted."""
    version: str
    expires: float | None


DELETED = _Record(None, "", None)


class Journal:
    """Values by key, in memory and in a file. Threads may share it, processes not."""

    def __init__(self, options: JournalOptions, context: Context) -> None:
        self._address = context.address
        self._clock = context.clock
        self._ttl = options.ttl
        self._path = options.path or context.data_folder / f"{context.name}.jsonl"
        self._lock = RLock()

    async def get(self, key: str, default: Any = None) -> Any:
        """Return the value of *key*, or *default* if there is none."""
        entry = await self.get_entry(key)
        return default if entry is None else entry.value

    async def get_entry(self, key: str) -> Entry | None:
        """Return the value of *key* with its version, or None if there is none."""
        found = self._find(key)
        return found and Entry(rules.decode(key, found.text or ""), found.version)

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
        rules.checked_condition(if_version, if_absent=if_absent)
        text, expires = rules.encode(key, value), self._expiry(ttl)
        with self._lock:
            if if_version is not None or if_absent:
                self._check(key, if_version, "set")
            return self._write(key, text, expires)

    async def delete(self, key: str, *, if_version: str | None = None) -> bool:
        """Remove *key*; return whether it was there."""
        with self._lock:
            if if_version is not None:
                self._check(key, if_version, "delete")
            existed = self._find(key) is not None
            if existed:
                self._append({key: DELETED})
            return existed

    async def exists(self, key: str) -> bool:
        """Return whether *key* has a value."""
        return self._find(key) is not None

    async def touch(self, key: str, *, ttl: float | None = None) -> bool:
        """Give *key* a new expiry; return whether it exists."""
        expires = self._expiry(ttl)
        with self._lock:
            found = self._find(key)
            if found:
                self._append({key: found._replace(expires=expires)})
            return found is not None

    async def ttl(self, key: str) -> float | None:
        """Return the seconds until *key* expires, if it does; 0 if it is not there."""
        found = self._find(key)
        if found is None:
            return 0.0
        return None if found.expires is None else found.expires - self._clock()

    async def incr(self, key: str, by: int = 1, *, ttl: float | None = None) -> int:
        """Add *by* to the whole number under *key* and return the sum."""
        expires = self._expiry(ttl)
        with self._lock:
            old = self._find(key)
            total = rules.checked_sum(key, old and old.text, by)
            self._write(key, str(total), old.expires if old else expires)
            return total

    async def get_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return the values of those *keys* that exist, all as of one moment."""
        found = self._find_all(rules.checked_keys(keys))
        return {key: rules.decode(key, one.text or "") for key, one in found.items()}

    async def set_many(
        self, values: Mapping[str, Any], *, ttl: float | None = None
    ) -> dict[str, str]:
        """Store all *values* under their keys, or none; return their new versions."""
        texts, expires = rules.encode_all(values), self._expiry(ttl)
        version = rules.new_version
        records = {key: _Record(texts[key], version(), expires) for key in texts}
        self._append(records)
        return {key: record.version for key, record in records.items()}

    async def delete_many(self, keys: Sequence[str]) -> int:
        """Remove all of *keys* at once; return how many were there."""
        names = rules.checked_keys(keys)
        with self._lock:
            found = self._find_all(names)
            self._append(dict.fromkeys(found, DELETED))
        return len(found)

    async def scan(
        self, prefix: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> KeyPage:
        """Return up to *limit* keys that begin with *prefix*, in order."""
        limit, start = rules.checked_limit(limit), rules.scan_start(prefix, cursor)
        with self._lock:
            listed = [k for k in self._records if k >= start and k.startswith(prefix)]
            alive = [key for key in listed if self._find(key)]
        return rules.page(sorted(alive)[: limit + 1], limit)

    async def aclose(self) -> None:
        """Close the file, if it was opened."""
        if "_file" in vars(self):
            self._file.close()

    def _find(self, key: str) -> _Record | None:
        return self._find_all([rules.checked_key(key)]).get(key)

    def _find_all(self, keys: list[str]) -> dict[str, _Record]:
        now = self._clock()
        with self._lock:
            held = {key: self._records[key] for key in keys if key in self._records}
        return {key: one for key, one in held.items() if (one.expires or inf) > now}

    def _check(self, key: str, version: str | None, operation: str) -> None:
        found = self._find(key)
        if (found and found.version) != version:
            raise rules.conflict(self._address, operation, key)

    def _expiry(self, ttl: float | None) -> float | None:
        seconds = rules.checked_ttl(ttl, self._ttl)
        return None if seconds is None else self._clock() + seconds

    def _write(self, key: str, text: str, expires: float | None) -> str:
        record = _Record(text, rules.new_version(), expires)
        self._append({rules.checked_key(key): record})
        return record.version

    def _append(self, records: dict[str, _Record]) -> None:
        with self._lock, self._failures():
            line = _line(records)
            if self._file.write(line) < len(line):
                raise OSError(ENOSPC, "the disk is full")
            _apply(self._records, records)

    @cached_property
    def _file(self) -> FileIO:
        """The file, begun anew without what no longer counts."""
        lines = [_line({key: record}) for key, record in self._records.items()]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(f"{self._path.name}.new")
        fresh.write_bytes(b"".join(lines))
        fresh.replace(self._path)
        return self._path.open("ab", buffering=0)

    @cached_property
    def _records(self) -> dict[str, _Record]:
        records: dict[str, _Record] = {}
        with self._failures():
            text = self._path.read_text("utf-8") if self._path.exists() else ""
        for line in text.splitlines():
            with suppress(ValueError):  # torn by a crash, so nobody was told of it
                changed = json.loads(line).items()
                _apply(records, {key: _Record(*fields) for key, fields in changed})
        return records

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            msg = f"{self._path} cannot be used: {error.strerror}."
            raise Unavailable(msg) from error


def _line(records: dict[str, _Record]) -> bytes:
    """Return the line for what changes as one: if it is torn, none of it counts."""
    # The end of a line comes first: a line torn by a crash spoils no other.
    return f"\n{json.dumps(records)}".encode()


def _apply(records: dict[str, _Record], changed: dict[str, _Record]) -> None:
    records.update(changed)
    for key in [key for key in changed if changed[key].text is None]:
        del records[key]
