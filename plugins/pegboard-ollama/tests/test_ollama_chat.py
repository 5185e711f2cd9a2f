"""What is sent and what is made of the answer: pure functions."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from pegboard import (
    ChatRequest,
    Image,
    Message,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from pegboard.errors import InvalidReply, Unavailable, Unsupported
from pegboard.testing import ollama_wire as wire
from pegboard_ollama._chat import body_of, reply_of
from pegboard_ollama.options import OllamaOptions

HELLO = (Message.of("user", "Hello?"),)
NESTED = {
    "type": "object",
    "$defs": {"place": {"type": "string"}},
    "properties": {
        "stops": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"at": {"$ref": "#/$defs/place"}},
                "additionalProperties": False,
            },
        },
        "when": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
}


def sent(*messages: Message, given: Any = (), **request: Any) -> dict[str, Any]:
    """Return what is sent for a request under the options *given*."""
    options = OllamaOptions.model_validate({"model": "m", **dict(given)})
    return body_of(ChatRequest(messages=messages or HELLO, **request), options)


def test_little_is_sent_where_little_is_said() -> None:
    """The server decides the rest, the size of the context above all."""
    assert sent() == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello?"}],
        "stream": False,
    }


def test_sampling_goes_into_the_options() -> None:
    """Under Ollama's names."""
    body = sent(max_tokens=9, temperature=0.0, top_p=0.5, seed=7, stop=("a", "b"))

    assert body["options"] == {
        "num_predict": 9,
        "temperature": 0.0,
        "top_p": 0.5,
        "seed": 7,
        "stop": ["a", "b"],
    }


def test_settings_are_sent_with_each_request() -> None:
    """Keep-alive, size of the context, thinking."""
    body = sent(given={"keep_alive": "10m", "num_ctx": 8192, "think": False})

    assert (body["keep_alive"], body["options"]) == ("10m", {"num_ctx": 8192})
    assert body["think"] is False


@pytest.mark.parametrize(
    ("effort", "think"),
    [
        ("none", False),
        ("minimal", "low"),
        ("low", "low"),
        ("xhigh", "high"),
        ("x", "x"),
    ],
)
def test_effort_of_a_request_is_how_hard_it_thinks(effort: str, think: object) -> None:
    """It goes before the settings; what a new server may know is passed on."""
    assert sent(given={"think": True}, reasoning_effort=effort)["think"] == think


def test_schema_is_the_format() -> None:
    """As it stands."""
    assert sent(schema=NESTED)["format"] == NESTED


def test_schema_of_a_tool_survives() -> None:
    """Nested properties, references and alternatives, which the SDK would drop."""
    body = sent(tools=(Tool("plan", "Plan a trip.", NESTED),))

    assert body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "plan",
                "description": "Plan a trip.",
                "parameters": NESTED,
            },
        }
    ]


def test_tools_are_kept_from_a_model_that_must_not_call() -> None:
    """There is no other way to say so."""
    tools = (Tool("plan", "Plan a trip.", NESTED),)

    assert "tools" not in sent(tools=tools, tool_choice="none")


@pytest.mark.parametrize("choice", ["required", "plan"])
def test_call_cannot_be_demanded(choice: str) -> None:
    """Ollama has no word for it, so it is refused and not forgotten."""
    with pytest.raises(Unsupported, match="no tool_choice") as caught:
        sent(tools=(Tool("plan", "Plan a trip.", NESTED),), tool_choice=choice)

    assert caught.value.request_sent == "no"


def test_call_and_its_result_go_back() -> None:
    """With arguments as an object, and with the tool's name for the result."""
    call = ToolCall("call-1", "plan", {"to": "Rome"})
    good = ToolResult("call-1", "plan", "By train.")
    bad = ToolResult("call-2", "plan", "No way.", is_error=True)

    assistant, first, second = sent(
        Message("assistant", (Text("Well."), call)), Message("tool", (good, bad))
    )["messages"]

    function = {"name": "plan", "arguments": {"to": "Rome"}}
    assert assistant == {
        "role": "assistant",
        "content": "Well.",
        "tool_calls": [{"type": "function", "id": "call-1", "function": function}],
    }
    assert first == {
        "role": "tool",
        "content": "By train.",
        "tool_name": "plan",
        "tool_call_id": "call-1",
    }
    assert second["content"] == "Error: No way."


def test_thoughts_go_back_to_where_they_came_from() -> None:
    """Those of other vendors' models stay out."""
    own = reply_of(wire.chat(wire.message("Yes.", thinking="Hm."))).message
    foreign = Message("assistant", (Reasoning("Ah."), Text("No.")))

    assert sent(own, foreign)["messages"] == [
        {"role": "assistant", "content": "Yes.", "thinking": "Hm."},
        {"role": "assistant", "content": "No."},
    ]


def test_image_is_sent_in_base64() -> None:
    """Bytes, and what is in an address already."""
    inside = Image("data:image/png;base64,QUJD")
    parts = (Text("What is this?"), Image(b"ABC"), inside)

    (message,) = sent(Message("user", parts))["messages"]

    assert message["content"] == "What is this?"
    assert [base64.b64decode(image) for image in message["images"]] == [b"ABC"] * 2


def test_image_at_an_address_is_refused() -> None:
    """Ollama fetches nothing."""
    with pytest.raises(Unsupported, match="Pass the bytes"):
        sent(Message("user", (Image("https://host/cat.png"),)))


def test_extra_of_the_own_name_goes_over_the_rest() -> None:
    """Objects are joined; what is under other names belongs to others."""
    own = {"options": {"mirostat": 1}, "logprobs": True}
    body = sent(seed=7, extra={"ollama": own, "openai": {"x": 1}})

    assert body["options"] == {"seed": 7, "mirostat": 1}
    assert (body["logprobs"], "x" in body) == (True, False)


def test_answer_is_a_reply() -> None:
    """Words, thoughts, why it ended, how long it took."""
    reply = reply_of(wire.chat(wire.message("Yes.", thinking="Hm.")))

    assert (reply.text, reply.reasoning, reply.model) == ("Yes.", "Hm.", "stub-1")
    assert reply.finish_reason == "stop"
    assert reply.usage == Usage(input=11, output=7)
    assert reply.provider_metadata["ollama"]["load_duration"] == 1_000_000


def test_answer_without_counts_is_estimated() -> None:
    """None is made up here."""
    answer = wire.chat()
    del answer["eval_count"], answer["prompt_eval_count"]

    assert reply_of(answer).usage == Usage(estimated=True)


def test_answer_that_was_cut_says_so() -> None:
    """By its reason."""
    assert reply_of(wire.chat(done_reason="length")).finish_reason == "length"


def test_calls_get_ids_that_stay_the_same() -> None:
    """Each one in each reply another, and each time the same."""
    calls = [wire.tool_call("plan", {"to": {"city": "Rome"}}), wire.tool_call("go", {})]
    answer = wire.chat(wire.message("", tool_calls=calls))
    later = {**answer, "created_at": "2026-01-02T03:04:06Z"}
    reply = reply_of(answer)

    assert reply.finish_reason == "tool_calls"
    assert [(call.name, call.arguments) for call in reply.tool_calls] == [
        ("plan", {"to": {"city": "Rome"}}),
        ("go", {}),
    ]
    assert reply_of(answer).tool_calls == reply.tool_calls
    ids = {c.id for one in (answer, later) for c in reply_of(one).tool_calls}
    assert len(ids) == 4
    assert all(ids)


def test_id_that_the_server_gives_is_kept() -> None:
    """Newer ones do."""
    call = {**wire.tool_call("plan", {}), "id": "call_abc"}

    (found,) = reply_of(wire.chat(wire.message("", tool_calls=[call]))).tool_calls
    assert found.id == "call_abc"


def test_answer_that_is_not_done_is_unusable() -> None:
    """Half a reply is none."""
    with pytest.raises(InvalidReply, match="not done"):
        reply_of({**wire.chat(), "done": False})


def test_error_under_a_good_status_is_an_error() -> None:
    """A proxy may answer so."""
    with pytest.raises(Unavailable, match="out of memory"):
        reply_of(wire.error("out of memory"))
