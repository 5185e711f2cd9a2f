from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from pegboard_notion import _read, _write

PERSON = {"object": "user", "id": "u1"}


@pytest.mark.parametrize(
    ("told", "value"),
    [
        ({"type": "formula", "formula": {"type": "number", "number": 5}}, 5),
        (
            {
                "type": "formula",
                "formula": {"type": "date", "date": {"start": "2026-01-01"}},
            },
            "2026-01-01",
        ),
        ({"type": "rollup", "rollup": {"type": "number", "number": 5}}, 5),
        (
            {
                "type": "rollup",
                "rollup": {
                    "type": "array",
                    "array": [{"type": "select", "select": {"name": "x"}}],
                },
            },
            ["x"],
        ),
        ({"type": "unique_id", "unique_id": {"prefix": "TASK", "number": 7}}, "TASK-7"),
        ({"type": "unique_id", "unique_id": {"prefix": None, "number": 7}}, "7"),
        ({"type": "created_by", "created_by": PERSON}, "u1"),
        (
            {"type": "created_time", "created_time": "2026-01-01T00:00:00Z"},
            "2026-01-01T00:00:00Z",
        ),
        ({"type": "status", "status": {"name": "Done"}}, "Done"),
        ({"type": "verification", "verification": {"state": "verified"}}, "verified"),
        ({"type": "people", "people": [PERSON]}, ["u1"]),
        ({"type": "button", "button": {}}, {}),
        ({"type": "of_2030", "of_2030": {"some": "thing"}}, {"some": "thing"}),
        (
            {
                "type": "date",
                "date": {
                    "start": "2026-01-01",
                    "end": None,
                    "time_zone": "Europe/Oslo",
                },
            },
            {"start": "2026-01-01", "time_zone": "Europe/Oslo"},
        ),
        (
            {
                "type": "files",
                "files": [{"name": "a", "type": "file", "file": {"url": "https://x"}}],
            },
            [{"name": "a", "url": "https://x"}],
        ),
    ],
)
def test_what_notion_computes_is_plain(told: dict[str, object], value: object) -> None:
    """Whatever the type; what is unknown stays as it is."""
    assert _read.value(told) == value


@pytest.mark.parametrize("size", [0, 1, 1999, 2000, 2001, 4000, 4001])
@pytest.mark.parametrize("character", ["a", "\U0001f600"])
def test_text_is_cut_between_characters(size: int, character: str) -> None:
    """Each piece has 2000 UTF-16 units at the most, and together they are the text."""
    words = character * size
    pieces = [piece["text"]["content"] for piece in _write.rich_text(words)]

    assert "".join(pieces) == words
    assert all(0 < len(piece.encode("utf-16-le")) <= 4000 for piece in pieces)


@pytest.mark.parametrize(
    ("given", "start"),
    [
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00+00:00"),
    ],
)
def test_dates_may_be_dates(given: date, start: str) -> None:
    """As Python has them."""
    written = _write.properties({"Day": given}, {"Day": "date"})

    assert written == {"Day": {"date": {"start": start}}}


def test_columns_are_types_or_their_descriptions() -> None:
    """None removes one."""
    described = {"type": "number", "number": {"format": "euro"}}

    assert _write.schema({"a": "number", "b": described, "c": None}) == {
        "a": {"type": "number", "number": {}},
        "b": described,
        "c": None,
    }


def test_every_writer_says_what_it_takes() -> None:
    """So that an error can say it."""
    assert {*_write.WRITERS} == {*_write.TAKES}
