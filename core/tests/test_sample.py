from __future__ import annotations

import enum
from typing import Annotated, Any, Literal

import jsonschema_rs
import pytest
from pegboard.builtin._sample import sample
from pydantic import BaseModel, Field


class Colour(enum.Enum):
    RED = "red"


class Node(BaseModel):
    name: Annotated[str, Field(min_length=3)]
    next: Node | None


class Everything(BaseModel):
    text: str
    whole: Annotated[int, Field(gt=4)]
    low: Annotated[float, Field(le=-5)]
    flag: bool
    nothing: None
    one: Literal["a", "b"]
    only: Literal[7]
    colour: Colour
    either: int | str
    many: Annotated[list[Node], Field(min_length=2)]
    pair: tuple[int, str]
    table: dict[str, int]
    anything: Any
    left_out: int = 3


SCHEMAS: list[dict[str, Any]] = [
    {},
    {"type": ["string", "null"]},
    {"type": "array", "items": {"type": "integer"}, "minItems": 3},
    {"required": ["a"], "properties": {"a": {"type": "boolean"}}},
    {"oneOf": [{"type": "integer", "minimum": 7}, {"type": "string"}]},
    {
        "allOf": [
            {"$ref": "#/$defs/named"},
            {"required": ["age"], "properties": {"age": {"type": "integer"}}},
        ],
        "$defs": {
            "named": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}},
            }
        },
    },
    Node.model_json_schema(),
    Everything.model_json_schema(),
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=range(len(SCHEMAS)))
def test_the_sample_fits_its_schema(schema: dict[str, Any]) -> None:
    """What is made up for a schema is valid by it."""
    jsonschema_rs.validate(schema, sample(schema))


def test_only_what_is_required_is_made_up() -> None:
    """The sample is minimal."""
    assert sample(Node.model_json_schema()) == {"name": "xxx", "next": None}
