"""Documents in a table of DynamoDB."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from pegboard.contracts.document_search import checked_search
from pegboard.contracts.documents import (
    Collection,
    StoredDocument,
    StoredPage,
    checked_body,
    checked_collection,
)
from pegboard.contracts.key_value import (
    checked_condition,
    checked_key,
    conflict,
    encode,
    new_version,
)

from ._collections import Collections
from ._document_item import Held, Home, home_of, marks_of
from ._errors import NotMetError
from ._finding import found_by
from ._indexes import Indexes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._table import Table


class DynamoDocuments:
    """
    Documents in a table of DynamoDB.

    A document is an item, and so is, for each field that is indexed, what leads to it.
    They are changed together, in a transaction that holds the condition.
    """

    def __init__(self, table: Table, prefix: str, address: str) -> None:
        self._table = table
        self._prefix = prefix
        self._address = address
        self._indexes = Indexes(table)
        self._collections = Collections(table, prefix)

    async def get_document(
        self, collection: Collection, key: str
    ) -> StoredDocument | None:
        """Return the document under *key*, or None if there is none."""
        home = self._home(collection)
        item = await self._table.get(home.document(checked_key(key)))
        return None if item is None else Held.of(item).document

    async def put_document(
        self,
        collection: Collection,
        key: str,
        body: Mapping[str, Any],
        *,
        if_version: str | None = None,
        if_absent: bool = False,
    ) -> str:
        """Store *body* under *key* and return its new version."""
        checked_condition(if_version, if_absent=if_absent)
        json = encode(key, checked_body(collection, key, body))
        document = StoredDocument(key, json, new_version())
        home, own = self._home(collection), marks_of(collection.indexes)
        while True:  # until nobody came in between
            held, marks = await self._indexes.look(home, key)
            if _is_refused(held, if_version, if_absent=if_absent):
                raise conflict(self._address, "put_document", key)
            if held is None:
                await self._collections.note(collection.name)
            new = Held(document, own | marks)
            try:
                await self._indexes.replace(home, held, new)
            except NotMetError:
                continue
            return document.version

    async def delete_document(
        self, collection: Collection, key: str, *, if_version: str | None = None
    ) -> bool:
        """Remove the document under *key*; return whether it was there."""
        home = self._home(collection)
        place = home.document(checked_key(key))
        while True:  # until nobody came in between
            item = await self._table.get(place)
            held = None if item is None else Held.of(item)
            if _is_refused(held, if_version):
                raise conflict(self._address, "delete_document", key)
            if held is None:
                return False
            try:
                await self._indexes.remove(home, held)
            except NotMetError:
                continue
            return True

    async def list_collections(self) -> list[str]:
        """Return the names of the collections that have documents, in order."""
        return await self._collections.names()

    async def find_documents(  # noqa: PLR0913 - a question has this many parts
        self,
        collection: Collection,
        where: Mapping[str, Any] | None = None,
        *,
        order_by: str | None = None,
        descending: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> StoredPage:
        """Return up to *limit* documents that are as *where* says, in order."""
        search = checked_search(
            collection,
            where,
            order_by=order_by,
            descending=descending,
            limit=limit,
            cursor=cursor,
        )
        home = self._home(collection)
        await self._indexes.prepare(home, marks_of(collection.indexes))
        documents: list[StoredDocument] = []
        async with aclosing(found_by(search, home, self._table)) as found:
            async for document in found:
                if search.takes(document.key, document.body):
                    documents.append(document)
                if len(documents) > search.limit:
                    break
        return search.page(documents)

    def _home(self, collection: Collection) -> Home:
        return home_of(self._prefix, checked_collection(collection))


def _is_refused(
    held: Held | None, if_version: str | None, *, if_absent: bool = False
) -> bool:
    """Return whether a condition of a call does not hold."""
    if if_absent:
        return held is not None
    version = held and held.document.version
    return if_version is not None and version != if_version
