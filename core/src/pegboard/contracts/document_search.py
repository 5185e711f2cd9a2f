"""Questions to collections of documents, as backends answer them."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .documents import (
    Collection,
    IndexedField,
    Range,
    StoredDocument,
    StoredPage,
    checked_collection,
    checked_value,
    indexed_value,
    refuse,
)
from .key_value import checked_key, checked_limit

if TYPE_CHECKING:
    from collections.abc import Callable

Operator = Literal["=", ">=", ">", "<=", "<"]
OPERATORS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    "=": eq,
    ">=": ge,
    ">": gt,
    "<=": le,
    "<": lt,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison that a document must pass."""

    index: IndexedField
    operator: Operator
    value: Any
    """None is compared by ``=`` only, and then stands for itself."""

    def holds(self, body: Mapping[str, Any]) -> bool:
        """Tell whether *body* passes."""
        value = indexed_value(body, self.index)
        if value is None or self.value is None:
            return value is self.value
        return OPERATORS[self.operator](value, self.value)


class Place(NamedTuple):
    """Where a document stands in an order."""

    value: Any
    key: str

    @property
    def rank(self) -> tuple[Any, ...]:
        """What to sort by."""
        return (False, self.key) if self.value is None else (True, *self)


@dataclass(frozen=True, slots=True)
class Search:
    """A question that is in order."""

    conditions: tuple[Condition, ...]
    order_by: IndexedField | None
    descending: bool
    limit: int
    after: Place | None
    """The place of the last document of the page before."""

    def takes(self, key: str, body: Mapping[str, Any]) -> bool:
        """Tell whether a document belongs on this page or on a later one."""
        return self._is_later(key, body) and all(
            condition.holds(body) for condition in self.conditions
        )

    def place(self, key: str, body: Mapping[str, Any]) -> Place:
        """Return where a document stands in the order."""
        return Place(self.order_by and indexed_value(body, self.order_by), key)

    def page(self, found: Sequence[StoredDocument]) -> StoredPage:
        """Return the page of *found*, which go on if there are more than the limit."""
        shown = tuple(found[: self.limit])
        goes_on = len(found) > self.limit
        return StoredPage(shown, cursor=self._cursor(shown[-1]) if goes_on else None)

    def _is_later(self, key: str, body: Mapping[str, Any]) -> bool:
        if self.after is None:
            return True
        here, there = self.place(key, body).rank, self.after.rank
        return here < there if self.descending else here > there

    def _cursor(self, last: StoredDocument) -> str:
        field = self.order_by and self.order_by.name
        order = [field, self.descending, *self.place(last.key, last.body)]
        return urlsafe_b64encode(json.dumps(order).encode()).decode()


def checked_search(  # noqa: PLR0913 - a question has this many parts
    collection: Collection,
    where: Mapping[str, Any] | None,
    *,
    order_by: str | None,
    descending: bool,
    limit: int,
    cursor: str | None,
) -> Search:
    """Return the question to *collection* if it can be answered."""
    checked_collection(collection)
    wanted = (where or {}).items()
    conditions = [
        condition
        for field, value in wanted
        for condition in _conditions(_index_of(field, collection), value)
    ]
    index = None if order_by is None else _index_of(order_by, collection)
    after = None if cursor is None else _place(cursor, index, descending=descending)
    return Search(tuple(conditions), index, descending, checked_limit(limit), after)


def _conditions(index: IndexedField, wanted: Any) -> Iterator[Condition]:
    if isinstance(wanted, Range):
        yield from _bounds(index, wanted)
    elif wanted is None:
        yield Condition(index, "=", None)
    else:
        yield Condition(index, "=", checked_value(index, wanted))


def _bounds(index: IndexedField, wanted: Range) -> Iterator[Condition]:
    bounds: dict[Operator, Any] = {
        ">=": wanted.at_least,
        ">": wanted.above,
        "<=": wanted.at_most,
        "<": wanted.below,
    }
    given = {sign: value for sign, value in bounds.items() if value is not None}
    if not given:
        refuse(f"The range of {index.name!r} has no bounds. Give one, or leave it out.")
    for operator, value in given.items():
        yield Condition(index, operator, checked_value(index, value))


def _index_of(field: str, collection: Collection) -> IndexedField:
    fields = collection.fields
    if field not in fields:
        refuse(
            f"{field!r} is not indexed in {collection.name!r}. Indexed: "
            f"{', '.join(fields) or 'nothing'}. Documents are found by what is indexed."
        )
    return fields[field]


def _place(cursor: str, index: IndexedField | None, *, descending: bool) -> Place:
    """Return the place that *cursor* stands for."""
    try:
        order_by, was_descending, value, key = json.loads(urlsafe_b64decode(cursor))
    except (ValueError, TypeError, RecursionError):
        refuse(f"{cursor!r} is no cursor of documents. Pass on what a page had.")
    if (order_by, was_descending) != (index and index.name, descending):
        refuse("The cursor is of another order. Go on with the one that it began with.")
    if index is not None and value is not None:
        checked_value(index, value)
    return Place(value, checked_key(key))
