"""Random calls to a DocumentStore, and beside them a model of a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from pegboard import Collection, IndexedField, Range, StoredDocument, StoredPage
from pegboard.errors import Conflict

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Mapping

    from pegboard import DocumentStore

T = TypeVar("T")

INDEXES = (
    IndexedField("name", "text"),
    IndexedField("size", "number"),
    IndexedField("good", "boolean"),
)
TEXTS = st.sampled_from([None, "", "a", "B", "\ufffd", "\U0001f600"])
NUMBERS = st.sampled_from([None, -1, 0, 0.5, 1, 1.0, 1e300])
BOOLEANS = st.sampled_from([None, False, True])
FIELDS: Mapping[str, st.SearchStrategy[Any]] = {
    "name": TEXTS,
    "size": NUMBERS,
    "good": BOOLEANS,
}
KEYS = ("a", "A", "a/b", "a_b", "%", "é", "\ufffd", "\U0001f600")
CONDITIONS = st.sampled_from(["none", "none", "none", "newest", "older", "absent"])
BODIES = st.fixed_dictionaries({}, optional={**FIELDS, "other": TEXTS})


def _wanted(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    bounds = values.filter(lambda value: value is not None)
    ranges = st.one_of(
        st.builds(Range, at_least=bounds),
        st.builds(Range, above=bounds),
        st.builds(Range, at_most=bounds),
        st.builds(Range, at_least=bounds, below=bounds),
    )
    return values | ranges


Where = st.SearchStrategy[dict[str, Any]]
ONE_CONDITION: Where = st.one_of(
    [st.fixed_dictionaries({name: _wanted(kind)}) for name, kind in FIELDS.items()]
)
WHERE: Where = st.one_of(
    st.just({}),
    ONE_CONDITION,
    st.builds(lambda one, other: one | other, ONE_CONDITION, ONE_CONDITION),
)


class Held(NamedTuple):
    """What the model knows of a document."""

    body: dict[str, Any]
    version: str


class DocumentMachine(RuleBasedStateMachine):
    """Do the same to a store and to a dict, and compare every answer."""

    def __init__(
        self, store: DocumentStore, runner: asyncio.Runner, collection: str
    ) -> None:
        super().__init__()
        self.store = store
        self.runner = runner
        self.collection = Collection(collection, INDEXES)
        self.model: dict[str, Held] = {}
        self.versions = [""]

    @initialize(bodies=st.lists(BODIES, min_size=5, max_size=len(KEYS)))
    def fill(self, bodies: list[dict[str, Any]]) -> None:
        """Have something to find."""
        for key, body in zip(KEYS, bodies, strict=False):
            self.put(key, body, "absent")

    @rule(key=st.sampled_from(KEYS), body=BODIES, condition=CONDITIONS)
    def put(self, key: str, body: dict[str, Any], condition: str) -> None:
        """Store a document, maybe under a condition."""
        if_version = self.choose_version(key, condition)
        absent = condition == "absent"
        version: Any = self.call(
            lambda: self.store.put_document(
                self.collection, key, body, if_version=if_version, if_absent=absent
            )
        )
        if not holds(self.model.get(key), if_version, absent=absent):
            assert version is Conflict
            return
        assert version not in self.versions
        self.versions.append(version)
        self.model[key] = Held(body, version)

    @rule(
        key=st.sampled_from(KEYS),
        condition=CONDITIONS.filter(lambda chosen: chosen != "absent"),
    )
    def delete(self, key: str, condition: str) -> None:
        """Remove a document, maybe under a condition."""
        if_version = self.choose_version(key, condition)
        deleted = self.call(
            lambda: self.store.delete_document(
                self.collection, key, if_version=if_version
            )
        )
        if not holds(self.model.get(key), if_version, absent=False):
            assert deleted is Conflict
            return
        assert deleted is (self.model.pop(key, None) is not None)

    @rule(key=st.sampled_from(KEYS))
    def read(self, key: str) -> None:
        """Read a document."""
        found: Any = self.call(lambda: self.store.get_document(self.collection, key))
        assert (found and (found.body, found.version)) == self.model.get(key)

    @rule(
        where=WHERE,
        order_by=st.sampled_from([None, *FIELDS]),
        descending=st.booleans(),
        limit=st.integers(1, 4),
    )
    def find(
        self,
        where: dict[str, Any],
        order_by: str | None,
        descending: bool,  # noqa: FBT001 - hypothesis passes all by name
        limit: int,
    ) -> None:
        """Find documents, page by page."""
        expected = sorted(
            (key for key, held in self.model.items() if is_meant(held.body, where)),
            key=lambda key: rank(key, self.model[key].body, order_by),
            reverse=descending,
        )
        question = {"order_by": order_by, "descending": descending, "limit": limit}
        found = self.runner.run(self.walk(where, **question))
        assert expected == [document.key for document in found]
        assert all(self.model[one.key] == (one.body, one.version) for one in found)

    async def walk(
        self, where: Mapping[str, Any], **question: Any
    ) -> list[StoredDocument]:
        """Return the documents of all pages."""
        page = await self.store.find_documents(self.collection, where, **question)
        found = [*page.documents]
        while page.cursor is not None:
            page = await self.next_page(where, page, question)
            found += page.documents
            assert 0 < len(page.documents) <= question["limit"]
            assert len(found) <= len(self.model), "documents are listed twice"
        return found

    async def next_page(
        self, where: Mapping[str, Any], page: StoredPage, question: Mapping[str, Any]
    ) -> StoredPage:
        """Return the page after *page*."""
        return await self.store.find_documents(
            self.collection, where, cursor=page.cursor, **question
        )

    def call(self, method: Callable[[], Coroutine[Any, Any, T]]) -> T | type[Conflict]:
        """Return what *method* says, or the class of its error."""
        try:
            return self.runner.run(method())
        except Conflict as error:
            return type(error)

    def choose_version(self, key: str, condition: str) -> str | None:
        """Return the version that *condition* asks for."""
        if condition == "newest" and key in self.model:
            return self.model[key].version
        return self.versions[-1] if condition in {"newest", "older"} else None


def holds(held: Held | None, if_version: str | None, *, absent: bool) -> bool:
    """Tell whether the condition of a call is met."""
    if absent:
        return held is None
    return if_version is None or (held is not None and held.version == if_version)


def is_meant(body: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Tell whether *body* is as *where* says."""
    return all(_is_meant(body.get(field), wanted) for field, wanted in where.items())


def _is_meant(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, Range):
        return bool(value == wanted)
    return value is not None and not (
        (wanted.at_least is not None and value < wanted.at_least)
        or (wanted.above is not None and value <= wanted.above)
        or (wanted.at_most is not None and value > wanted.at_most)
        or (wanted.below is not None and value >= wanted.below)
    )


def rank(key: str, body: Mapping[str, Any], field: str | None) -> tuple[Any, ...]:
    """Return what documents are sorted by."""
    value = None if field is None else body.get(field)
    return (False, key) if value is None else (True, value, key)
