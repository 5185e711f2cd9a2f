"""Plain values in Notion's terms: pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from typing import Any, NoReturn

from pegboard.errors import InvalidRequest

MOST_CHARACTERS = 2_000
"""A piece of text has no more; what is longer is several pieces."""
EMPTY_LISTS = frozenset(
    {"files", "multi_select", "people", "relation", "rich_text", "title"}
)
"""Types of properties in which no value is an empty list."""


def properties(given: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """
    Return *given* values in Notion's terms, by the types of *columns*.

    Raises:
        InvalidRequest: There is no such column, or it does not take such a value.

    """
    return {name: _property(name, value, columns) for name, value in given.items()}


def schema(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Notion is told of *columns*: types, or their descriptions."""
    return {
        name: {"type": kind, kind: {}} if isinstance(kind, str) else kind
        for name, kind in columns.items()
    }


def rich_text(words: str) -> list[dict[str, Any]]:
    """Return *words* as text without marks."""
    return [{"type": "text", "text": {"content": piece}} for piece in _pieces(words)]


def block(given: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return a block: text is a paragraph."""
    if isinstance(given, Mapping):
        return dict(given)
    return {"type": "paragraph", "paragraph": {"rich_text": rich_text(given)}}


def _pieces(words: str) -> Sequence[str]:
    """Cut *words*, whose characters count as in UTF-16."""
    pieces, start, size = [], 0, 0
    for place, character in enumerate(words):
        width = 1 + (character > "\uffff")
        if size + width > MOST_CHARACTERS:
            pieces.append(words[start:place])
            start, size = place, 0
        size += width
    return [*pieces, words[start:]] if words else []


def _property(name: str, value: Any, columns: Mapping[str, str]) -> dict[str, Any]:
    kind = columns.get(name) or _refuse_name(name, columns)
    if isinstance(value, Mapping) and kind in value:
        return dict(value)
    if value is None:
        return {kind: [] if kind in EMPTY_LISTS else None}
    if kind not in WRITERS:
        _refuse(f"The column {name!r} ({kind}) cannot be written")
    if (written := WRITERS[kind](value)) is None:
        _refuse(f"The column {name!r} takes {TAKES[kind]}, not {value!r}")
    return {kind: written}


def _refuse_name(name: str, columns: Mapping[str, str]) -> NoReturn:
    near = get_close_matches(name, columns, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    known = ", ".join(sorted(columns)) or "none"
    _refuse(f"There is no column {name!r}.{guess} Known: {known}")


def _refuse(what: str) -> NoReturn:
    msg = f"{what}."
    raise InvalidRequest(msg, request_sent="no")


def _text(value: Any) -> Any:
    return rich_text(value) if isinstance(value, str) else None


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else None


def _number(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else None


def _checkbox(value: Any) -> Any:
    return value if isinstance(value, bool) else None


def _name(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else None


def _date(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value) if "start" in value else None
    if isinstance(value, date):
        return {"start": value.isoformat()}
    return {"start": value} if isinstance(value, str) else None


def _list(key: str) -> Callable[[Any], Any]:
    def write(value: Any) -> Any:
        if isinstance(value, str) or not isinstance(value, Sequence):
            return None
        if not all(isinstance(one, str) for one in value):
            return None
        return [{key: one} for one in value]

    return write


def _files(value: Any) -> Any:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return None
    if not all(isinstance(one, Mapping) and {"name", "url"} <= {*one} for one in value):
        return None
    return [{"name": one["name"], "external": {"url": one["url"]}} for one in value]


WRITERS: Mapping[str, Callable[[Any], Any]] = {
    "checkbox": _checkbox,
    "date": _date,
    "email": _plain,
    "files": _files,
    "multi_select": _list("name"),
    "number": _number,
    "people": _list("id"),
    "phone_number": _plain,
    "relation": _list("id"),
    "rich_text": _text,
    "select": _name,
    "status": _name,
    "title": _text,
    "url": _plain,
}
"""What makes Notion's value of a plain one, or None if it is none of this type."""
TAKES: Mapping[str, str] = {
    "checkbox": "true or false",
    "date": "a date, text such as '2026-01-31', or a mapping with 'start' and 'end'",
    "email": "text",
    "files": "a list of mappings with 'name' and 'url'",
    "multi_select": "a list of names",
    "number": "a number",
    "people": "a list of ids of people",
    "phone_number": "text",
    "relation": "a list of ids of pages",
    "rich_text": "text",
    "select": "a name",
    "status": "a name",
    "title": "text",
    "url": "text",
}
