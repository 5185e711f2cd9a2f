"""Runs with tools over the API of each service, by settings alone."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from pegboard import Pegboard
from pegboard.testing import (
    FaultServer,
    Scripted,
    anthropic_wire,
    gemini_wire,
    ollama_wire,
    openai_wire,
)
from pydantic import BaseModel

CITIES = ["Paris", "Rome"]
SUM = {"warmest": "Rome", "degrees": 30}


class Answer(BaseModel):
    warmest: str
    degrees: int


@dataclass(frozen=True)
class Wire:
    """How a service says things."""

    settings: dict[str, Any]
    calls: Any
    """Makes the answer that calls tools, of their names and arguments."""
    words: dict[str, Any]
    before: tuple[dict[str, Any], ...] = ()
    """What it is asked before it is given tools, such as whether it takes any."""


def chat_calls(*calls):
    """Return calls as the Chat Completions API has them."""
    tool_calls = [
        openai_wire.chat_tool_call(name, json.dumps(given), call_id=f"call_{n}")
        for n, (name, given) in enumerate(calls)
    ]
    message = openai_wire.chat_message(None, tool_calls=tool_calls)
    return openai_wire.chat_completion(message, finish_reason="tool_calls")


def response_calls(*calls):
    """Return calls as the Responses API has them."""
    items = [
        openai_wire.function_call(name, json.dumps(given), call_id=f"call_{n}")
        for n, (name, given) in enumerate(calls)
    ]
    return openai_wire.response(*items)


def message_calls(*calls):
    """Return calls as the Messages API has them."""
    blocks = [
        anthropic_wire.tool_use(name, given, call_id=f"toolu_{n}")
        for n, (name, given) in enumerate(calls)
    ]
    return anthropic_wire.message(*blocks, stop_reason="tool_use")


def gemini_calls(*calls):
    """Return calls as Gemini has them: without ids."""
    return gemini_wire.response(
        *(gemini_wire.function_call(name, given) for name, given in calls)
    )


def ollama_calls(*calls):
    """Return calls as Ollama has them: without ids."""
    tool_calls = [ollama_wire.tool_call(name, given) for name, given in calls]
    return ollama_wire.chat(ollama_wire.message("", tool_calls=tool_calls))


WIRES = {
    "openai-chat": Wire(
        {"provider": "openai", "api": "chat", "api_key": "k", "path": "/v1"},
        chat_calls,
        openai_wire.chat_completion(),
    ),
    "openai-responses": Wire(
        {"provider": "openai", "api": "responses", "api_key": "k", "path": "/v1"},
        response_calls,
        openai_wire.response(),
    ),
    "anthropic": Wire(
        {"provider": "anthropic", "api_key": "k"},
        message_calls,
        anthropic_wire.message(),
    ),
    "gemini": Wire(
        {"provider": "gemini", "api_key": "k"}, gemini_calls, gemini_wire.response()
    ),
    "ollama": Wire(
        {"provider": "ollama"},
        ollama_calls,
        ollama_wire.chat(),
        before=(ollama_wire.show("tools"),),
    ),
}


def degrees(city: str) -> int:
    """
    Measure the temperature.

    Args:
        city: Its name.

    """
    return {"Paris": 21, "Rome": 30}[city]


async def played(name, *answers, **parameters):
    """Return a run that meets *answers*, and the bodies that were sent."""
    wire = WIRES[name]
    section = {"model": "gpt-5-nano", **wire.settings}
    async with FaultServer() as server:
        server.respond(*map(Scripted.json, (*wire.before, *answers)))
        address = f"{server.url}{section.pop('path', '')}"
        section["host" if name == "ollama" else "base_url"] = address
        settings = {"llm": {"default": section}}
        async with Pegboard.isolated(settings) as board:
            run = await board.llm().run("How warm?", tools=[degrees], **parameters)
        sent = server.requests[len(wire.before) :]
        return run, [request.json for request in sent]


@pytest.mark.parametrize("name", WIRES)
async def test_calls_made_together_are_answered_together(name):
    """Each service gets the results of both calls, and then answers."""
    calls = WIRES[name].calls(*(("degrees", {"city": city}) for city in CITIES))
    run, sent = await played(name, calls, WIRES[name].words)

    assert run.text == "Hello."
    assert [use.result.content for use in run.tool_uses] == ["21", "30"]
    assert len({use.call.id for use in run.tool_uses}) == 2
    assert "Measure the temperature." in json.dumps(sent[0])
    assert all(f'"{result}"' in json.dumps(sent[1]) for result in ("21", "30"))


@pytest.mark.parametrize("name", WIRES)
async def test_failures_are_sent_to_the_model(name):
    """Arguments that do not fit come back to the service as the result."""
    calls = WIRES[name].calls(("degrees", {"town": "Paris"}))
    run, sent = await played(name, calls, WIRES[name].words)

    assert run.tool_uses[0].result.is_error
    assert "city: Field required" in json.dumps(sent[1])


@pytest.mark.parametrize("name", ["openai-chat", "openai-responses"])
async def test_arguments_that_are_no_json_are_asked_for_again(name):
    """Services that send them as text send what the model wrote."""
    made = {
        "openai-chat": lambda: openai_wire.chat_completion(
            openai_wire.chat_message(
                None, tool_calls=[openai_wire.chat_tool_call("degrees", '{"city": ')]
            ),
            finish_reason="tool_calls",
        ),
        "openai-responses": lambda: openai_wire.response(
            openai_wire.function_call("degrees", '{"city": ')
        ),
    }
    run, sent = await played(name, made[name](), WIRES[name].words)

    assert run.text == "Hello."
    assert "are not JSON" in json.dumps(sent[1])


@pytest.mark.parametrize("name", WIRES)
async def test_values_come_through_a_tool(name):
    """No service has to take a schema beside tools."""
    first = WIRES[name].calls(("degrees", {"city": "Rome"}))
    last = WIRES[name].calls(("final_answer", SUM))
    run, sent = await played(name, first, last, output=Answer)

    assert run.output == Answer(**SUM)
    assert "final_answer" in json.dumps(sent[0])
