"""Documents in collections, on a Redis or Valkey server."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from pegboard import SingleFlight
from pegboard.contracts.document_order import mark, marked, sortable
from pegboard.contracts.document_search import checked_search
from pegboard.contracts.documents import (
    Collection,
    StoredDocument,
    StoredPage,
    checked_body,
    checked_collection,
    indexed_value,
)
from pegboard.contracts.key_value import (
    checked_condition,
    checked_key,
    conflict,
    decode,
    encode,
    new_version,
)

from ._document_scripts import ADD, CHANGE, DELETE, FIND, PUT
from ._document_spans import BY_KEY, Indexes, Span, spans_of
from ._scripts import ABSENT, ANY, EQUAL, MOST_LOOKED_AT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ._client import Client
    from ._connection import Part
    from ._scripts import Script

GLOB = re.compile(rb"[\\*?\[\]]")
"""What the server takes for patterns."""
MOST_GROWN = 100
"""Documents that are put into a new index at once."""


class RedisDocuments:
    """
    Documents in collections on a Redis or Valkey server.

    Each change is one script that changes the document and all indexes of its
    collection. An index is made when a collection that declares it is first used; what
    is already there is put into it then.
    """

    def __init__(self, client: Client, named: bytes, address: str) -> None:
        self._client = client
        self._named = named
        self._address = address
        self._known: dict[str, Indexes] = {}
        self._preparing = SingleFlight()

    async def get_document(
        self, collection: Collection, key: str
    ) -> StoredDocument | None:
        """Return the document under *key*, or None if there is none."""
        document = self._keys(checked_collection(collection), checked_key(key))[0]
        found = await self._client.call("HMGET", document, "body", "version")
        return None if found[1] is None else StoredDocument(key, *found)

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
        checked = checked_body(collection, key, body)
        text, version = encode(key, checked), new_version()
        condition = ABSENT if if_absent else _equal(if_version)
        while True:
            indexes = await self._indexes(collection)
            values = (indexes.text, condition, version, text)
            found_by = _found_by(indexes.marks, checked)
            answer = await self._run(PUT, collection, key, *values, *found_by)
            if not self._learns(collection, answer):
                break
        if not answer:
            raise conflict(self._address, "put_document", key)
        return version

    async def delete_document(
        self, collection: Collection, key: str, *, if_version: str | None = None
    ) -> bool:
        """Remove the document under *key*; return whether it was there."""
        checked_collection(collection)
        condition = _equal(if_version)
        deleted = await self._run(DELETE, collection, checked_key(key), condition)
        if deleted < 0:
            raise conflict(self._address, "delete_document", key)
        return bool(deleted)

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
        first, *others = spans_of(search)
        found: list[StoredDocument] = []
        while True:  # each step looks at a part of the first span
            wanted = search.limit + 1 - len(found)
            spans = (first, *others)
            some, last = await self._step(
                collection, spans, wanted, descending=descending
            )
            found += some
            if not last or len(found) > search.limit:
                return search.page(found)
            first = first.after(last, descending=descending)

    async def list_collections(self) -> list[str]:
        """
        Return the names of the collections that have documents, in order.

        The server goes through all keys that it has, some at a time.
        """
        before, after = self._named + b"index:", b":"
        pattern = GLOB.sub(rb"\\\g<0>", before) + b"*" + after
        found: set[str] = set()
        cursor = "0"
        while True:
            cursor, keys = await self._client.call(
                "SCAN", cursor, "MATCH", pattern, "COUNT", MOST_LOOKED_AT
            )
            names = [k.encode(errors="surrogateescape")[len(before) : -1] for k in keys]
            found.update(unquote(n.decode()) for n in names if after not in n)
            if cursor == "0":
                return sorted(found)

    async def _step(
        self,
        collection: Collection,
        spans: Sequence[Span],
        wanted: int,
        *,
        descending: bool = False,
    ) -> tuple[list[StoredDocument], bytes]:
        """Return some documents, and the last member looked at if there may be more."""
        while True:
            indexes = await self._indexes(collection)
            answer = await self._look(
                collection, indexes, spans, wanted, descending=descending
            )
            if not self._learns(collection, answer):
                break
        found, last = answer
        return [StoredDocument(*one) for one in found], last.encode()

    async def _look(
        self,
        collection: Collection,
        indexes: Indexes,
        spans: Sequence[Span],
        wanted: int,
        *,
        descending: bool = False,
    ) -> Any:
        """Return what the server finds, or which indexes it has if these are others."""
        way, most = "1" if descending else "", wanted
        if len(spans) > 1:  # not all that it looks at are within the others
            most = max(wanted, MOST_LOOKED_AT)
        bounds = [part for one in spans for part in (one.mark, one.low, one.high)]
        values = (way, indexes.text, wanted, most, *bounds)
        return await self._client.run(FIND, self._keys(collection, ""), *values)

    async def _indexes(self, collection: Collection) -> Indexes:
        """Return the indexes of *collection*, those ready that it declares."""
        known = self._known.get(collection.name)
        if known is None or not _declared(collection) <= known.ready:
            checked_collection(collection)
            await self._preparing.do(collection, partial(self._prepare, collection))
        return self._known[collection.name]

    async def _prepare(self, collection: Collection) -> None:
        """Make the indexes that *collection* declares."""
        declared = _declared(collection)
        while True:
            text = await self._client.call("GET", self._keys(collection, "")[1])
            known = self._known[collection.name] = Indexes.of(text or "")
            if declared <= known.ready:
                return
            if not declared <= known.marks:
                await self._change(collection, known, known.growing_with(declared))
            elif await self._grow(collection, known, declared - known.ready):
                await self._change(collection, known, known.grown(declared))

    async def _change(self, collection: Collection, old: Indexes, new: Indexes) -> None:
        """Have *new* indexes, unless they are not the *old* ones any more."""
        await self._run(CHANGE, collection, "", old.text, new.text)

    async def _grow(
        self, collection: Collection, known: Indexes, marks: frozenset[str]
    ) -> bool:
        """Put all into new indexes; return whether there are no others by now."""
        span = Span(BY_KEY)
        while True:
            found = await self._look(collection, known, [span], MOST_GROWN)
            if self._learns(collection, found):
                return False
            documents, last = found
            await asyncio.gather(
                *(self._add(collection, marks, *document) for document in documents)
            )
            if not last:
                return True
            span = span.after(last.encode(), descending=False)

    async def _add(
        self,
        collection: Collection,
        marks: frozenset[str],
        key: str,
        text: str,
        version: str,
    ) -> None:
        """Put a document into indexes, if it is still the same."""
        found_by = _found_by(marks, decode(key, text))
        await self._run(ADD, collection, key, version, *found_by)

    async def _run(
        self, script: Script, collection: Collection, key: str, *values: Part
    ) -> Any:
        return await self._client.run(script, self._keys(collection, key), key, *values)

    def _learns(self, collection: Collection, answer: object) -> bool:
        """Tell whether *answer* is that there are other indexes, and note them."""
        if not isinstance(answer, str):
            return False
        self._known[collection.name] = Indexes.of(answer)
        return True

    def _keys(self, collection: Collection, key: str) -> tuple[bytes, bytes, bytes]:
        """Return where the document, the list of indexes and the indexes are."""
        name = quote(collection.name, "").encode()
        document = b"".join([self._named, b"document:", name, b":", key.encode()])
        indexes = self._named + b"indexes:" + name
        return document, indexes, b"".join([self._named, b"index:", name, b":"])


def _declared(collection: Collection) -> frozenset[str]:
    return frozenset(map(mark, collection.indexes))


def _found_by(marks: Iterable[str], body: Mapping[str, Any]) -> list[str]:
    """Return each mark, and what *body* is found by in its index."""
    return [
        part
        for one in marks
        for part in (one, sortable(indexed_value(body, marked(one))))
    ]


def _equal(version: str | None) -> Part:
    # Whatever is no version must not be equal; none has a "?" in it.
    return ANY if version is None else f"{EQUAL}{version}".encode(errors="replace")
