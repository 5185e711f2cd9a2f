"""What of an index a question means, and how values are written down."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from pegboard import Collection, IndexedField, Range, StoredDocument
from pegboard.contracts.document_search import checked_search
from pegboard_dynamodb._document_item import Held, Home
from pegboard_dynamodb._index_bounds import bounds_of
from pegboard_dynamodb._item import LONGEST_KEY, body_of, json_of, upper

TEXT, NUMBER = IndexedField("text", "text"), IndexedField("number", "number")
COLLECTION = Collection("x", (TEXT, NUMBER))
HOME = Home("prefix", "x")
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.one_of(
    st.text(CHARACTERS, max_size=4),
    st.sampled_from(["a" * 399, "a" * 400, "a" * 401, "a" * 400 + "b", "\x01\x03"]),
)
NUMBERS = st.one_of(
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -0.0, 5e-324, 1e300]),
)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3)
MANY = example_settings(max_examples=300, deadline=None, database=None)


def ranges(values):
    """Return questions about a field with these *values*."""
    return st.one_of(
        values,
        st.none(),
        st.builds(Range, at_least=values),
        st.builds(Range, above=values),
        st.builds(Range, at_most=values),
        st.builds(Range, above=values, below=values),
        st.builds(Range, at_least=values, at_most=values),
    )


@pytest.mark.parametrize(("index", "values"), [(TEXT, TEXTS), (NUMBER, NUMBERS)])
@pytest.mark.parametrize("descending", [False, True])
def test_what_is_meant_lies_within_the_bounds(index, values, descending):
    """Nothing that answers a question is passed over, on any page."""

    @MANY
    @given(
        value=st.none() | values,
        other=st.none() | values,
        wanted=ranges(values),
        keys=st.tuples(KEYS, KEYS),
    )
    def check(value, other, wanted, keys):
        question = {"order_by": index.name, "descending": descending}
        begun = checked_search(
            COLLECTION, {index.name: wanted}, limit=1, cursor=None, **question
        )
        found = [
            StoredDocument(key, f'{{"{index.name}": {json.dumps(one)}}}', "1")
            for key, one in zip(keys, (value, other), strict=True)
        ]
        cursor = begun.page([found[1], found[1]]).cursor
        search = checked_search(
            COLLECTION, {index.name: wanted}, limit=1, cursor=cursor, **question
        )
        for one in (begun, search):
            first, last = bounds_of(one, index)
            place = Held(found[0], frozenset()).entry(HOME, index)
            if one.takes(found[0].key, found[0].body):
                assert first <= place.key <= last

    check()


@MANY
@given(wanted=ranges(TEXTS.map(lambda text: text * 400)))
def test_bounds_are_never_longer_than_allowed(wanted):
    """However long the values are that are asked for."""
    search = checked_search(
        COLLECTION,
        {"text": wanted},
        order_by=None,
        descending=False,
        limit=1,
        cursor=None,
    )

    assert all(len(bound.encode()) <= 1024 for bound in bounds_of(search, TEXT))


@given(prefix=st.text(CHARACTERS, max_size=5), rest=st.text(CHARACTERS, max_size=300))
def test_no_key_comes_after_the_upper_bound_of_its_prefix(prefix, rest):
    """The bound is as long as a key can be, and no longer."""
    key = (prefix + rest).encode()[:LONGEST_KEY].decode(errors="ignore")
    bound = upper(prefix)

    assert len(bound.encode()) <= 1024
    assert key <= bound or not key.startswith(prefix)
    assert upper(prefix) >= prefix + "\U0010ffff" * 250


@pytest.mark.parametrize(
    ("text", "is_number"),
    [
        ("0", True),
        ("-1", True),
        ("9223372036854775807", True),
        ("-9223372036854775808", True),
        ("9223372036854775808", False),
        ("-0", False),
        ("1.0", False),
        ("1e5", False),
        ("true", False),
        ('"7"', False),
        ("--1", False),
    ],
)
def test_what_can_be_counted_is_a_number(text, is_number):
    """And what is read is what was stored, digit for digit."""
    body = body_of(text)

    assert ("N" in body) == is_number
    assert json_of({"body": body}) == text
