"""Documents that are carried from one storage to another."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterable
from typing import TYPE_CHECKING

from pegboard._gather import gather
from pegboard.contracts.documents import Collection, DocumentStore

from .carrying import Item, Items

if TYPE_CHECKING:
    from pegboard.contracts.documents import StoredDocument

AT_ONCE = 25
PAGE = 100


class CarriedDocuments:
    """
    The documents of a *collection* in *store* whose keys begin with *prefix*.

    What they are indexed by need not be known: whoever declares it finds them.
    """

    def __init__(self, store: DocumentStore, collection: str, prefix: str) -> None:
        self._store = store
        self._collection = Collection(collection)
        self._prefix = prefix

    async def pages(self) -> AsyncGenerator[Items, None]:
        """Yield all of them, some at a time."""
        cursor = None
        while True:
            page = await self._store.find_documents(
                self._collection, limit=PAGE, cursor=cursor
            )
            yield {
                one.key: _item(one)
                for one in page.documents
                if one.key.startswith(self._prefix)
            }
            if (cursor := page.cursor) is None:
                return

    async def count(self) -> int:
        """Return how many there are."""
        return sum([len(items) async for items in self.pages()])

    async def find(self, names: Iterable[str]) -> Items:
        """Return those with these *names* that exist."""
        outcomes = await gather(self._get, names, at_once=AT_ONCE)
        found = {outcome.item: outcome.result for outcome in outcomes}
        return {key: _item(one) for key, one in found.items() if one is not None}

    async def read(self, names: Iterable[str]) -> Items:
        """Return the same."""
        return await self.find(names)

    async def store(self, items: Items, there: Items) -> None:  # noqa: ARG002 - it is replaced
        """Store *items*."""
        for outcome in await gather(self._put, items.items(), at_once=AT_ONCE):
            outcome.result  # noqa: B018 - raises what went wrong

    async def _get(self, key: str) -> StoredDocument | None:
        return await self._store.get_document(self._collection, key)

    async def _put(self, item: tuple[str, Item]) -> str:
        key, one = item
        return await self._store.put_document(self._collection, key, one.content)


def _item(document: StoredDocument) -> Item:
    body = document.body
    return Item((json.dumps(body, sort_keys=True),), body)  # some sort them
