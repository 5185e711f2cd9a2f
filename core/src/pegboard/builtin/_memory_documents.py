"""Documents in the memory of this process."""

from __future__ import annotations

import heapq
from collections import defaultdict
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

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

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Kept(NamedTuple):
    document: StoredDocument
    body: dict[str, Any]
    """What the document says, to search in; never handed out."""


class MemoryDocuments:
    """
    Documents in the memory of this process.

    They are kept as JSON, so that what is read is always a copy. Threads may share
    it: whatever reads and then writes holds the lock.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._collections: dict[str, dict[str, _Kept]] = defaultdict(dict)
        self._lock = Lock()

    async def get_document(
        self, collection: Collection, key: str
    ) -> StoredDocument | None:
        """Return the document under *key*, or None if there is none."""
        kept = self._kept(collection).get(checked_key(key))
        return None if kept is None else kept.document

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
        text = encode(key, checked_body(collection, key, body))
        document = StoredDocument(key, text, new_version())
        with self._lock:
            kept = self._kept(collection)
            if if_version is not None or if_absent:
                self._check(kept.get(key), if_version, "put_document", key)
            kept[key] = _Kept(document, document.body)
        return document.version

    async def delete_document(
        self, collection: Collection, key: str, *, if_version: str | None = None
    ) -> bool:
        """Remove the document under *key*; return whether it was there."""
        with self._lock:
            kept = self._kept(collection)
            if if_version is not None:
                found = kept.get(checked_key(key))
                self._check(found, if_version, "delete_document", key)
            return kept.pop(checked_key(key), None) is not None

    async def list_collections(self) -> list[str]:
        """Return the names of the collections that have documents, in order."""
        with self._lock:
            return sorted(name for name, kept in self._collections.items() if kept)

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
        with self._lock:
            kept = self._kept(collection).items()
            found = [
                (search.place(key, one.body).rank, one.document)
                for key, one in kept
                if search.takes(key, one.body)
            ]
        first = heapq.nlargest if search.descending else heapq.nsmallest
        # Ranks are never equal, so documents are not compared.
        return search.page([one for _, one in first(search.limit + 1, found)])

    def _kept(self, collection: Collection) -> dict[str, _Kept]:
        return self._collections[checked_collection(collection).name]

    def _check(
        self, kept: _Kept | None, version: str | None, operation: str, key: str
    ) -> None:
        if (kept and kept.document.version) != version:
            raise conflict(self._address, operation, key)
