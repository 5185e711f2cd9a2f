"""Schemas that are made of types, as the strictest services take them."""

from typing import Annotated, Literal

import jsonschema_rs
import pytest
from pegboard.schema import portable, whole
from pydantic import BaseModel, Field, TypeAdapter


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    title: str = Field(description="Its title.")


class Owner(BaseModel):
    """Somebody with pets."""

    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    first: Cat = Field(description="The first pet.")
    friends: "list[Owner]" = []
    scores: dict[str, int] = {}


class Bare(BaseModel):
    first: Cat = Field(description="The first pet.")


def schema_of(form):
    """Return what is sent for *form*."""
    return whole(portable(TypeAdapter(form).json_schema()))


def objects_of(schema):
    """Yield every object schema with properties in *schema*."""
    if isinstance(schema, list):
        for one in schema:
            yield from objects_of(one)
    elif isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield schema
        for one in schema.values():
            yield from objects_of(one)


@pytest.mark.parametrize("form", [Cat, Dog, Owner, list[Owner], Bare])
def test_every_object_is_closed_and_whole(form):
    """Strict services want all properties required, and no others allowed."""
    found = [*objects_of(schema_of(form))]

    assert found
    for one in found:
        assert one["additionalProperties"] is False
        assert one["required"] == [*one["properties"]]


@pytest.mark.parametrize("form", [Cat, Dog, Owner, list[Owner], Bare])
def test_it_stays_a_schema(form):
    """What is changed is still JSON Schema."""
    assert jsonschema_rs.validator_for(schema_of(form))


def test_a_property_called_title_stays():
    """Noise is taken out of schemas, not out of what they describe."""
    assert schema_of(Dog)["properties"]["title"] == {
        "description": "Its title.",
        "type": "string",
    }


def test_reference_with_a_description_is_resolved():
    """Some services take a reference only alone."""
    first = schema_of(Bare)["properties"]["first"]

    assert first["description"] == "The first pet."
    assert [*first["properties"]] == ["kind", "lives"]


def test_definitions_that_nobody_needs_are_left_out():
    """What was resolved everywhere is not sent twice."""
    assert "$defs" not in schema_of(Bare)


def test_alternatives_are_any_of():
    """A discriminator is what only some services know."""
    assert schema_of(Owner)["properties"]["pet"] == {
        "anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]
    }


def test_recursive_types_end():
    """A type that holds itself keeps its reference."""
    friends = schema_of(Owner)["properties"]["friends"]

    assert friends == {"items": {"$ref": "#/$defs/Owner"}, "type": "array"}


def test_open_objects_stay_open():
    """A mapping by any name cannot be closed."""
    assert schema_of(Owner)["properties"]["scores"] == {
        "additionalProperties": {"type": "integer"},
        "type": "object",
    }


def test_values_of_the_type_fit_its_schema():
    """What the type dumps is what the schema asks for."""
    cat = Cat(kind="cat")
    owner = Owner(pet=cat, first=cat, friends=[Owner(pet=cat, first=cat)])

    jsonschema_rs.validate(schema_of(Owner), owner.model_dump())
