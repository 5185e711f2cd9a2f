"""JSON Schemas as the service takes them. Nothing here does I/O."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

FORMATS = frozenset(
    {
        "date",
        "date-time",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "time",
        "uri",
        "uuid",
    }
)
"""Formats of text that the service can hold a reply to."""
KEPT = ("title", "description")
MOST_MIN_ITEMS = 1
DEFINITIONS = ("$defs", "definitions")

Schema = Mapping[str, Any]


class _OpenSchemaError(Exception):
    """The schema leaves open what the service wants to know."""


def fitted(schema: Schema) -> dict[str, Any] | None:
    """
    Return *schema* so that the service can hold a reply to it, or None if it cannot.

    What fits the result fits *schema*, but for keywords that the service does not
    know: these are told to the model in the description of what they are about.
    """
    try:
        return None if _is_recursive(schema) else _fitted(schema)
    except _OpenSchemaError:
        return None


def _fitted(node: Any) -> dict[str, Any]:
    if not isinstance(node, Mapping):  # true: anything, false: nothing
        raise _OpenSchemaError
    rest = dict(node)
    found: dict[str, Any] = {
        name: {key: _fitted(one) for key, one in rest.pop(name).items()}
        for name in DEFINITIONS
        if name in rest
    }
    if "$ref" in rest:
        return {**found, "$ref": rest["$ref"]}
    found |= {name: rest.pop(name) for name in KEPT if name in rest}
    found |= _shape(rest)
    return _with_description(found, rest)


def _shape(rest: dict[str, Any]) -> dict[str, Any]:
    """Take what says of which kind a value is out of *rest*, and return it."""
    for name in ("enum", "const"):
        if name in rest and _is_plain(rest[name]):
            rest.pop("type", None)
            return {name: rest.pop(name)}
    for name, known in (("anyOf", "anyOf"), ("oneOf", "anyOf"), ("allOf", "allOf")):
        if name in rest:
            return {known: [_fitted(one) for one in rest.pop(name)]}
    kind = rest.pop("type", None)
    if isinstance(kind, list):
        return {"anyOf": _alternatives(kind, rest)}
    if kind is None:
        raise _OpenSchemaError
    return {"type": kind, **SHAPES.get(kind, _nothing)(rest)}


def _alternatives(kinds: list[str], rest: dict[str, Any]) -> list[dict[str, Any]]:
    shared = dict(rest)
    rest.clear()
    plain = {"null", "boolean"}
    return [
        {"type": kind} if kind in plain else _fitted({**shared, "type": kind})
        for kind in kinds
    ]


def _object(rest: dict[str, Any]) -> dict[str, Any]:
    named = rest.pop("properties", {})
    is_open = rest.pop("additionalProperties", True) is not False
    required = list(rest.pop("required", ()))
    if is_open and (not named or not named.keys() >= set(required)):
        raise _OpenSchemaError
    return {
        "properties": {name: _fitted(one) for name, one in named.items()},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _array(rest: dict[str, Any]) -> dict[str, Any]:
    if "items" not in rest or "prefixItems" in rest:
        raise _OpenSchemaError
    items = {"items": _fitted(rest.pop("items"))}
    if rest.get("minItems", MOST_MIN_ITEMS + 1) <= MOST_MIN_ITEMS:
        items["minItems"] = rest.pop("minItems")
    return items


def _string(rest: dict[str, Any]) -> dict[str, Any]:
    known = rest.get("format") in FORMATS
    return {"format": rest.pop("format")} if known else {}


def _nothing(_rest: dict[str, Any]) -> dict[str, Any]:
    return {}


SHAPES = {"object": _object, "array": _array, "string": _string}


def _with_description(found: dict[str, Any], rest: Schema) -> dict[str, Any]:
    """Tell the model of *rest*, which the service would refuse."""
    if not rest:
        return found
    said = found.get("description")
    told = json.dumps(rest, ensure_ascii=False, default=str)
    return {**found, "description": f"{said}\n\n{told}" if said else told}


def _is_plain(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return bool(values) and all(
        one is None or isinstance(one, str | int | float) for one in values
    )


def _is_recursive(schema: Schema) -> bool:
    """Return whether a definition leads back to itself, which the service refuses."""
    leads = {
        f"#/{place}/{name}": set(_references(one))
        for place in DEFINITIONS
        for name, one in schema.get(place, {}).items()
    }
    leads["#"] = set(_references(schema))
    return any(start in _reached(start, leads) for start in leads)


def _reached(start: str, leads: Mapping[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    ahead = [*leads[start]]
    while ahead:
        place = ahead.pop()
        if place not in reached:
            reached.add(place)
            ahead += leads.get(place, ())
    return reached


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            yield from _references(one)
