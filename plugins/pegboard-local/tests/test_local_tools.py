"""Tools for a model that was never taught any."""

from __future__ import annotations

import json

import pytest
from pegboard import (
    ChatRequest,
    Finished,
    Message,
    PartDone,
    Pegboard,
    TextDelta,
    Tool,
    ToolCall,
    ToolResult,
)
from pegboard.errors import InvalidReply, InvalidRequest
from pegboard_local._convert import body_of
from pegboard_local._tools import CallReading
from pegboard_local.options import LocalOptions

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20, "pattern": "^[A-Z]"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = Tool("weather", "Tell the weather of a city.", CITY)
CLOCK = Tool("clock", "Tell the time.", {"type": "object", "properties": {}})
END = Finished(finish_reason="stop", model="m")


def asked(*messages, **parameters):
    """Return a request that may call both tools."""
    messages = messages or (Message.of("user", "How is the weather in Paris?"),)
    parameters.setdefault("tools", (WEATHER, CLOCK))
    return ChatRequest(messages=messages, **parameters)


def body(*messages, **parameters):
    """Return what llama.cpp is sent."""
    return body_of(asked(*messages, **parameters), LocalOptions())


def read(*pieces, **parameters):
    """Return the events of a reply that is written in *pieces*."""
    reading = CallReading(asked(**parameters))
    events = [TextDelta(piece) for piece in pieces]
    return [one for event in (*events, END) for one in reading.events(event)]


def call_of(events):
    """Return the tool call in *events*."""
    (part,) = [event.part for event in events if isinstance(event, PartDone)]
    return part


def test_model_is_told_of_its_tools():
    """With their descriptions and schemas, behind the instructions of the program."""
    system = Message.of("system", "Be brief.")
    first, second = body(system, Message.of("user", "Hello."))["messages"]

    assert first["role"] == "system"
    assert first["content"].startswith("Be brief.\n\n")
    assert json.dumps(CLOCK.parameters) in first["content"]
    assert second == {"role": "user", "content": "Hello."}


def test_it_may_talk_or_call():
    """By itself, it is held to a grammar of both."""
    grammar = body()["grammar"]

    assert grammar.startswith("%llguidance")
    assert "start: call | words" in grammar
    assert "pattern" not in grammar


def test_it_must_call():
    """Demanded, there are no words; and one tool, if one is named."""
    for choice, names in (("required", ["weather", "clock"]), ("clock", ["clock"])):
        form = body(tool_choice=choice)["response_format"]
        calls = form["json_schema"]["schema"]["anyOf"]
        assert [call["properties"]["name"]["const"] for call in calls] == names


def test_it_must_not_call():
    """Nothing is said of tools, and words are free."""
    sent = body(tool_choice="none")

    assert sent["messages"][0]["role"] == "user"
    assert "grammar" not in sent
    assert "response_format" not in sent


def test_strange_choice_is_refused():
    """A tool that is not there cannot be called."""
    with pytest.raises(InvalidRequest, match="Known: weather, clock"):
        body(tool_choice="wether")


def test_schema_and_tools_go_together():
    """A reply is a call, or it fits the schema."""
    reply = {"type": "object", "properties": {"warm": {"type": "boolean"}}}
    form = body(schema=reply)["response_format"]["json_schema"]["schema"]

    assert form["anyOf"][-1] == reply


def test_calls_and_results_are_told_again():
    """In the form in which the model writes them, by roles that any template knows."""
    call = ToolCall("1", "weather", {"city": "Paris"})
    turns = [
        Message.of("user", "How is the weather?"),
        Message("assistant", (call,)),
        Message("tool", (ToolResult("1", "weather", "Rain.", is_error=False),)),
    ]
    _, _, told, result = body(*turns)["messages"]

    assert json.loads(told["content"]) == {
        "name": "weather",
        "arguments": {"city": "Paris"},
    }
    assert result["role"] == "user"
    assert result["content"] == "The function weather returned:\nRain."


def test_call_is_held_back_to_its_end():
    """Nobody reads JSON that was not meant for them."""
    text = json.dumps({"name": "weather", "arguments": {"city": "Paris"}})
    events = read(" ", text[:9], text[9:])

    assert not [event for event in events if isinstance(event, TextDelta)]
    assert call_of(events).arguments == {"city": "Paris"}
    assert events[-1].finish_reason == "tool_calls"


def test_words_are_streamed():
    """Whoever does not call is not held up after the first letter."""
    assert read("", "It ", "rains {a lot}.") == [
        TextDelta("It "),
        TextDelta("rains {a lot}."),
        END,
    ]


def test_json_that_is_no_call_is_words():
    """A model may say something that looks like a call."""
    assert read('{"name": "umbrella"}') == [TextDelta('{"name": "umbrella"}'), END]


def test_call_that_is_cut_off_is_an_error():
    """Half of a demanded call is of no use, and the error says what to do."""
    with pytest.raises(InvalidReply, match="Raise max_tokens"):
        read('{"name": "weat', tool_choice="required")


async def test_loop_with_the_real_model():
    """A tool is called with arguments that fit, and its answer is taken."""
    called = []

    def measure(city: str) -> str:
        """Measure how warm it is in a city."""
        called.append(city)
        return "21 degrees"

    settings = {"provider": "local", "context_length": 1024, "temperature": 0}
    async with Pegboard.isolated({"llm": {"default": settings}}) as board:
        llm = board.llm()
        first = await llm.complete(
            "How warm is it in Paris?",
            tools=[Tool("measure", "Measure how warm a city is.", CITY)],
            tool_choice="measure",
            max_tokens=60,
        )
        (call,) = first.tool_calls
        measure(**call.arguments)
        turns = [
            Message.of("user", "How warm is it in Paris?"),
            first.message,
            Message("tool", (ToolResult(call.id, call.name, "21 degrees"),)),
        ]
        last = await llm.complete(turns, max_tokens=30)

    assert first.finish_reason == "tool_calls"
    assert len(called) == 1
    assert last.text
