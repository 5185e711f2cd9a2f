"""What Notion tells, as plain values: pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .contract import Database, DataSource, NotionPage

MOST_VALUES = 25
"""Of a property, a page shows no more values than these."""
LONG = frozenset({"people", "relation", "rich_text", "title"})
"""The types of properties that can have more of them."""


def page(told: Mapping[str, Any]) -> NotionPage:
    """Return the page that Notion *told* of."""
    properties = told["properties"]
    titles = (one["title"] for one in properties.values() if one["type"] == "title")
    return NotionPage(
        id=told["id"],
        title=text(next(titles, ())),
        url=told["url"],
        properties={name: value(one) for name, one in properties.items()},
        source=told["parent"].get("data_source_id"),
        in_trash=bool(told.get("in_trash")),
        cut=tuple(name for name, one in properties.items() if is_cut(one)),
    )


def data_source(told: Mapping[str, Any]) -> DataSource:
    """Return the data source that Notion *told* of."""
    columns = {name: one["type"] for name, one in told["properties"].items()}
    return DataSource(
        id=told["id"],
        title=text(told.get("title", ())),
        columns=columns,
        database=told["parent"].get("database_id"),
    )


def database(told: Mapping[str, Any]) -> Database:
    """Return the database that Notion *told* of."""
    return Database(
        id=told["id"],
        title=text(told.get("title", ())),
        url=told.get("url", ""),
        sources={one["id"]: one["name"] for one in told["data_sources"]},
    )


def is_cut(told: Mapping[str, Any]) -> bool:
    """Return whether a property may have more values than Notion *told*."""
    kind = told["type"]
    if "has_more" in told:
        return bool(told["has_more"])
    return kind in LONG and len(told[kind]) >= MOST_VALUES


def value(told: Mapping[str, Any]) -> Any:
    """Return the plain value of a property; what is of an unknown type as it is."""
    kind = told["type"]
    found = told.get(kind)
    return None if found is None else READERS.get(kind, _as_it_is)(found)


def text(told: Any) -> str:
    """Return rich text without its marks."""
    return "".join(one["plain_text"] for one in told)


def _as_it_is(told: Any) -> Any:
    return told


def _name(told: Mapping[str, Any]) -> str:
    return str(told["name"])


def _id(told: Mapping[str, Any]) -> str:
    return str(told["id"])


def _date(told: Mapping[str, Any]) -> Any:
    if told.get("end") or told.get("time_zone"):
        return {name: one for name, one in told.items() if one is not None}
    return told["start"]


def _file(told: Mapping[str, Any]) -> dict[str, Any]:
    where = told.get(told.get("type", ""), {})
    return {"name": told["name"], "url": where.get("url")}


def _unique_id(told: Mapping[str, Any]) -> str:
    prefix = f"{told['prefix']}-" if told.get("prefix") else ""
    return f"{prefix}{told['number']}"


def _rollup(told: Mapping[str, Any]) -> Any:
    if told["type"] == "array":
        return [value(one) for one in told["array"]]
    return value(told)


def _each(read: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    return lambda told: [read(one) for one in told]


READERS: Mapping[str, Callable[[Any], Any]] = {
    "created_by": _id,
    "date": _date,
    "files": _each(_file),
    "formula": value,
    "last_edited_by": _id,
    "multi_select": _each(_name),
    "people": _each(_id),
    "relation": _each(_id),
    "rich_text": text,
    "rollup": _rollup,
    "select": _name,
    "status": _name,
    "title": text,
    "unique_id": _unique_id,
    "verification": lambda told: told["state"],
}
