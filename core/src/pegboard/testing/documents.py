"""
Prove that a backend keeps the contract of DocumentStore.

    from pegboard.testing.documents import DocumentStoreContract


    class TestMongo(DocumentStoreContract):
        @pytest.fixture
        def settings(self, server):
            return {"provider": "mongo", "url": server.url, "database": uuid4().hex}

The fixture ``settings`` returns what stands in the settings of an instance that holds
nothing yet. What cannot be kept is left out with a reason; see
``pegboard.testing.standard``.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import pytest_asyncio
from hypothesis.stateful import run_state_machine_as_test

from pegboard import (
    Collection,
    DocumentCollections,
    DocumentStore,
    IndexedField,
    Range,
    StoredDocument,
)
from pegboard.errors import Conflict, InvalidRequest

from ._document_model import DocumentMachine
from ._instance_kit import InstanceKit, MakeBoard
from .key_value import EXAMPLES, KEYS, NOT_JSON, NOT_KEYS, VALUES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from hypothesis import settings as example_settings

T = TypeVar("T")

TASKS, TURNS = 8, 5

PLAIN = Collection("plain")
PETS = Collection(
    "pets",
    (
        IndexedField("kind", "text"),
        IndexedField("age", "number"),
        IndexedField("tame", "boolean"),
    ),
)
TEXTS = (
    *("", "A", "B", "a", "a b", "a\x01", "ab", "b", "e\u0301", "\u00e9", "\ufffd"),
    *("\U0001f600", "'; DROP TABLE x; --", "%", "*", "null", "1", "{", '"', "\\"),
)
NUMBERS = (-1e300, -(2**53) + 1, -1.5, -1, 0, 5e-324, 0.1, 1, 1.5, 2, 10, 2**53 - 1)
NOT_OF_KIND = (
    ("kind", 1),
    ("kind", True),
    ("kind", ["cat"]),
    ("kind", "\ud800"),
    ("kind", "a\x00b"),
    ("age", "1"),
    ("age", True),
    ("age", math.inf),
    ("age", 2**53),
    ("tame", 1),
    ("tame", "true"),
    ("tame", {"a": 1}),
)
NOT_CURSORS: tuple[Any, ...] = ("", "x", "e30=", "bnVsbA==", "WzFd", 5, "\ud800")
NOT_COLLECTIONS = (
    Collection(""),
    Collection("\ud800"),
    Collection("x", (IndexedField("a b", "text"),)),
    Collection("x", (IndexedField("", "text"),)),
    Collection("x", (IndexedField('a"', "text"),)),
    Collection("x", (IndexedField("a", "text"), IndexedField("a", "number"))),
    Collection("x", (IndexedField("a", "list"),)),  # type: ignore[arg-type]  # wrong
)


def _short(value: object) -> str:
    return ascii(value)[:20]


@pytest.mark.asyncio
class DocumentStoreContract(InstanceKit):
    """What every DocumentStore must do. Inherit it, give the fixture ``settings``."""

    examples = EXAMPLES
    """How many random calls are compared with a model; fewer for a slow backend."""

    @pytest_asyncio.fixture
    async def store(self, make_board: MakeBoard) -> AsyncGenerator[DocumentStore]:
        """Return the store, empty."""
        async with AsyncExitStack() as boards:
            board = await boards.enter_async_context(make_board())
            yield board.storage("kit", DocumentStore)

    async def test_missing_document_is_none(self, store: DocumentStore) -> None:
        """What was never stored is None, which is no error."""
        assert await store.get_document(PLAIN, "key") is None

    @pytest.mark.parametrize("value", VALUES, ids=_short)
    async def test_document_comes_back_as_it_was(
        self, store: DocumentStore, value: Any
    ) -> None:
        """A document is read with the types and the digits that it was stored with."""
        await store.put_document(PLAIN, "key", {"value": value})
        found = await store.get_document(PLAIN, "key")

        assert found
        assert repr(found.body) == repr({"value": value})

    async def test_empty_document_is_one(self, store: DocumentStore) -> None:
        """A document without fields is still there."""
        await store.put_document(PLAIN, "key", {})
        found = await store.get_document(PLAIN, "key")

        assert found
        assert found.body == {}

    @pytest.mark.parametrize("body", [None, 1, "{}", [], [("a", 1)], {1: 2}], ids=repr)
    async def test_what_is_no_object_is_refused(
        self, store: DocumentStore, body: Any
    ) -> None:
        """A document has named fields."""
        with pytest.raises(InvalidRequest):
            await store.put_document(PLAIN, "key", body)

    @pytest.mark.parametrize("value", NOT_JSON, ids=_short)
    async def test_value_that_json_lacks_is_refused(
        self, store: DocumentStore, value: Any
    ) -> None:
        """What cannot be read back is not stored; what was there stays."""
        await store.put_document(PLAIN, "key", {"value": "old"})

        with pytest.raises(InvalidRequest):
            await store.put_document(PLAIN, "key", {"value": value})
        assert await _body(store, PLAIN, "key") == {"value": "old"}

    async def test_stored_document_is_a_copy(self, store: DocumentStore) -> None:
        """Changing what was given to the store changes nothing in it."""
        given = {"list": [1]}
        await store.put_document(PLAIN, "key", given)
        given["list"].append(2)

        assert await _body(store, PLAIN, "key") == {"list": [1]}

    async def test_found_document_is_a_copy(self, store: DocumentStore) -> None:
        """Changing what the store gave changes nothing in it, nor what it finds."""
        await store.put_document(PETS, "key", {"kind": "cat"})
        found = await store.find_documents(PETS, {"kind": "cat"})
        found.documents[0].body["kind"] = "dog"

        assert await _keys(store, {"kind": "cat"}) == ["key"]
        assert await _body(store, PETS, "key") == {"kind": "cat"}

    async def test_keys_do_not_meet(self, store: DocumentStore) -> None:
        """Every key has a document of its own, whatever the backend makes of it."""
        for key in KEYS:
            await store.put_document(PLAIN, key, {"key": key})

        bodies = [await _body(store, PLAIN, key) for key in KEYS]
        assert bodies == [{"key": key} for key in KEYS]

    async def test_collections_do_not_meet(self, store: DocumentStore) -> None:
        """Every collection has documents of its own, even where names look alike."""
        for name in KEYS:
            await store.put_document(Collection(name), "key", {"of": name})

        for name in KEYS:
            page = await store.find_documents(Collection(name))
            assert [one.body for one in page.documents] == [{"of": name}]

    async def test_names_are_not_put_together(self, store: DocumentStore) -> None:
        """Where one name ends and the next begins makes a difference."""
        for name, key in (("a", "b:c"), ("a:b", "c"), ("a/b", "c"), ("a", "b/c")):
            await store.put_document(Collection(name), key, {"of": [name, key]})

        assert await _body(store, Collection("a:b"), "c") == {"of": ["a:b", "c"]}
        assert await _body(store, Collection("a"), "b:c") == {"of": ["a", "b:c"]}
        assert await _body(store, Collection("a"), "b/c") == {"of": ["a", "b/c"]}

    @pytest.mark.parametrize("key", NOT_KEYS, ids=_short)
    async def test_bad_key_is_refused(self, store: DocumentStore, key: Any) -> None:
        """A key that is no text, empty or no Unicode is refused by every operation."""
        calls = (
            partial(store.get_document, PLAIN, key),
            partial(store.put_document, PLAIN, key, {}),
            partial(store.delete_document, PLAIN, key),
        )
        for call in calls:
            with pytest.raises(InvalidRequest):
                await call()

    @pytest.mark.parametrize("collection", NOT_COLLECTIONS, ids=_short)
    async def test_bad_collection_is_refused(
        self, store: DocumentStore, collection: Collection
    ) -> None:
        """Names that cannot be kept, and contradictions, are refused everywhere."""
        calls = (
            partial(store.get_document, collection, "key"),
            partial(store.put_document, collection, "key", {}),
            partial(store.delete_document, collection, "key"),
            partial(store.find_documents, collection),
        )
        for call in calls:
            with pytest.raises(InvalidRequest):
                await call()

    async def test_put_replaces_the_whole_document(self, store: DocumentStore) -> None:
        """Nothing of the old document is left, nor found."""
        await store.put_document(PETS, "key", {"kind": "cat", "age": 1})
        await store.put_document(PETS, "key", {"kind": "dog"})

        assert await _body(store, PETS, "key") == {"kind": "dog"}
        assert await _keys(store, {"kind": "cat"}) == []
        assert await _keys(store, {"age": 1}) == []

    async def test_version_is_known_from_each_way(self, store: DocumentStore) -> None:
        """Writing, reading and finding tell the same version."""
        version = await store.put_document(PETS, "key", {"kind": "cat"})
        page = await store.find_documents(PETS, {"kind": "cat"})

        assert await _version(store, PETS, "key") == version
        assert [one.version for one in page.documents] == [version]

    async def test_every_write_has_a_new_version(self, store: DocumentStore) -> None:
        """The same document, written again or after a delete, has another version."""
        versions = set()
        for _ in range(20):
            versions.add(await store.put_document(PLAIN, "key", {}))
            versions.add(await store.put_document(PLAIN, "key", {}))
            await store.delete_document(PLAIN, "key")

        assert len(versions) == 40

    async def test_put_if_version_replaces_that_version(
        self, store: DocumentStore
    ) -> None:
        """Who knows the stored version may replace it."""
        version = await store.put_document(PETS, "key", {"kind": "cat"})
        newer = await store.put_document(
            PETS, "key", {"kind": "dog"}, if_version=version
        )

        assert await _keys(store, {"kind": "dog"}) == ["key"]
        assert await _version(store, PETS, "key") == newer != version

    async def test_put_if_version_refuses_when_it_was_replaced(
        self, store: DocumentStore
    ) -> None:
        """Who knows an older version is told so; nothing is changed, nor found."""
        older = await store.put_document(PETS, "key", {"kind": "cat"})
        version = await store.put_document(PETS, "key", {"kind": "dog"})

        with pytest.raises(Conflict):
            await store.put_document(PETS, "key", {"kind": "cow"}, if_version=older)
        assert await _version(store, PETS, "key") == version
        assert await _keys(store, {"kind": "cow"}) == []
        assert await _keys(store, {"kind": "dog"}) == ["key"]

    async def test_put_if_version_refuses_a_missing_document(
        self, store: DocumentStore
    ) -> None:
        """What was deleted does not come back by its version."""
        version = await store.put_document(PETS, "key", {"kind": "cat"})
        await store.delete_document(PETS, "key")

        with pytest.raises(Conflict):
            await store.put_document(PETS, "key", {"kind": "cat"}, if_version=version)
        assert await store.get_document(PETS, "key") is None
        assert await _keys(store, {"kind": "cat"}) == []

    async def test_put_if_version_refuses_that_of_another(
        self, store: DocumentStore
    ) -> None:
        """A version belongs to one key of one collection."""
        await store.put_document(PLAIN, "key", {})
        others = [
            await store.put_document(PLAIN, "other", {}),
            await store.put_document(PETS, "key", {}),
        ]
        for version in others:
            with pytest.raises(Conflict):
                await store.put_document(PLAIN, "key", {}, if_version=version)

    async def test_put_if_absent_stores_once(self, store: DocumentStore) -> None:
        """The first one wins, and after a delete the next."""
        await store.put_document(PETS, "key", {"kind": "cat"}, if_absent=True)
        with pytest.raises(Conflict):
            await store.put_document(PETS, "key", {"kind": "dog"}, if_absent=True)

        assert await _keys(store, {"kind": "cat"}) == ["key"]
        assert await _keys(store, {"kind": "dog"}) == []
        await store.delete_document(PETS, "key")
        await store.put_document(PETS, "key", {"kind": "cow"}, if_absent=True)
        assert await _keys(store, {"kind": "cow"}) == ["key"]

    async def test_conditions_do_not_go_together(self, store: DocumentStore) -> None:
        """A document cannot be absent and have a version."""
        version = await store.put_document(PLAIN, "key", {})

        with pytest.raises(InvalidRequest):
            await store.put_document(
                PLAIN, "key", {}, if_version=version, if_absent=True
            )

    async def test_conflict_says_where(self, store: DocumentStore) -> None:
        """The error knows the instance and the operation."""
        with pytest.raises(Conflict) as put:
            await store.put_document(PLAIN, "key", {}, if_version="?")
        with pytest.raises(Conflict) as delete:
            await store.delete_document(PLAIN, "key", if_version="?")

        assert put.value.address == delete.value.address == "storage.kit"
        assert put.value.operation == "put_document"
        assert delete.value.operation == "delete_document"

    async def test_delete_removes_the_document(self, store: DocumentStore) -> None:
        """A deleted document is neither there nor found, which is no error."""
        await store.put_document(PETS, "key", {"kind": "cat"})

        assert await store.delete_document(PETS, "key") is True
        assert await store.get_document(PETS, "key") is None
        assert await _keys(store, {"kind": "cat"}) == []
        assert await store.delete_document(PETS, "key") is False

    async def test_delete_if_version_removes_that_version(
        self, store: DocumentStore
    ) -> None:
        """Who knows the stored version may delete it; who knows an older may not."""
        older = await store.put_document(PETS, "key", {"kind": "cat"})
        version = await store.put_document(PETS, "key", {"kind": "dog"})

        with pytest.raises(Conflict):
            await store.delete_document(PETS, "key", if_version=older)
        assert await _keys(store, {"kind": "dog"}) == ["key"]
        assert await store.delete_document(PETS, "key", if_version=version) is True

    async def test_find_without_a_question_lists_all_by_key(
        self, store: DocumentStore
    ) -> None:
        """Keys are ordered by code point."""
        for key in KEYS:
            await store.put_document(PETS, key, {})

        assert sorted(KEYS) == await _keys(store)
        assert sorted(KEYS, reverse=True) == await _keys(store, descending=True)

    async def test_find_by_text_is_exact(self, store: DocumentStore) -> None:
        """Texts that look alike, or mean something to a database, are apart."""
        for text in TEXTS:
            await store.put_document(PETS, f"key {text}", {"kind": text})

        for text in TEXTS:
            assert await _keys(store, {"kind": text}) == [f"key {text}"]

    async def test_texts_are_ordered_by_code_point(self, store: DocumentStore) -> None:
        """The order is the same in every backend, whatever its locale."""
        for text in reversed(TEXTS):
            await store.put_document(PETS, f"key {text}", {"kind": text})

        found = await _keys(store, order_by="kind")
        assert found == [f"key {text}" for text in sorted(TEXTS)]

    async def test_numbers_are_ordered_by_size(self, store: DocumentStore) -> None:
        """Whole numbers and others mix, none of them rounded."""
        for number in reversed(NUMBERS):
            await store.put_document(PETS, f"key {number}", {"age": number})

        found = await _keys(store, order_by="age")
        assert found == [f"key {number}" for number in NUMBERS]
        for number in NUMBERS:
            assert await _keys(store, {"age": number}) == [f"key {number}"]

    async def test_equal_numbers_are_found_by_each_other(
        self, store: DocumentStore
    ) -> None:
        """It does not matter whether a number was written with a point."""
        await store.put_document(PETS, "whole", {"age": 1})
        await store.put_document(PETS, "float", {"age": 1.0})

        assert await _keys(store, {"age": 1}) == ["float", "whole"]
        assert await _keys(store, {"age": 1.0}) == ["float", "whole"]

    async def test_booleans_are_found(self, store: DocumentStore) -> None:
        """False is neither True nor nothing, and comes between them."""
        for value in (True, None, False):
            await store.put_document(PETS, f"key {value}", {"tame": value})

        assert await _keys(store, {"tame": False}) == ["key False"]
        assert await _keys(store, {"tame": True}) == ["key True"]
        by_tame = await _keys(store, order_by="tame")
        assert by_tame == ["key None", "key False", "key True"]

    async def test_none_and_missing_are_found_alike(self, store: DocumentStore) -> None:
        """A field that is not there has the value None, and comes first."""
        await store.put_document(PETS, "b none", {"age": None})
        await store.put_document(PETS, "a missing", {})
        await store.put_document(PETS, "c", {"age": -1})

        nothing = ["a missing", "b none"]
        assert await _keys(store, {"age": None}) == nothing
        assert await _keys(store, order_by="age") == [*nothing, "c"]
        backwards = await _keys(store, order_by="age", descending=True)
        assert backwards == ["c", *reversed(nothing)]

    @pytest.mark.parametrize(
        ("wanted", "ages"),
        [
            (Range(at_least=2), [2, 3, 4]),
            (Range(above=2), [3, 4]),
            (Range(at_most=2), [0, 1, 2]),
            (Range(below=2), [0, 1]),
            (Range(at_least=1, below=3), [1, 2]),
            (Range(above=1, at_most=3), [2, 3]),
            (Range(at_least=0.5, at_most=1.5), [1]),
            (Range(at_least=0), [0, 1, 2, 3, 4]),
            (Range(above=3, below=2), []),
        ],
        ids=str,
    )
    async def test_range_has_the_bounds_that_it_names(
        self, store: DocumentStore, wanted: Range, ages: list[int]
    ) -> None:
        """Each bound is in or out as it says; None lies in no range."""
        for age in (3, 1, 4, 0, 2, None):
            await store.put_document(PETS, f"key {age}", {"age": age})

        assert await _keys(store, {"age": wanted}) == [f"key {age}" for age in ages]

    async def test_range_of_texts(self, store: DocumentStore) -> None:
        """Texts lie between texts by code point."""
        for kind in ("Ant", "ant", "bee", "b", "é", ""):
            await store.put_document(PETS, f"key {kind}", {"kind": kind})

        wanted = Range(at_least="a", below="c")
        assert await _keys(store, {"kind": wanted}) == ["key ant", "key b", "key bee"]

    async def test_conditions_all_hold(self, store: DocumentStore) -> None:
        """A document is found only if every field is as asked for."""
        for kind, age in (("cat", 1), ("cat", 5), ("dog", 1), ("dog", 5)):
            await store.put_document(PETS, f"{kind} {age}", {"kind": kind, "age": age})

        where = {"kind": "cat", "age": Range(at_least=2)}
        assert await _keys(store, where) == ["cat 5"]
        assert await _keys(store, where, order_by="tame") == ["cat 5"]

    async def test_equal_values_are_ordered_by_key(self, store: DocumentStore) -> None:
        """The order is always the same; backwards, it is all reversed."""
        for key in ("c", "a", "b"):
            await store.put_document(PETS, key, {"kind": "cat"})

        assert await _keys(store, order_by="kind") == ["a", "b", "c"]
        assert await _keys(store, order_by="kind", descending=True) == ["c", "b", "a"]

    @pytest.mark.parametrize("order_by", [None, "age", "kind"])
    @pytest.mark.parametrize("descending", [False, True])
    async def test_pages_hold_every_document_once(
        self, store: DocumentStore, order_by: str | None, *, descending: bool
    ) -> None:
        """However short the pages are, nothing is lost between them."""
        for number in range(12):
            body = {"age": number % 3 or None, "kind": "cat"}
            await store.put_document(PETS, f"key{number:02}", body)
        question: dict[str, Any] = {"order_by": order_by, "descending": descending}
        expected = await _keys(store, **question)

        assert len(expected) == 12
        for limit in (1, 2, 5, 11, 12, 13):
            assert await _keys(store, limit=limit, **question) == expected

    async def test_last_page_has_no_cursor(self, store: DocumentStore) -> None:
        """A page that ends exactly at the end is the last one."""
        for key in ("a", "b"):
            await store.put_document(PETS, key, {})

        assert (await store.find_documents(PETS, limit=2)).cursor is None
        assert (await store.find_documents(PETS, limit=1)).cursor is not None

    async def test_pages_go_on_while_documents_come_and_go(
        self, store: DocumentStore
    ) -> None:
        """What stays is listed once, though what the page ended with is gone."""
        for number in range(6):
            await store.put_document(PETS, f"key{number}", {"age": number})
        page = await store.find_documents(PETS, order_by="age", limit=3)
        await store.delete_document(PETS, "key2")
        for new in ("new", "newer"):
            await store.put_document(PETS, new, {"age": 0.5})

        rest = await store.find_documents(PETS, order_by="age", cursor=page.cursor)
        assert [one.key for one in page.documents] == ["key0", "key1", "key2"]
        assert [one.key for one in rest.documents] == ["key3", "key4", "key5"]

    async def test_index_that_is_declared_later_holds(
        self, store: DocumentStore
    ) -> None:
        """What was stored before is found by it, in other kinds than its own not."""
        bare = Collection(PETS.name)
        await store.put_document(bare, "a", {"age": 7, "kind": "cat"})
        await store.put_document(bare, "b", {"age": "old", "kind": 5})
        await store.put_document(PETS, "c", {"age": 7})

        assert await _keys(store, {"age": 7}) == ["a", "c"]
        assert await _keys(store, {"age": None}) == ["b"]
        assert await _keys(store, order_by="kind") == ["b", "c", "a"]

    async def test_write_that_knows_fewer_indexes_breaks_none(
        self, store: DocumentStore
    ) -> None:
        """An older program that writes beside a newer one does not hide documents."""
        await store.put_document(PETS, "a", {"age": 1})
        bare = Collection(PETS.name)
        await store.put_document(bare, "a", {"age": 2})
        await store.put_document(bare, "b", {"age": 2})

        assert await _keys(store, {"age": 1}) == []
        assert await _keys(store, {"age": 2}) == ["a", "b"]
        await store.delete_document(bare, "a")
        assert await _keys(store, {"age": 2}) == ["b"]

    @pytest.mark.parametrize(("field", "value"), NOT_OF_KIND, ids=_short)
    async def test_value_of_another_kind_is_refused(
        self, store: DocumentStore, field: str, value: Any
    ) -> None:
        """Neither stored nor asked for: it would be found in one backend only."""
        with pytest.raises(InvalidRequest):
            await store.put_document(PETS, "key", {field: value})
        with pytest.raises(InvalidRequest):
            await store.find_documents(PETS, {field: value})
        with pytest.raises(InvalidRequest):
            await store.find_documents(PETS, {field: Range(at_least=value)})

    async def test_field_without_an_index_is_refused(
        self, store: DocumentStore
    ) -> None:
        """Searching all documents would be slow only when there are many."""
        for question in ({"where": {"other": 1}}, {"order_by": "other"}):
            with pytest.raises(InvalidRequest, match="not indexed"):
                await store.find_documents(PETS, **question)

    async def test_range_without_bounds_is_refused(self, store: DocumentStore) -> None:
        """It is more likely a slip than a wish."""
        with pytest.raises(InvalidRequest):
            await store.find_documents(PETS, {"age": Range()})

    @pytest.mark.parametrize("cursor", NOT_CURSORS, ids=_short)
    async def test_bad_cursor_is_refused(
        self, store: DocumentStore, cursor: Any
    ) -> None:
        """What no page had leads nowhere."""
        with pytest.raises(InvalidRequest):
            await store.find_documents(PETS, cursor=cursor)

    async def test_cursor_of_another_order_is_refused(
        self, store: DocumentStore
    ) -> None:
        """It would lose documents without a word."""
        for number in range(3):
            await store.put_document(PETS, f"{number}", {"age": number})
        page = await store.find_documents(PETS, order_by="age", limit=1)

        for order_by, descending in (("age", True), ("kind", False), (None, False)):
            with pytest.raises(InvalidRequest):
                await store.find_documents(
                    PETS, order_by=order_by, descending=descending, cursor=page.cursor
                )

    @pytest.mark.parametrize("limit", [0, -1, 1.5, "5", None])
    async def test_bad_limit_is_refused(self, store: DocumentStore, limit: Any) -> None:
        """A page has at least one place."""
        with pytest.raises(InvalidRequest):
            await store.find_documents(PETS, limit=limit)

    async def test_compare_and_put_in_tasks_loses_nothing(
        self, store: DocumentStore
    ) -> None:
        """Tasks that read and put at once never overwrite each other."""
        await store.put_document(PETS, "key", {"age": 0})
        await asyncio.gather(*(_add_by_version(store, TURNS) for _ in range(TASKS)))

        assert await _keys(store, {"age": TASKS * TURNS}) == ["key"]

    async def test_one_task_is_first(self, store: DocumentStore) -> None:
        """Of tasks that store if absent at once, one succeeds."""
        stored = await asyncio.gather(
            *(
                store.put_document(PETS, "key", {"age": task}, if_absent=True)
                for task in range(TASKS)
            ),
            return_exceptions=True,
        )

        refused = [answer for answer in stored if isinstance(answer, Conflict)]
        assert len(refused) == TASKS - 1

    async def test_event_loops_may_follow_each_other(
        self, store: DocumentStore
    ) -> None:
        """A store works in the next event loop when the first has ended."""

        def use_two_loops() -> StoredDocument | None:
            asyncio.run(_then(lambda: store.put_document(PETS, "key", {"age": 1})))
            return asyncio.run(_then(lambda: store.get_document(PETS, "key")))

        assert await asyncio.to_thread(use_two_loops)
        assert await _keys(store, {"age": 1}) == ["key"]

    async def test_threads_may_share_a_store(self, store: DocumentStore) -> None:
        """Event loops in several threads write together, and lose nothing."""
        await store.put_document(PETS, "key", {"age": 0})

        def use() -> None:
            asyncio.run(_add_by_version(store, TURNS))

        await asyncio.gather(*(asyncio.to_thread(use) for _ in range(4)))

        assert await _keys(store, {"age": 4 * TURNS}) == ["key"]

    async def test_random_calls_agree_with_the_model(
        self, store: DocumentStore
    ) -> None:
        """Whatever is done in whatever order, a dict that does the same agrees."""
        await asyncio.to_thread(_compare_with_model, store, self.examples)


class DocumentCollectionsContract(DocumentStoreContract):
    """What a DocumentStore must do besides, if it can list its collections."""

    @pytest_asyncio.fixture
    async def catalog(
        self, make_board: MakeBoard
    ) -> AsyncGenerator[DocumentCollections]:
        """Return the store, empty, as what lists its collections."""
        async with make_board() as board:
            yield board.storage("kit", DocumentCollections)

    async def test_without_documents_there_are_no_collections(
        self, catalog: DocumentCollections
    ) -> None:
        """A collection that was only looked at is not listed."""
        assert await catalog.list_collections() == []
        await catalog.find_documents(PETS, {"kind": "cat"})
        await catalog.get_document(PLAIN, "key")
        assert await catalog.list_collections() == []

    async def test_collections_are_listed_in_order(
        self, catalog: DocumentCollections
    ) -> None:
        """Each one that has documents is listed once, under the name that it has."""
        names = sorted([name for name in KEYS if len(name) < 100])
        for name in reversed(names):
            await catalog.put_document(Collection(name), "one", {})
            await catalog.put_document(Collection(name), "two:", {})

        assert await catalog.list_collections() == names

    async def test_collections_end_with_their_last_document(
        self, catalog: DocumentCollections
    ) -> None:
        """What has no documents any more is not listed."""
        for key in ("one", "two"):
            await catalog.put_document(PETS, key, {"kind": "cat", "age": 3})
        await catalog.put_document(PLAIN, "one", {})
        await catalog.delete_document(PETS, "one")
        assert await catalog.list_collections() == ["pets", "plain"]
        await catalog.delete_document(PETS, "two")

        assert await catalog.list_collections() == ["plain"]


class PersistentDocumentStoreContract(DocumentStoreContract):
    """What a DocumentStore must do besides, if it is to outlive its process."""

    async def test_documents_outlive_the_board(self, make_board: MakeBoard) -> None:
        """What one board stored, the next one reads and finds."""
        async with make_board() as board:
            store = board.storage("kit", DocumentStore)
            version = await store.put_document(PETS, "key", {"kind": "cat"})

        async with make_board() as board:
            store = board.storage("kit", DocumentStore)
            assert await _version(store, PETS, "key") == version
            assert await _keys(store, {"kind": "cat"}) == ["key"]


async def _body(store: DocumentStore, collection: Collection, key: str) -> Any:
    found = await store.get_document(collection, key)
    return found and found.body


async def _version(store: DocumentStore, collection: Collection, key: str) -> Any:
    found = await store.get_document(collection, key)
    return found and found.version


async def _keys(
    store: DocumentStore, where: dict[str, Any] | None = None, **question: Any
) -> list[str]:
    """Return the keys of what is found on all pages."""
    page = await store.find_documents(PETS, where, **question)
    keys = [one.key for one in page.documents]
    while page.cursor is not None:
        page = await store.find_documents(PETS, where, cursor=page.cursor, **question)
        keys += [one.key for one in page.documents]
        assert len(keys) < 1000, "the cursors lead nowhere"
    return keys


async def _add_by_version(store: DocumentStore, turns: int) -> None:
    """Add 1 to the age of "key" *turns* times; begin again when too late."""
    for _ in range(turns + TASKS * TURNS):  # as often as others can be faster
        found = await store.get_document(PETS, "key")
        assert found
        body = {"age": found.body["age"] + 1}
        await asyncio.sleep(0)  # let the others read the same
        try:
            await store.put_document(PETS, "key", body, if_version=found.version)
        except Conflict:
            continue
        turns -= 1
        if not turns:
            return
    msg = "Puts are refused although nobody else wrote."
    raise AssertionError(msg)


async def _then(call: Callable[[], Awaitable[T]]) -> T:
    return await call()


def _compare_with_model(store: DocumentStore, examples: example_settings) -> None:
    numbers = itertools.count()
    with asyncio.Runner() as runner:

        class Machine(DocumentMachine):
            def __init__(self) -> None:
                super().__init__(store, runner, f"collection {next(numbers)}")

        run_state_machine_as_test(Machine, settings=examples)
