"""JSON by name, read and changed in parts, over any store of values."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from pegboard.contracts.declare import built_on
from pegboard.contracts.key_value import KeyPage, KeyValue
from pegboard.errors import Conflict, InvalidRequest, NotFound

from .json_path import MISSING, at, keys_of, lines_of, replaced
from .namespace import Namespace

MOST_TRIES = 100
"""How often a change begins anew because others were faster."""


@built_on(KeyValue)
class JsonDatabase:
    r"""
    JSON by name: ``board.storage("notes", JsonDatabase)``.

    *path* names a part: ``users.0.name``; ``\.`` is a dot in a key, and no path is the
    whole. A change reads, changes and writes as one: nothing is lost or half done
    where several do that at once.
    """

    def __init__(self, store: KeyValue, *, namespace: str = "json") -> None:
        self._store = store
        self._names = Namespace(namespace)

    async def read(
        self,
        name: str,
        path: str = "",
        *,
        lines: str | None = None,
        default: Any = None,
    ) -> Any:
        """
        Return what is at *path* of *name*, or *default* if there is nothing.

        With *lines* only those lines of a text, or items of a list: ``1:5,8`` are the
        first five and the eighth.

        Raises:
            InvalidRequest: *lines* names none, or what is there has none.

        """
        whole = await self._store.get(self._names.key(name), MISSING)
        found = at(whole, keys_of(path))
        if found is MISSING:
            return default
        return found if lines is None else lines_of(found, lines)

    async def prompt(
        self, name: str, path: str = "", *, lines: str | None = None
    ) -> str:
        """
        Return what is at *path* of *name* as text for a model: all but text as JSON.

        Raises:
            NotFound: There is nothing.
            InvalidRequest: *lines* names none, or what is there has none.

        """
        found = await self.read(name, path, lines=lines, default=MISSING)
        if found is MISSING:
            at = f" at {path!r} of" if path else " under"
            msg = f"There is nothing{at} {name!r}."
            raise NotFound(msg)
        if isinstance(found, str):
            return found
        return json.dumps(found, ensure_ascii=False, indent=2)

    async def write(self, name: str, value: Any, path: str = "") -> None:
        """
        Store *value* at *path* of *name*; what leads there is made where it is missing.

        Raises:
            InvalidRequest: The path leads into what has no such part, or the value
                cannot be stored.

        """
        await self._change(name, path, lambda _: value)

    async def append(self, name: str, item: Any, path: str = "") -> int:
        """
        Add *item* to the list at *path* of *name*; return how long it is now.

        To a text, the item is added as a line. Where nothing is, a list is begun.

        Raises:
            InvalidRequest: What is there is neither.

        """
        return len(await self._change(name, path, lambda found: _appended(found, item)))

    async def update(
        self, name: str, changes: Mapping[str, Any], path: str = ""
    ) -> dict[str, Any]:
        """
        Set keys of the object at *path* of *name*, which keeps its others; return it.

        Raises:
            InvalidRequest: What is there is no object.

        """
        updated: dict[str, Any] = await self._change(
            name, path, lambda found: {**_object(found), **changes}
        )
        return updated

    async def delete(self, name: str, path: str = "") -> bool:
        """Remove what is at *path* of *name*; return whether anything was."""
        if not path:
            return await self._store.delete(self._names.key(name))
        found: list[Any] = []

        def take(part: Any) -> Any:
            found.append(part)
            return MISSING

        await self._change(name, path, take)
        return found[-1] is not MISSING

    async def scan(self, *, limit: int = 100, cursor: str | None = None) -> KeyPage:
        """Return up to *limit* names in order; pass the page's cursor for the next."""
        return await self._names.scan(self._store, limit=limit, cursor=cursor)

    async def _change(self, name: str, path: str, change: Callable[[Any], Any]) -> Any:
        """Return what is at *path* after *change*."""
        key, keys = self._names.key(name), keys_of(path)
        for _ in range(MOST_TRIES):
            entry = await self._store.get_entry(key)
            old = MISSING if entry is None else entry.value
            found = at(old, keys)
            part = change(found)
            if part is found is MISSING:
                return part
            try:
                await self._store.set(
                    key,
                    replaced(old, keys, part),
                    ttl=math.inf,
                    if_version=None if entry is None else entry.version,
                    if_absent=entry is None,
                )
            except Conflict:
                continue
            return part
        msg = f"Others changed {name!r} in between, {MOST_TRIES} times. Try again."
        raise Conflict(msg)


def _appended(found: Any, item: Any) -> Any:
    if found is MISSING:
        return [item]
    if isinstance(found, list):
        return [*found, item]
    if isinstance(found, str) and isinstance(item, str):
        return found + ("" if found.endswith("\n") or not found else "\n") + item + "\n"
    msg = f"A {type(item).__name__} cannot be appended to a {type(found).__name__}."
    raise InvalidRequest(msg, request_sent="no")


def _object(found: Any) -> dict[str, Any]:
    if found is MISSING:
        return {}
    if isinstance(found, dict):
        return found
    msg = f"A {type(found).__name__} has no keys to set. Use write to replace it."
    raise InvalidRequest(msg, request_sent="no")
