"""Which collections there are."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING
from urllib.parse import quote

from ._document_item import Home
from ._index_bounds import LOWEST
from ._item import checked_place, upper

if TYPE_CHECKING:
    from ._table import Table


class Collections:
    """
    The names of collections, each an item.

    A name is noted before the first document is stored, and stays when the last one
    is deleted: which of them have documents is looked up when they are listed.
    """

    def __init__(self, table: Table, prefix: str) -> None:
        self._table = table
        self._prefix = prefix
        self._partition = f"{quote(prefix, '')}/collections"
        self._noted: set[str] = set()

    async def note(self, name: str) -> None:
        """See to it that the collection *name* is known."""
        if name not in self._noted:
            await self._table.put(checked_place(self._partition, name).names)
            self._noted.add(name)

    async def names(self) -> list[str]:
        """Return the names of those that have documents, in order."""
        found = self._table.items(self._partition, (LOWEST, upper("")))
        async with aclosing(found) as items:
            known = [item["sk"]["S"] async for item in items]
        return [name for name in known if await self._has_documents(name)]

    async def _has_documents(self, name: str) -> bool:
        partition = Home(self._prefix, name).documents
        found = self._table.items(partition, (LOWEST, upper("")), limit=1)
        async with aclosing(found) as items:
            async for _ in items:
                return True
        return False
