"""Documents as items: one for the document, one for each field that is indexed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from pegboard import StoredDocument
from pegboard.contracts.document_order import mark, marked, sortable
from pegboard.contracts.documents import indexed_value

from ._index_bounds import SEPARATOR
from ._item import Item, Place, checked_item, checked_place, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pegboard import Collection, IndexedField


@dataclass(frozen=True, slots=True)
class Home:
    """Where the documents of a collection are, and what they are found by."""

    prefix: str
    collection: str

    def document(self, key: str) -> Place:
        """Return where the document under *key* is."""
        return checked_place(self.documents, key)

    @property
    def documents(self) -> str:
        """The partition of the documents."""
        return f"{quote(self.prefix, '')}/documents/{quote(self.collection, '')}"

    @property
    def indexes(self) -> Place:
        """Where it stands which fields are indexed."""
        name = f"{quote(self.prefix, '')}/indexes/{quote(self.collection, '')}"
        return checked_place(name, "all")

    def index(self, index: IndexedField) -> str:
        """Return the partition of what leads to documents by *index*."""
        name = quote(self.collection, "")
        return f"{quote(self.prefix, '')}/index/{mark(index)}/{name}"


@dataclass(frozen=True, slots=True)
class Held:
    """A document, and the marks of the fields that it is found by."""

    document: StoredDocument
    marks: frozenset[str]

    @classmethod
    def of(cls, item: Item) -> Held:
        """Return what *item* holds."""
        version, body = item["version"]["S"], item["body"]["S"]
        document = StoredDocument(item["sk"]["S"], body, version)
        return cls(document, frozenset(item["marks"]["S"].split()))

    @property
    def words(self) -> str:
        """The marks, as they are stored."""
        return " ".join(sorted(self.marks))

    def item(self, home: Home) -> Item:
        """Return the document as an item."""
        document = self.document
        item = {
            **home.document(document.key).names,
            "body": text(document.text),
            "version": text(document.version),
            "marks": text(self.words),
        }
        return checked_item(document.key, item)

    def entries(self, home: Home) -> set[Place]:
        """Return where its fields lead to it."""
        return {self.entry(home, marked(field)) for field in self.marks}

    def entry(self, home: Home, index: IndexedField) -> Place:
        """Return where the field of *index* leads to it."""
        value = sortable(indexed_value(self.document.body, index))
        key = f"{value}{SEPARATOR}{self.document.key}"
        return checked_place(home.index(index), key)


def marks_of(indexes: Iterable[IndexedField]) -> frozenset[str]:
    """Return the marks of *indexes*."""
    return frozenset(map(mark, indexes))


def home_of(prefix: str, collection: Collection) -> Home:
    """Return where the documents of *collection* are."""
    return Home(prefix, collection.name)
