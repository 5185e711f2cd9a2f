"""The way to documents that may answer a question: by an index, or key by key."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from ._document_item import Held
from ._index_bounds import LOWEST, bounds_of
from ._item import Place, upper

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from pegboard import IndexedField, StoredDocument
    from pegboard.contracts.document_search import Search

    from ._document_item import Home
    from ._table import Table

MOST_AT_ONCE = 100


def found_by(
    search: Search, home: Home, table: Table
) -> AsyncGenerator[StoredDocument, None]:
    """
    Yield documents among which are all that *search* asks for, in its order.

    What a field is equal to leads to documents in the order of their keys. A range
    does not: where no field gives the order, all that it leads to is sorted first.
    """
    if search.order_by is not None:
        return _Walk(search, home, table, search.order_by).documents()
    if not search.conditions:
        return _by_key(search, home, table)
    best = min(search.conditions, key=lambda condition: condition.operator != "=")
    walk = _Walk(search, home, table, best.index)
    return walk.documents() if best.operator == "=" else walk.sorted_documents()


async def _by_key(
    search: Search, home: Home, table: Table
) -> AsyncGenerator[StoredDocument, None]:
    first, last = LOWEST, upper("")
    if search.after is not None:
        key = search.after.key
        first, last = (first, key) if search.descending else (key, last)
    items = table.items(
        home.documents,
        (first, last),
        backwards=search.descending,
        limit=search.limit + 2,  # the last one of the page before, and the next one
    )
    async with aclosing(items) as found:
        async for item in found:
            yield Held.of(item).document


class _Walk:
    """A walk along one index."""

    def __init__(
        self, search: Search, home: Home, table: Table, index: IndexedField
    ) -> None:
        self._search = search
        self._home = home
        self._table = table
        self._index = index

    async def documents(self) -> AsyncGenerator[StoredDocument, None]:
        """Yield documents as the index has them."""
        most = min(self._search.limit + 2, MOST_AT_ONCE)
        waiting: list[Place] = []
        async with aclosing(self._entries(most)) as entries:
            async for entry in entries:
                waiting.append(entry)
                if len(waiting) == most:
                    for document in await self._read(waiting):
                        yield document
                    waiting.clear()
        for document in await self._read(waiting):
            yield document

    async def sorted_documents(self) -> AsyncGenerator[StoredDocument, None]:
        """Yield documents by their keys, wherever the index has them."""
        async with aclosing(self._entries(None)) as entries:
            found = [entry async for entry in entries if self._is_later(entry)]
        found.sort(key=_key, reverse=self._search.descending)
        for begin in range(0, len(found), MOST_AT_ONCE):
            for document in await self._read(found[begin : begin + MOST_AT_ONCE]):
                yield document

    async def _entries(self, limit: int | None) -> AsyncGenerator[Place, None]:
        partition = self._home.index(self._index)
        bounds = bounds_of(self._search, self._index)
        backwards = self._search.descending
        items = self._table.items(partition, bounds, backwards=backwards, limit=limit)
        async with aclosing(items) as found:
            async for item in found:
                yield Place(partition, item["sk"]["S"])

    async def _read(self, entries: Sequence[Place]) -> list[StoredDocument]:
        """Return the documents that *entries* lead to, but for those that moved."""
        places = [self._home.document(_key(entry)) for entry in entries]
        items = await self._table.fetch(places)
        pairs = zip(entries, places, strict=True)
        read = [(entry, Held.of(items[at])) for entry, at in pairs if at in items]
        return [
            held.document
            for entry, held in read
            if held.entry(self._home, self._index) == entry
        ]

    def _is_later(self, entry: Place) -> bool:
        after = self._search.after
        if after is None:
            return True
        key = _key(entry)
        return key < after.key if self._search.descending else key > after.key


def _key(entry: Place) -> str:
    """Return the key of the document that *entry* leads to."""
    return entry.key.partition("\0")[2]
