"""
Stores of documents that each break one promise, and the kit run against them.

Not collected by itself: ``test_documents_kit.py`` runs it and looks at what fails.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import ClassVar

import hypothesis
import pytest
from pegboard import Collection, Range, StorageProvider, StoredPage, hookimpl
from pegboard.builtin._memory_documents import MemoryDocuments
from pegboard.builtin.memory import MemoryOptions
from pegboard.contracts.documents import StoredDocument
from pegboard.contracts.key_value import conflict
from pegboard.errors import Conflict
from pegboard.testing.documents import (
    EXAMPLES,
    DocumentCollectionsContract,
    PersistentDocumentStoreContract,
)


class Sound(MemoryDocuments):
    """A store that keeps every promise but that of outliving its process."""

    caught_by: ClassVar[tuple[str, ...]] = ("test_documents_outlive_the_board",)
    """The tests that have to fail."""

    def __init__(self, _, context):
        super().__init__(context.address)


class Aliased(StoredDocument):
    body = None


class DocumentsAreAliases(Sound):
    caught_by = ("test_stored_document_is_a_copy", "test_found_document_is_a_copy")

    bodies = {}

    async def put_document(self, collection, key, body, **condition):
        version = await super().put_document(collection, key, body, **condition)
        self.bodies[version] = body
        return version

    async def get_document(self, collection, key):
        return self.alias(await super().get_document(collection, key))

    async def find_documents(self, *question, **more):
        page = await super().find_documents(*question, **more)
        return replace(page, documents=tuple(map(self.alias, page.documents)))

    def alias(self, found):
        if found is None:
            return None
        aliased = Aliased(found.key, found.text, found.version)
        aliased.__dict__["body"] = self.bodies[found.version]
        return aliased


class CollectionsAndKeysAreJoined(Sound):
    caught_by = ("test_names_are_not_put_together",)

    def joined(self, collection, key):
        return Collection("all", collection.indexes), f"{collection.name}:{key}"

    async def get_document(self, collection, key):
        return await super().get_document(*self.joined(collection, key))

    async def put_document(self, collection, key, body, **condition):
        joined = self.joined(collection, key)
        return await super().put_document(*joined, body, **condition)


class CollectionsAreFileNames(Sound):
    caught_by = ("test_collections_do_not_meet",)

    def _kept(self, collection):
        name = collection.name.replace("/", "_")
        return super()._kept(replace(collection, name=name))


class KeysIgnoreCase(Sound):
    caught_by = ("test_keys_do_not_meet", "test_random_calls_agree_with_the_model")

    async def get_document(self, collection, key):
        return await super().get_document(collection, key.lower())

    async def put_document(self, collection, key, body, **condition):
        return await super().put_document(collection, key.lower(), body, **condition)


class PutMerges(Sound):
    caught_by = (
        "test_put_replaces_the_whole_document",
        "test_random_calls_agree_with_the_model",
    )

    async def put_document(self, collection, key, body, **condition):
        old = await super().get_document(collection, key)
        if old and isinstance(body, dict):
            body = old.body | body
        return await super().put_document(collection, key, body, **condition)


class PutIgnoresTheVersion(Sound):
    caught_by = (
        "test_put_if_version_refuses_when_it_was_replaced",
        "test_compare_and_put_in_tasks_loses_nothing",
        "test_random_calls_agree_with_the_model",
    )

    async def put_document(self, collection, key, body, *, if_absent=False, **_):
        return await super().put_document(collection, key, body, if_absent=if_absent)


class VersionedPutCreates(Sound):
    caught_by = ("test_put_if_version_refuses_a_missing_document",)

    async def put_document(self, collection, key, body, **condition):
        if await super().get_document(collection, key) is None:
            condition = {}
        return await super().put_document(collection, key, body, **condition)


class VersionsBeginAnew(Sound):
    caught_by = (
        "test_every_write_has_a_new_version",
        "test_random_calls_agree_with_the_model",
    )

    async def put_document(self, collection, key, body, **condition):
        old = await super().get_document(collection, key)
        await super().put_document(collection, key, body, **condition)
        kept = self._kept(collection)[key]
        version = str(int(old.version) + 1 if old else 1)
        document = replace(kept.document, version=version)
        self._kept(collection)[key] = kept._replace(document=document)
        return version


class DeleteIgnoresTheVersion(Sound):
    caught_by = ("test_delete_if_version_removes_that_version",)

    async def delete_document(self, collection, key, **_):
        return await super().delete_document(collection, key)


class ConflictsAreNamedWrongly(Sound):
    caught_by = ("test_conflict_says_where",)

    def _check(self, kept, version, operation, key):
        super()._check(kept, version, operation.partition("_")[0], key)


class ChecksThenPuts(Sound):
    caught_by = ("test_one_task_is_first",)

    async def put_document(self, collection, key, body, **condition):
        if condition.pop("if_absent", False):
            if await super().get_document(collection, key):
                raise conflict(self._address, "put_document", key)
            await asyncio.sleep(0)
        return await super().put_document(collection, key, body, **condition)


class RefusedPutIsIndexed(Sound):
    caught_by = (
        "test_put_if_version_refuses_when_it_was_replaced",
        "test_put_if_absent_stores_once",
    )

    def _check(self, kept, version, operation, key):
        super()._check(kept, version, operation, key)

    async def put_document(self, collection, key, body, **condition):
        try:
            return await super().put_document(collection, key, body, **condition)
        except Conflict:
            kept = self._kept(collection)
            if key in kept:
                kept[key] = kept[key]._replace(body=dict(body))
            raise


class DeletedStaysIndexed(Sound):
    caught_by = (
        "test_delete_removes_the_document",
        "test_random_calls_agree_with_the_model",
    )

    ghosts = ()

    async def delete_document(self, collection, key, **condition):
        kept = self._kept(collection).get(key)
        deleted = await super().delete_document(collection, key, **condition)
        self.ghosts = (*self.ghosts, kept.document) if deleted else self.ghosts
        return deleted

    async def find_documents(self, *question, **more):
        page = await super().find_documents(*question, **more)
        return replace(page, documents=page.documents + self.ghosts)


class IndexesAreOfTheWrite(Sound):
    """Finds only what was written by who knew the index."""

    caught_by = (
        "test_index_that_is_declared_later_holds",
        "test_write_that_knows_fewer_indexes_breaks_none",
    )

    async def put_document(self, collection, key, body, **condition):
        version = await super().put_document(collection, key, body, **condition)
        kept = self._kept(collection)
        indexed = {f: v for f, v in body.items() if f in collection.fields}
        kept[key] = kept[key]._replace(body=indexed)
        return version


class Asking(Sound):
    """Changes the question, or the page."""

    def ask(self, question):
        return question

    async def find_documents(self, collection, where=None, **more):
        where, more = self.ask((where, more))
        return await super().find_documents(collection, where, **more)


class RangesAreClosed(Asking):
    caught_by = (
        "test_range_has_the_bounds_that_it_names",
        "test_random_calls_agree_with_the_model",
    )

    def ask(self, question):
        where, more = question
        closed = {f: self.closed(wanted) for f, wanted in (where or {}).items()}
        return closed, more

    def closed(self, wanted):
        if not isinstance(wanted, Range) or wanted == Range():
            return wanted
        low = wanted.above if wanted.at_least is None else wanted.at_least
        return Range(at_least=low, at_most=wanted.at_most, below=wanted.below)


class BoundsOf0AreNone(Asking):
    caught_by = ("test_range_has_the_bounds_that_it_names",)

    def ask(self, question):
        where, more = question
        kept = {
            field: wanted
            for field, wanted in (where or {}).items()
            if wanted != Range(at_least=0)
        }
        return kept, more


class OnlyTheFirstConditionHolds(Asking):
    caught_by = ("test_conditions_all_hold", "test_random_calls_agree_with_the_model")

    def ask(self, question):
        where, more = question
        return dict(itertools.islice((where or {}).items(), 1)), more


class CursorsAreOffsets(Sound):
    caught_by = ("test_pages_go_on_while_documents_come_and_go",)

    async def find_documents(self, collection, where=None, **question):
        offset = int(question.pop("cursor", None) or 0)
        limit = question.pop("limit", 100)
        page = await super().find_documents(collection, where, limit=1000, **question)
        shown = page.documents[offset : offset + limit]
        ends = offset + limit >= len(page.documents)
        return StoredPage(shown, None if ends else f"{offset + limit}")


class CursorsAreKeys(Sound):
    """Goes on behind a key, in whatever order."""

    caught_by = (
        "test_pages_hold_every_document_once",
        "test_random_calls_agree_with_the_model",
    )

    async def find_documents(self, collection, where=None, **question):
        cursor = question.pop("cursor", None)
        limit = question.pop("limit", 100)
        page = await super().find_documents(collection, where, limit=1000, **question)
        later = [d for d in page.documents if cursor is None or d.key > cursor]
        ends = len(later) <= limit
        return StoredPage(tuple(later[:limit]), None if ends else later[limit - 1].key)


class TiesAreInAnyOrder(Sound):
    caught_by = (
        "test_equal_values_are_ordered_by_key",
        "test_random_calls_agree_with_the_model",
    )

    async def find_documents(self, collection, where=None, **question):
        page = await super().find_documents(collection, where, **question)
        if question.get("order_by") != "kind" and question.get("order_by") != "name":
            return page
        return replace(page, documents=page.documents[::-1])


class LastPageHasACursor(Sound):
    caught_by = ("test_last_page_has_no_cursor",)

    async def find_documents(self, collection, where=None, **question):
        page = await super().find_documents(collection, where, **question)
        limit = question.get("limit", 100)
        if page.cursor is None and len(page.documents) == limit:
            longer = await super().find_documents(collection, where, **question)
            return replace(longer, cursor="more")
        return page


class NothingIsMissing(Sound):
    """Does not find documents by a field that they do not have."""

    caught_by = (
        "test_none_and_missing_are_found_alike",
        "test_random_calls_agree_with_the_model",
    )

    async def find_documents(self, collection, where=None, **question):
        page = await super().find_documents(collection, where, **question)
        has = [d for d in page.documents if set(where or {}) <= d.body.keys()]
        return replace(page, documents=tuple(has))


class BelongsToOneLoop(Sound):
    caught_by = ("test_event_loops_may_follow_each_other",)

    loop = None

    async def get_document(self, collection, key):
        self.loop = self.loop or asyncio.get_running_loop()
        assert self.loop is asyncio.get_running_loop()
        return await super().get_document(collection, key)

    async def put_document(self, collection, key, body, **condition):
        self.loop = self.loop or asyncio.get_running_loop()
        assert self.loop is asyncio.get_running_loop()
        return await super().put_document(collection, key, body, **condition)


class CollectionsAreListedForEver(Sound):
    caught_by = ("test_collections_end_with_their_last_document",)

    async def list_collections(self):
        return sorted(self._collections)


class CollectionsAreListedWhenAskedFor(Sound):
    caught_by = ("test_without_documents_there_are_no_collections",)

    asked = frozenset()

    async def find_documents(self, collection, *question, **more):
        self.asked |= {collection.name}
        return await super().find_documents(collection, *question, **more)

    async def list_collections(self):
        return sorted({*self.asked, *await super().list_collections()})


class CollectionsAreListedByDocument(Sound):
    caught_by = ("test_collections_are_listed_in_order",)

    async def list_collections(self):
        return sorted(n for n, kept in self._collections.items() for _ in kept)


class CollectionsAreInAnyOrder(Sound):
    caught_by = ("test_collections_are_listed_in_order",)

    async def list_collections(self):
        return [name for name, kept in self._collections.items() if kept]


class Offer:
    """A plugin that offers one store."""

    def __init__(self, store):
        self.store = store

    @hookimpl
    def pegboard_storage_providers(self):
        """Offer the store under a name of its own."""
        return [
            StorageProvider(
                name="sample",
                factory=self.store,
                options=MemoryOptions,
                contracts={"DocumentStore": 1, "DocumentCollections": 1},
            )
        ]


class Kit(DocumentCollectionsContract, PersistentDocumentStoreContract):
    """The kit, for one of the stores."""

    __test__ = False
    store_class: ClassVar[type[Sound]]
    examples = hypothesis.settings(EXAMPLES, phases=[hypothesis.Phase.generate])
    """Nobody reads what fails here, so it is not made short."""

    @pytest.fixture
    def plugins(self):
        """Return what offers the store."""
        return [Offer(self.store_class)]

    @pytest.fixture
    def settings(self):
        """Return settings that name the store."""
        return {"provider": "sample"}


STORES = [
    kind
    for kind in [*vars().values()]
    if isinstance(kind, type) and issubclass(kind, Sound) and kind is not Asking
]
globals().update(
    {
        f"Test{store.__name__}": type(
            f"Test{store.__name__}", (Kit,), {"store_class": store, "__test__": True}
        )
        for store in STORES
    }
)
