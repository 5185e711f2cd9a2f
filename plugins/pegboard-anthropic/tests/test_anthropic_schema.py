from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from anthropic import transform_schema
from pegboard_anthropic._schema import fitted
from pydantic import BaseModel, Field

CLOSED = {"additionalProperties": False}


class Street(BaseModel):
    """Part of an address."""

    name: str = Field(max_length=40)
    number: int | None = Field(None, ge=1)


class Person(BaseModel):
    name: str
    home: Street
    tags: list[str] = Field(min_length=1, max_length=3)


def an_object(**properties: Any) -> dict[str, Any]:
    """Return a schema of an object with *properties*."""
    return {"type": "object", "properties": properties}


def test_objects_are_closed() -> None:
    """The service demands it; what fits the closed one fits the open one."""
    schema = an_object(a={"type": "string"}, b=an_object(c={"type": "null"}))

    assert fitted(schema) == {
        **schema,
        **CLOSED,
        "properties": {
            "a": {"type": "string"},
            "b": {**an_object(c={"type": "null"}), **CLOSED},
        },
    }


def test_schema_of_the_user_is_not_changed() -> None:
    """It is needed afterwards, to check the reply."""
    schema = an_object(a={"type": "string", "maxLength": 3, "description": "x"})
    fitted(schema)

    assert schema == an_object(a={"type": "string", "maxLength": 3, "description": "x"})


@pytest.mark.parametrize(
    ("keyword", "node"),
    [
        ("minimum", {"type": "integer", "minimum": 1}),
        ("maxLength", {"type": "string", "maxLength": 5}),
        ("pattern", {"type": "string", "pattern": "^a"}),
        ("format", {"type": "string", "format": "color"}),
        ("maxItems", {"type": "array", "items": {"type": "null"}, "maxItems": 2}),
        ("minItems", {"type": "array", "items": {"type": "null"}, "minItems": 2}),
        ("default", {"type": "boolean", "default": True}),
    ],
)
def test_unknown_keyword_is_told_in_words(keyword: str, node: dict[str, Any]) -> None:
    """The service would refuse it, and the model may still keep it."""
    schema = an_object(a={**node, "description": "What it is."})
    found = (fitted(schema) or {})["properties"]["a"]

    assert keyword not in found
    assert found["description"].startswith("What it is.\n\n")
    assert f'"{keyword}": ' in found["description"]


@pytest.mark.parametrize(
    "node",
    [
        {"type": "string", "format": "date"},
        {"type": "array", "items": {"type": "integer"}, "minItems": 1},
        {"enum": ["a", 1, None, True]},
        {"const": "a"},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {"allOf": [{"type": "string"}]},
        {"$ref": "#/$defs/x"},
    ],
)
def test_known_keyword_stays(node: dict[str, Any]) -> None:
    """The service holds the reply to it."""
    assert (fitted(an_object(a=node)) or {})["properties"]["a"] == node


def test_several_types_are_alternatives() -> None:
    """The service knows one type for each node."""
    node = {"type": ["string", "null"], "format": "date"}
    found = (fitted(an_object(a=node)) or {})["properties"]["a"]

    assert found == {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}


def test_one_of_becomes_any_of() -> None:
    """Core checks that it is only one."""
    node = {"oneOf": [{"type": "string"}, {"type": "null"}]}

    assert (fitted(an_object(a=node)) or {})["properties"]["a"] == {
        "anyOf": node["oneOf"]
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "integer"}},
        an_object(a={}),
        an_object(a=True),
        an_object(a={"type": "array"}),
        an_object(a={"type": "array", "prefixItems": [{"type": "null"}]}),
        {**an_object(a={"type": "null"}), "required": ["b"]},
        {
            **an_object(a={"$ref": "#/$defs/a"}),
            "$defs": {"a": an_object(a={"$ref": "#/$defs/a"})},
        },
        {
            "$ref": "#/definitions/a",
            "definitions": {
                "a": an_object(b={"$ref": "#/definitions/b"}),
                "b": an_object(a={"$ref": "#/definitions/a"}),
            },
        },
        an_object(a={"$ref": "#"}),
    ],
)
def test_open_schema_cannot_be_guaranteed(schema: dict[str, Any]) -> None:
    """Closing it would leave nothing to say; or the service refuses to follow."""
    assert fitted(schema) is None


def test_schema_of_pydantic_is_guaranteed() -> None:
    """Just as the SDK would have it, but for the words of its descriptions."""
    schema = Person.model_json_schema()
    found = fitted(schema)

    assert found is not None
    assert wordless(found) == wordless(transform_schema(Person))


def test_what_fits_the_result_fits_the_schema() -> None:
    """Nothing that the service may let through is wrong in kind."""
    schema = Person.model_json_schema()
    value = {"name": "A", "home": {"name": "B", "number": None}, "tags": ["c"]}

    jsonschema_rs.validate(fitted(schema) or {}, value)
    jsonschema_rs.validate(schema, value)


def wordless(node: Any) -> Any:
    """Return *node* without its descriptions."""
    if isinstance(node, dict):
        return {k: wordless(v) for k, v in node.items() if k != "description"}
    return [wordless(one) for one in node] if isinstance(node, list) else node
