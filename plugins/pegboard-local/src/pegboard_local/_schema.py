"""JSON Schema as llama.cpp can keep it."""

from __future__ import annotations

from typing import Any

SCHEMAS = {"$defs", "definitions", "patternProperties", "properties"}
"""Keywords whose values are schemas by name."""
VALUES = {"const", "default", "enum", "examples"}
"""Keywords whose values are not schemas."""


def without_patterns(schema: Any) -> Any:
    """
    Return *schema* without ``pattern``, which is left to the check of the reply.

    llama.cpp warns on the terminal of the ones that it does not understand, and for
    some of the others writes what is not JSON.
    """
    if isinstance(schema, list | tuple):
        return [without_patterns(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        keyword: _inner(keyword, value)
        for keyword, value in schema.items()
        if keyword != "pattern"
    }


def _inner(keyword: str, value: Any) -> Any:
    if keyword in VALUES:
        return value
    if keyword in SCHEMAS and isinstance(value, dict):
        return {name: without_patterns(inner) for name, inner in value.items()}
    return without_patterns(value)
