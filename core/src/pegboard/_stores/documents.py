"""Repositories of pydantic models, over any backend that keeps documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from pegboard.contracts.declare import built_on
from pegboard.contracts.documents import DocumentStore

from .document_shape import Model, Shape

if TYPE_CHECKING:
    from pegboard.contracts.documents import StoredDocument


@dataclass(frozen=True, slots=True)
class Document(Generic[Model]):
    """A document with its version."""

    value: Model
    version: str
    """Differs for every write, also after a delete. Compare it, never read it."""


@dataclass(frozen=True, slots=True)
class DocumentPage(Generic[Model]):
    """Some of the documents that were found, in order."""

    documents: tuple[Document[Model], ...]
    cursor: str | None
    """Where to go on; None at the end."""

    @property
    def values(self) -> tuple[Model, ...]:
        """The documents without their versions."""
        return tuple(document.value for document in self.documents)


@built_on(DocumentStore)
class Documents(Generic[Model]):
    """
    Documents of one pydantic model: ``board.storage("cities", Documents[City])``.

    One field is marked with ``Key()``: a document is stored under its text. Documents
    are found by the fields that are marked with ``Index()``. They are kept in a
    collection with the name of the class, or what its ``__collection__`` says. What is
    read is a new object. Indexed times are in order as instants; what has a time zone
    comes back in UTC.
    """

    def __init__(self, store: DocumentStore, model: type[Model]) -> None:
        self._store = store
        self._shape = Shape(model)

    async def get(self, key: str) -> Model | None:
        """
        Return the document under *key*, or None if there is none.

        Raises:
            InvalidReply: What is stored there does not fit the model.

        """
        found = await self.get_entry(key)
        return None if found is None else found.value

    async def get_entry(self, key: str) -> Document[Model] | None:
        """Return the document under *key* with its version, or None."""
        found = await self._store.get_document(self._shape.collection, key)
        return None if found is None else self._read(found)

    async def put(
        self,
        document: Model,
        *,
        if_version: str | None = None,
        if_absent: bool = False,
    ) -> str:
        """
        Store *document* under its key and return its new version.

        With *if_version* only if that is still the stored version, with *if_absent*
        only if there is none; they do not go together.

        Raises:
            Conflict: The condition does not hold; nothing was changed.
            InvalidRequest: The document cannot be stored.

        """
        key, body = self._shape.body(document)
        return await self._store.put_document(
            self._shape.collection,
            key,
            body,
            if_version=if_version,
            if_absent=if_absent,
        )

    async def delete(self, key: str, *, if_version: str | None = None) -> bool:
        """
        Remove the document under *key*; return whether it was there.

        Raises:
            Conflict: *if_version* is not the stored version, or there is none.

        """
        return await self._store.delete_document(
            self._shape.collection, key, if_version=if_version
        )

    async def find(
        self,
        where: Mapping[str, Any] | None = None,
        *,
        order_by: str | None = None,
        descending: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> DocumentPage[Model]:
        """
        Return up to *limit* documents whose fields are all as *where* says, in order.

        *where* has a value or a ``Range`` for each indexed field that matters.
        *order_by* is an indexed field; those that are equal in it, and all if there is
        none, are ordered by key. None comes first. Pass the page's cursor with the same
        question to get the next one.

        Raises:
            InvalidRequest: A field is not indexed, a value does not fit it, or the
                cursor is of another question.

        """
        page = await self._store.find_documents(
            self._shape.collection,
            self._shape.conditions(where),
            order_by=order_by,
            descending=descending,
            limit=limit,
            cursor=cursor,
        )
        return DocumentPage(tuple(map(self._read, page.documents)), page.cursor)

    def _read(self, stored: StoredDocument) -> Document[Model]:
        return Document(self._shape.read(stored.key, stored.text), stored.version)
