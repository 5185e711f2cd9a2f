"""Which part of an index a question means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard.contracts.document_order import CUT, SOME, sortable

from ._item import HIGHEST, LONGEST_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pegboard import IndexedField
    from pegboard.contracts.document_search import Condition, Operator, Search

SEPARATOR = "\0"
"""Stands between the value of a field and the key of its document; in no value."""
PAST = "\x01"
"""Comes after the separator, and before whatever makes a value longer."""
BEYOND = "\x02"
"""Comes after all texts that begin alike and are too long to be told apart."""
LOWEST = "\0"
LAST = chr(ord(SOME) + 1)
"""Comes after every value."""
STARTS: Mapping[Operator, str] = {"=": SEPARATOR, ">=": SEPARATOR, ">": PAST}
ENDS: Mapping[Operator, str] = {"=": PAST, "<=": PAST, "<": SEPARATOR}
"""What follows a value where the part of the index begins, and where it ends."""


def bounds_of(search: Search, index: IndexedField) -> tuple[str, str]:
    """Return between which keys of *index* all documents are that *search* means."""
    first, last = LOWEST, LAST
    for condition in search.conditions:
        if condition.index == index:
            begin, end = _bounds(condition)
            first, last = max(first, begin), min(last, end)
    for place in _place_before(search, index):
        first, last = (
            (first, min(last, place))
            if search.descending
            else (max(first, place), last)
        )
    return _cut(first), _ended(last)


def _bounds(condition: Condition) -> tuple[str, str]:
    sign, value = condition.operator, sortable(condition.value)
    begins, ends = sign in STARTS, sign in ENDS
    if sign != "=" and CUT in value:
        start = value.partition(CUT)[0]
        return start if begins else SOME, start + BEYOND if ends else LAST
    return (
        value + STARTS[sign] if begins else SOME,
        value + ENDS[sign] if ends else LAST,
    )


def _place_before(search: Search, index: IndexedField) -> Iterator[str]:
    """Yield where the last document of the page before is, if the index has it."""
    if search.after is None:
        return
    value, key = search.after
    if search.order_by == index:
        yield f"{sortable(value)}{SEPARATOR}{key}"
    for condition in search.conditions if search.order_by is None else ():
        if condition.operator == "=" and condition.index == index:
            yield f"{sortable(condition.value)}{SEPARATOR}{key}"


def _cut(text: str) -> str:
    """Return what of *text* can be asked for; it comes no later."""
    return text.encode()[: LONGEST_KEY + 4].decode(errors="ignore")


def _ended(text: str) -> str:
    """Return what of *text* can be asked for; it comes no sooner."""
    cut = text.encode()[:LONGEST_KEY].decode(errors="ignore")
    return text if cut == text else cut + HIGHEST
