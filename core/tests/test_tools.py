"""Functions as tools: what is told of them, and what they are called with."""

import datetime as dt
import functools
import json
from typing import Annotated, Literal

import pytest
from pegboard import Tool, errors
from pegboard.tools import as_tools, bound, make_tool
from pydantic import BaseModel, Field


class Place(BaseModel):
    city: str
    country: str = "FR"


def weather(place: Place, day: dt.date, unit: Literal["C", "F"] = "C") -> str:
    """
    Tell the weather.

    It is made up.

    Args:
        place: Where,
            on Earth.
        day (date): When.
        unit: Of degrees.

    Returns:
        Words.

    """
    return f"{place.city}, {day:%d.%m.}, {unit}"


PARIS = {"place": {"city": "Paris"}, "day": "2026-07-14"}


def schema_of(function):
    """Return the schema of what *function* takes, by name."""
    return make_tool(function).parameters["properties"]


def test_tool_is_described_by_its_function():
    """Name, description and what is required come from the function."""
    tool = make_tool(weather)

    assert tool.name == "weather"
    assert tool.description == "Tell the weather.\n\nIt is made up."
    assert tool.parameters["required"] == ["place", "day"]
    assert tool.parameters["additionalProperties"] is False


def test_parameters_are_described_by_the_docstring():
    """What Args: says of a parameter is in the schema, continued lines too."""
    found = schema_of(weather)

    assert found["place"]["description"] == "Where, on Earth."
    assert found["day"] == {
        "description": "When.",
        "format": "date",
        "type": "string",
    }
    assert found["unit"] == {
        "description": "Of degrees.",
        "enum": ["C", "F"],
        "type": "string",
    }


def test_sphinx_fields_are_read():
    """Docstrings in the style of Sphinx serve as well."""

    def add(a: int, b: int) -> int:
        """
        Add numbers.

        :param a: The first,
            not the last.
        :param int b: The last.
        :returns: the sum
        """
        return a + b

    assert make_tool(add).description == "Add numbers."
    assert schema_of(add)["a"]["description"] == "The first, not the last."
    assert schema_of(add)["b"]["description"] == "The last."


def test_annotation_says_more_than_the_docstring():
    """A description in the annotation wins; its limits stay in any case."""

    def roll(
        sides: Annotated[int, Field(ge=2)],
        dice: Annotated[int, Field(description="How many.", le=9)],
    ) -> int:
        """
        Roll dice.

        Args:
            sides: How many sides.
            dice: Not this.

        """
        return sides * dice

    assert schema_of(roll) == {
        "sides": {"description": "How many sides.", "minimum": 2, "type": "integer"},
        "dice": {"description": "How many.", "maximum": 9, "type": "integer"},
    }


def test_function_gets_what_its_annotations_say():
    """JSON becomes dates, models and all else, and defaults are the function's own."""
    assert bound(make_tool(weather), PARIS)() == "Paris, 14.07., C"


class Counter:
    """Count."""

    def __init__(self):
        self.count = 0

    def add(self, by: int) -> int:
        """Add to the count."""
        self.count += by
        return self.count

    async def __call__(self, by: int) -> int:
        return self.add(by)


def test_methods_keep_their_object():
    """A bound method is a tool without its self."""
    counter = Counter()
    tool = make_tool(counter.add)
    bound(tool, {"by": 3})()

    assert (tool.name, [*tool.parameters["properties"]]) == ("add", ["by"])
    assert counter.count == 3


def test_callable_objects_are_tools():
    """An object that can be called is named and described by its class."""
    tool = make_tool(Counter(), name="count")

    assert (tool.name, tool.description) == ("count", "Count.")
    assert [*tool.parameters["properties"]] == ["by"]


def test_what_a_partial_has_is_not_the_models_to_give():
    """A model neither sees nor changes what the program has filled in."""
    tool = make_tool(functools.partial(weather, unit="F"))

    assert (tool.name, "unit" in tool.parameters["properties"]) == ("weather", False)
    assert bound(tool, PARIS)() == "Paris, 14.07., F"
    with pytest.raises(errors.InvalidRequest, match="unit: Extra inputs"):
        bound(tool, PARIS | {"unit": "C"})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "place: Field required; day: Field required"),
        (PARIS | {"day": "soon"}, "day: Input should be a valid date"),
        (PARIS | {"unit": "K"}, "unit: Input should be 'C' or 'F'"),
        (PARIS | {"hour": 3}, "hour: Extra inputs are not permitted"),
        (PARIS | {"place": {"town": "x"}}, "place: city: Field required"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, expected):
    """What the function does not take never reaches it."""
    with pytest.raises(errors.InvalidRequest, match="which was not called") as caught:
        bound(make_tool(weather), arguments)

    assert expected in str(caught.value)


def test_refusal_does_not_repeat_the_values():
    """Arguments may be private; the model knows them anyway."""
    with pytest.raises(errors.InvalidRequest) as caught:
        bound(make_tool(weather), PARIS | {"day": "my secret"})

    assert "secret" not in str(caught.value)


def test_handler_of_a_tool_gets_arguments_that_fit_its_schema():
    """A tool that is made by hand is held against its own schema."""
    schema = {
        "type": "object",
        "properties": {"x-y": {"type": "integer"}},
        "required": ["x-y"],
    }
    tool = Tool("any", "", schema, handler=lambda **given: given)

    assert bound(tool, {"x-y": 1})() == {"x-y": 1}
    with pytest.raises(errors.InvalidRequest, match='x-y: "1" is not of type'):
        bound(tool, {"x-y": "1"})


def no_type(city) -> str:
    """Take anything."""
    return city


def rest(*cities: str) -> str:
    """Take any number."""
    return str(cities)


def more(**cities: str) -> str:
    """Take any names."""
    return str(cities)


def by_place(city: str, /) -> str:
    """Take no names."""
    return city


def no_json(city: Counter) -> str:
    """Take what JSON has not."""
    return str(city)


def nowhere(city: "Unheard") -> str:  # noqa: F821 - that is the point
    """Take what nobody knows."""
    return city


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (no_type, "'city' has no type. Annotate it"),
        (rest, r"\*cities: str cannot be given by name"),
        (more, r"\*\*cities: str cannot be given by name"),
        (by_place, "cannot be given by name"),
        (no_json, "The function no_json cannot be a tool: Unable to generate"),
        (nowhere, "name 'Unheard' is not defined"),
        (lambda: None, "cannot be called '<lambda>'"),
    ],
)
def test_function_that_cannot_be_a_tool_is_refused(function, expected):
    """What a model cannot give is said when the tool is made, not when it is called."""
    with pytest.raises(errors.InvalidRequest, match=expected) as caught:
        make_tool(function)

    assert caught.value.request_sent == "no"


def test_name_and_description_may_be_given():
    """A lambda needs a name; a description replaces the docstring."""
    tool = make_tool(lambda: "now", name="time", description="Tell the time.")

    assert (tool.name, tool.description) == ("time", "Tell the time.")
    assert tool.parameters["properties"] == {}


def test_duplicate_names_are_refused():
    """Two tools with one name: nobody could say which is meant."""
    other = Tool("weather", "", {"type": "object"})

    with pytest.raises(errors.InvalidRequest, match="Two tools are called 'weather'"):
        as_tools([weather, other])


def test_functions_and_tools_mix():
    """Tools stay what they are; functions become tools."""
    other = Tool("other", "", {"type": "object"})
    tools = as_tools([other, weather])

    assert tools[0] is other
    assert [tool.name for tool in tools] == ["other", "weather"]


def test_types_become_schemas_that_strict_services_take():
    """No references with something beside them, no defaults, no noise."""
    text = json.dumps(make_tool(weather).parameters)

    assert not [word for word in ("$ref", "default", "title") if word in text]
