"""Values of types from real models, by settings alone."""

import json
from enum import Enum
from typing import Annotated, Literal

import pytest
from pegboard import Pegboard, sync
from pegboard.testing import FaultServer, Scripted, openai_wire
from pydantic import BaseModel, Field


class Weather(Enum):
    sunny = "sunny"
    rainy = "rainy"


class Forecast(BaseModel):
    """The weather of a day."""

    weather: Weather
    degrees: int = Field(ge=-20, le=40)
    will_freeze: bool = False


class Week(BaseModel):
    first: Forecast = Field(description="The first day.")
    others: list[Literal["good", "bad"]] = Field(min_length=2, max_length=3)


# The server's Responses API pays no attention to schemas.
PROVIDERS = ["local", "openai-chat"]
Few = Annotated[list[Forecast], Field(max_length=2)]
QUESTION = "How will the weather be?"


def settings(name, server):
    """Return the settings of a provider with a real model."""
    provider, _, api = name.partition("-")
    service = {
        "api": api,
        "base_url": f"{server.url}/v1",
        "api_key": server.key,
        "model": "smollm2",
    }
    given = {"provider": provider, **(service if api else {})}
    return {"llm": {"default": given}}


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("form", [Week, Few, Weather | None])
async def test_values_of_types(name, form, llama_server):
    """A real model is held to the type: nested, wrapped, with references."""
    async with Pegboard.isolated(settings(name, llama_server)) as board:
        reply = await board.llm().complete(QUESTION, output=form, max_tokens=300)

    assert is_of(reply.output, form)
    assert reply.usage.output > 0


@pytest.mark.parametrize("name", PROVIDERS)
async def test_values_grow(name, llama_server):
    """What is shown on the way is the beginning of what comes out."""
    async with (
        Pegboard.isolated(settings(name, llama_server)) as board,
        board.llm().stream(QUESTION, output=Week, max_tokens=300) as stream,
    ):
        seen = [partial async for partial in stream.partial]

    assert stream.output == Week.model_validate(seen[-1])
    assert len(seen) > 2
    assert all(seen[-1].keys() >= partial.keys() for partial in seen)


def test_values_without_async(llama_server):
    """The blocking twin does the same."""
    with sync.Pegboard.isolated(settings("openai-chat", llama_server)) as board:
        reply = board.llm().complete(QUESTION, output=Forecast, max_tokens=300)

    assert isinstance(reply.output, Forecast)


def is_of(value, form):
    """Return whether *value* is one of *form*."""
    if form is Few:
        return all(isinstance(one, Forecast) for one in value)
    return isinstance(value, form)


DAY = {"weather": "sunny", "degrees": 20, "will_freeze": False}
WEEK = {"first": DAY, "others": ["good", "bad"]}


@pytest.mark.parametrize(
    ("form", "value", "is_strict"),
    [
        (Week, WEEK, True),
        (list[Week], {"value": [WEEK]}, True),
        (Week | int, {"value": 3}, True),
        (dict[str, int], {"a": 1}, False),
    ],
)
async def test_types_are_strict_where_they_can_be(form, value, is_strict):
    """What is strict is guaranteed by the service: all but objects of any names."""
    said = openai_wire.chat_message(json.dumps(value))
    async with FaultServer() as server:
        server.respond(Scripted.json(openai_wire.chat_completion(said)))
        section = {
            "provider": "openai",
            "api": "chat",
            "base_url": server.url,
            "api_key": "k",
            "model": "gpt-5-nano",
        }
        async with Pegboard.isolated({"llm": {"default": section}}) as board:
            await board.llm().complete(QUESTION, output=form)
        sent = server.requests[0].json["response_format"]["json_schema"]

    assert sent["strict"] is is_strict
