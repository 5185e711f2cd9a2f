"""What of the indexes a question is about: pure values, no server."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from pegboard.contracts.document_order import NONE, SOME, mark, sortable

if TYPE_CHECKING:
    from pegboard.contracts.document_search import Condition, Search

BY_KEY = ""
"""The mark of the index of all keys, in which every value is None."""
START, END = b"", b"\xff"
"""All members are between these."""
BEFORE_KEY, AFTER_KEYS = b"\x00", b"\x01"
"""What follows the value in each member that has it, and is above all of them."""


@dataclass(frozen=True, slots=True)
class Span:
    """The members of an index from *low* on and below *high*."""

    mark: str
    low: bytes = START
    high: bytes = END

    def within(self, low: bytes, high: bytes) -> Span:
        """Return what of it is between these bounds, too."""
        return replace(self, low=max(self.low, low), high=min(self.high, high))

    def after(self, member: bytes, *, descending: bool) -> Span:
        """Return what of it comes after *member*."""
        if descending:
            return self.within(START, member)
        return self.within(member + BEFORE_KEY, END)  # the least that is greater


@dataclass(frozen=True, slots=True)
class Indexes:
    """The indexes that a collection has on the server, by their marks."""

    ready: frozenset[str] = frozenset()
    growing: frozenset[str] = frozenset()
    """Those that new documents are in, and not yet all others."""

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the indexes that *text* on the server stands for."""
        marks = text.split()
        growing = frozenset(one[1:] for one in marks if one[0] == "~")
        return cls(frozenset(one for one in marks if one[0] != "~"), growing)

    @property
    def text(self) -> str:
        """What stands for them on the server."""
        return " ".join([*sorted(self.ready), *(f"~{m}" for m in sorted(self.growing))])

    @property
    def marks(self) -> frozenset[str]:
        """All that a document has to be put into."""
        return self.ready | self.growing

    def growing_with(self, marks: frozenset[str]) -> Indexes:
        """Return the same with more, which are not ready."""
        return Indexes(self.ready, self.growing | (marks - self.ready))

    def grown(self, marks: frozenset[str]) -> Indexes:
        """Return the same where these are ready."""
        return Indexes(self.ready | marks, self.growing - marks)


def spans_of(search: Search) -> list[Span]:
    """Return what a document must lie in; the first span is in the order of results."""
    spans: dict[str, Span] = {}
    for condition in search.conditions:
        one = mark(condition.index)
        spans[one] = spans.get(one, Span(one)).within(*_bounds(condition))
    equal = None if search.order_by else _first_equal(search)
    first = mark(search.order_by) if search.order_by else BY_KEY
    if equal is not None:  # those that are equal in a field are ordered by key
        first = mark(equal.index)
    order = spans.pop(first, Span(first))
    if search.after is not None:
        value = search.after.value if equal is None else equal.value
        last = sortable(value).encode() + BEFORE_KEY + search.after.key.encode()
        order = order.after(last, descending=search.descending)
    return [order, *spans.values()]


def _first_equal(search: Search) -> Condition | None:
    equals = (one for one in search.conditions if one.operator == "=")
    return next(equals, None)


def _bounds(condition: Condition) -> tuple[bytes, bytes]:
    value, something = sortable(condition.value).encode(), (NONE + SOME).encode()
    before, after = value + BEFORE_KEY, value + AFTER_KEYS
    return {
        "=": (before, after),
        ">=": (before, END),
        ">": (after, END),
        "<=": (something, after),
        "<": (something, before),
    }[condition.operator]
