"""Documents in collections: the contract, and what every backend takes and refuses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, Protocol

from pegboard.errors import InvalidRequest

from .declare import contract, operation
from .key_value import checked_key, decode

Kind = Literal["text", "number", "boolean"]

HIGHEST_NUMBER = 2**53 - 1
"""Up to here whole numbers are told apart as floats too, which some backends keep."""
TYPES: Mapping[Kind, tuple[type, ...]] = {
    "text": (str,),
    "number": (int, float),
    "boolean": (bool,),
}


@dataclass(frozen=True, slots=True)
class IndexedField:
    """A field on the first level of a document that documents are found by."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents of one kind, and what they are found by."""

    name: str
    indexes: tuple[IndexedField, ...] = ()

    @property
    def fields(self) -> dict[str, IndexedField]:
        """The indexed fields by name."""
        return {index.name: index for index in self.indexes}


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What a field must lie in. Bounds that are None are none."""

    at_least: Any = None
    above: Any = None
    at_most: Any = None
    below: Any = None


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A stored document with its version."""

    key: str
    text: str
    """The JSON of the document: an object."""
    version: str
    """Differs for every write, also after a delete. Compare it, never read it."""

    @property
    def body(self) -> dict[str, Any]:
        """The document itself, made anew each time."""
        body: dict[str, Any] = decode(self.key, self.text)
        return body


@dataclass(frozen=True, slots=True)
class StoredPage:
    """Some of the documents that were found, in order."""

    documents: tuple[StoredDocument, ...]
    cursor: str | None
    """Where to go on; None at the end."""


@contract(family="storage", version=1, embedded="sqlite")
class DocumentStore(Protocol):
    """
    JSON documents in collections, found by their fields.

    Programs use it through ``Documents``, which knows the model of the documents.

    What a collection is indexed by is part of each call, and nothing needs to be
    prepared: an index that is declared later holds for what is already stored. A
    field whose value is missing, None or of another kind than the index has the value
    None there. None comes first, then text by code point, numbers by size, and False
    before True.
    """

    @operation(repeatable=True)
    async def get_document(
        self, collection: Collection, key: str
    ) -> StoredDocument | None:
        """Return the document under *key*, or None if there is none."""
        ...

    @operation(repeatable=False)
    async def put_document(
        self,
        collection: Collection,
        key: str,
        body: Mapping[str, Any],
        *,
        if_version: str | None = None,
        if_absent: bool = False,
    ) -> str:
        """
        Store *body* under *key* and return its new version.

        With *if_version* only if that is still the stored version, with *if_absent*
        only if there is none; they do not go together.

        Raises:
            Conflict: The condition does not hold; nothing was changed.
            InvalidRequest: The key or the body cannot be stored.

        """
        ...

    @operation(repeatable=False)
    async def delete_document(
        self, collection: Collection, key: str, *, if_version: str | None = None
    ) -> bool:
        """
        Remove the document under *key*; return whether it was there.

        Raises:
            Conflict: *if_version* is not the stored version, or there is none.

        """
        ...

    @operation(repeatable=True)
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
        """
        Return up to *limit* documents whose fields are all as *where* says, in order.

        *where* has a value or a ``Range`` for each indexed field that matters; None
        never lies in a range. *order_by* is an indexed field; those that are equal in
        it, and all if there is none, are ordered by key. Pass the page's cursor with
        the same question to get the next one. A document that exists throughout, its
        place in the order unchanged, is listed exactly once.

        Raises:
            InvalidRequest: A field is not indexed, a value is not of its kind, or the
                cursor is of another question.

        """
        ...


@contract(family="storage", version=1)
class DocumentCollections(DocumentStore, Protocol):
    """Documents in collections that can be listed."""

    @operation(repeatable=True)
    async def list_collections(self) -> list[str]:
        """Return the names of the collections that have documents, in order."""
        ...


def indexed_value(body: Mapping[str, Any], index: IndexedField) -> Any:
    """Return what *body* counts as in *index*."""
    value = body.get(index.name)
    return value if _fits(value, index.kind) else None


def checked_collection(collection: Collection) -> Collection:
    """Return *collection* if it can be one."""
    checked_key(collection.name)
    if len(collection.fields) != len(collection.indexes):
        refuse(f"{collection.name!r} declares two indexes for one field.")
    for index in collection.indexes:
        if not index.name.isidentifier():
            refuse(f"{index.name!r} cannot be indexed: it is no Python identifier.")
        if index.kind not in TYPES:
            refuse(
                f"{index.kind!r} is no kind of index. There are: {', '.join(TYPES)}."
            )
    return collection


def checked_body(collection: Collection, key: str, body: object) -> dict[str, Any]:
    """Return *body* if it can be stored under *key* of *collection*."""
    checked_key(key)
    if not isinstance(body, Mapping) or not all(isinstance(name, str) for name in body):
        refuse(f"The document {key!r} is no mapping of names to values: {body!r}.")
    for index in checked_collection(collection).indexes:
        if body.get(index.name) is not None:
            checked_value(index, body[index.name])
    return dict(body)


def checked_value(index: IndexedField, value: Any) -> Any:
    """Return *value* if *index* can hold it."""
    if not _fits(value, index.kind):
        refuse(f"{index.name!r} is indexed as {index.kind}, which {value!r} is not.")
    if isinstance(value, str) and value:
        checked_key(value)
        if "\0" in value:
            refuse(f"{index.name!r} is {value!r}; databases cut text at a NUL.")
    if isinstance(value, int) and abs(value) > HIGHEST_NUMBER:
        refuse(f"{index.name!r} is {value}; an indexed whole number has up to 53 bits.")
    return value


def refuse(message: str) -> NoReturn:
    """Refuse a request before anything was done for it."""
    raise InvalidRequest(message, request_sent="no")


def _fits(value: object, kind: Kind) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return isinstance(value, TYPES[kind])
