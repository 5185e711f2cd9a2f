from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pegboard import IndexedField
from pegboard.contracts.document_order import (
    LONGEST,
    mark,
    marked,
    sortable,
    sortable_fields,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.text(
    "\x00\x01\x02a\ud7ff\ue000\U0010ffff", max_size=8
)
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(
    allow_nan=False, allow_infinity=False
)


@given(st.lists(TEXTS | st.none(), min_size=2, max_size=2))
def test_texts_keep_their_order(pair):
    """None is first, and the bytes of what stands for texts have their order."""
    assert_same_order(*pair)


@given(st.lists(NUMBERS | st.none(), min_size=2, max_size=2))
def test_numbers_keep_their_order(pair):
    """Whole ones and others mix, and those that are equal stay so."""
    assert_same_order(*pair)


def assert_same_order(one, other):
    """Check that two values compare as what stands for them."""
    first, second = sortable(one).encode(), sortable(other).encode()
    if one is None or other is None:
        assert (first < second) == (one is None and other is not None)
    else:
        assert (first < second, first == second) == (one < other, one == other)
    assert b"\x00" not in first


def test_booleans_keep_their_order():
    """None, False, True."""
    texts = [sortable(value) for value in (None, False, True)]

    assert texts == sorted(set(texts))


def test_long_texts_are_apart():
    """They have their place by their beginning, and a digest tells them apart."""
    long = ["x" * LONGEST + end for end in ("", "a", "b", "a" * 9000)]
    texts = [sortable(text) for text in long]

    assert len(set(texts)) == len(long)
    assert max(map(len, texts)) < LONGEST + 70
    assert sortable("x" * (LONGEST - 1) + "w" * 9) < min(texts)
    assert max(texts) < sortable("x" * (LONGEST - 1) + "y")


def test_huge_numbers_have_a_place():
    """Nobody can ask for them, and still they are neither lost nor in the way."""
    below, above = sortable(-(10**400)), sortable(10**400)

    assert below < sortable(-1e308) < sortable(1e308) < above


def test_everything_that_can_be_indexed_is_known():
    """Fields of other kinds, and those whose names are none, are left out."""
    body = {"a": "x", "b": 1, "c": True, "d": None, "e": [1], "f g": 1, "h": "\ud800"}

    assert set(sortable_fields(body)) == {"t_a", "n_b", "b_c", "t_h"}


def test_marks_tell_indexes():
    """A mark says all of an index."""
    for index in (IndexedField("a_b", "text"), IndexedField("é", "boolean")):
        assert marked(mark(index)) == index
