"""Files that are carried from one storage to another."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from functools import partial
from typing import NamedTuple

from pegboard._gather import gather
from pegboard.contracts.files import MOST_ENTRIES, FileEntry, Files
from pegboard.errors import NotFound

from .carrying import Item, Items

AT_ONCE = 8
FOLDER = "a folder"


class Origin(NamedTuple):
    """Where a file or a folder comes from."""

    store: Files
    entry: FileEntry


class CarriedFiles:
    """The files of *store* whose paths begin with *prefix*, and the folders."""

    def __init__(self, store: Files, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    async def pages(self) -> AsyncGenerator[Items, None]:
        """Yield all of them, some at a time, a folder before what is in it."""
        some: list[str] = []
        async for entry in self._below(""):
            some.append(entry.path)
            if len(some) == AT_ONCE:
                yield await self.find(some)
                some = []
        if some:
            yield await self.find(some)

    async def count(self) -> int:
        """Return how many there are."""
        return len([entry async for entry in self._below("")])

    async def find(self, names: Iterable[str]) -> Items:
        """Return what is known of those with these *names* that exist."""
        outcomes = await gather(self._item, names, at_once=AT_ONCE)
        found = {outcome.item: outcome.result for outcome in outcomes}
        return {path: item for path, item in found.items() if item is not None}

    async def read(self, names: Iterable[str]) -> Items:
        """Return the same: to know a file is to have read it."""
        return await self.find(names)

    async def store(self, items: Items, there: Items) -> None:
        """Store *items*; what was *there* before is to be replaced."""
        for path, item in items.items():
            is_folder = item.parts == (FOLDER,)
            if path in there and (there[path].parts == (FOLDER,)) != is_folder:
                await self._store.remove_all(path)
            if is_folder:
                await self._store.mkdir(path)
        files = [one for one in items.values() if one.parts != (FOLDER,)]
        for outcome in await gather(self._write, files, at_once=AT_ONCE):
            outcome.result  # noqa: B018 - raises what went wrong

    async def _write(self, item: Item) -> None:
        origin: Origin = item.content
        async with aclosing(origin.store.stream(origin.entry.path)) as content:
            await self._store.write(origin.entry.path, content)

    async def _item(self, path: str) -> Item | None:
        entry = await self._store.stat(path)
        if entry is None:
            return None
        told = partial(Item, content=Origin(self._store, entry))
        if entry.is_folder:
            return told((FOLDER,))
        try:
            return told((await self._digest(path),))
        except NotFound:  # it was removed meanwhile
            return None

    async def _digest(self, path: str) -> str:
        digest = hashlib.sha256()
        async with aclosing(self._store.stream(path)) as pieces:
            async for piece in pieces:
                digest.update(piece)
        return digest.hexdigest()

    async def _below(self, folder: str) -> AsyncGenerator[FileEntry, None]:
        """Yield what is in *folder*, however deep."""
        for entry in await self._entries(folder):
            if entry.path.startswith(self._prefix):
                yield entry
            leads_there = self._prefix.startswith(f"{entry.path}/")
            if entry.is_folder and (leads_there or entry.path.startswith(self._prefix)):
                async for below in self._below(entry.path):
                    yield below

    async def _entries(self, folder: str) -> list[FileEntry]:
        page = await self._store.list(folder, limit=MOST_ENTRIES)
        found = [*page.entries]
        while page.cursor is not None:
            page = await self._store.list(
                folder, limit=MOST_ENTRIES, cursor=page.cursor
            )
            found += page.entries
        return found
