from __future__ import annotations

from typing import Any

import pytest
from pegboard import File, Image, ToolResult, Usage
from pegboard.errors import InvalidReply
from pegboard_openai import _convert

CLOSED: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def test_bytes_become_a_data_address() -> None:
    """The media type goes before the content."""
    assert _convert.address_of(Image(b"abc")) == "data:image/png;base64,YWJj"


def test_address_stays_as_it_is() -> None:
    """What the service can fetch is not fetched here."""
    assert _convert.address_of(File("https://a/b.pdf")) == "https://a/b.pdf"


def test_failed_tool_says_so_in_its_words() -> None:
    """The APIs have no field for it."""
    result = ToolResult("1", "look", "no such file", is_error=True)

    assert _convert.result_text(result) == "Error: no such file"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("City", "City"),
        ("A city, or two", "A_city_or_two"),
        ("", "reply"),
        ("!", "reply"),
    ],
)
def test_schema_name_has_only_what_the_api_accepts(title: str, name: str) -> None:
    """Letters, digits, underscores and hyphens."""
    assert _convert.schema_name({"title": title}) == name


def test_schema_name_is_not_too_long() -> None:
    """The API takes 64 characters."""
    assert len(_convert.schema_name({"title": "x" * 100})) == 64


@pytest.mark.parametrize(
    "schema",
    [
        CLOSED,
        {**CLOSED, "properties": {"city": {"anyOf": [CLOSED, {"type": "null"}]}}},
        {**CLOSED, "properties": {"city": {"type": "array", "items": CLOSED}}},
        {
            **CLOSED,
            "properties": {"city": {"$ref": "#/$defs/c"}},
            "$defs": {"c": CLOSED},
        },
        {**CLOSED, "properties": {"city": {"enum": ["not", "if"]}}},
    ],
)
def test_closed_schema_is_strict(schema: dict[str, Any]) -> None:
    """Every object in it has just the properties that it requires."""
    assert _convert.is_strict(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "array", "items": CLOSED},
        {**CLOSED, "required": []},
        {**CLOSED, "additionalProperties": True},
        {"type": "object", "properties": {}, "required": []},
        {**CLOSED, "properties": {"city": {"type": "object"}}},
        {**CLOSED, "properties": {"city": {"oneOf": [CLOSED]}}},
        {**CLOSED, "properties": {"city": {"items": {"properties": {}}}}},
        {**CLOSED, "$defs": {"c": {"type": "object", "properties": {"x": {}}}}},
    ],
)
def test_open_schema_is_not_strict(schema: dict[str, Any]) -> None:
    """The service would refuse it, or guarantee something else."""
    assert not _convert.is_strict(schema)


def test_extra_goes_over_the_body() -> None:
    """A vendor parameter replaces ours; objects in both are joined."""
    body = {"model": "m", "text": {"format": {}}}
    extra = {"model": "n", "text": {"verbosity": "low"}, "user": "u"}

    assert _convert.merged(body, extra) == {
        "model": "n",
        "text": {"format": {}, "verbosity": "low"},
        "user": "u",
    }


def test_arguments_may_be_left_out() -> None:
    """A tool without parameters is called with nothing."""
    assert _convert.arguments_of("now", "") == {}


@pytest.mark.parametrize("text", ['{"city": "Par', "[1]", "null"])
def test_arguments_that_are_no_object_are_refused(text: str) -> None:
    """The error names the tool."""
    with pytest.raises(InvalidReply, match="'look'"):
        _convert.arguments_of("look", text)


def test_usage_buckets_do_not_overlap() -> None:
    """Cache and reasoning are taken out of the sums that include them."""
    usage = _convert.usage_of(
        11,
        7,
        18,
        {"cached_tokens": 4, "cache_write_tokens": 2},
        {"reasoning_tokens": 3},
    )

    assert usage == Usage(input=5, cache_read=4, cache_write=2, output=4, reasoning=3)
    assert usage.total == 18


def test_reasoning_that_is_counted_apart_is_not_taken_out() -> None:
    """Some services leave it out of the reply's tokens; the total tells."""
    usage = _convert.usage_of(11, 7, 21, {}, {"reasoning_tokens": 3})

    assert usage == Usage(input=11, output=7, reasoning=3)
    assert usage.total == 21
