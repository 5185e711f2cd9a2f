from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from pegboard import (
    ChatRequest,
    File,
    Image,
    Message,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from pegboard.errors import Unsupported
from pegboard.testing import openai_wire as wire
from pegboard_openai._chat import ChatApi
from pegboard_openai.options import OpenAIOptions

if TYPE_CHECKING:
    from pegboard_openai.services import Service

Make = Callable[..., ChatApi]
LOOSE: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}}
CLOSED: dict[str, Any] = {
    **LOOSE,
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.fixture
def make(services: dict[str, Service]) -> Make:
    """Return what makes the API of a service."""

    def chat_api(service: str = "openai", **more: object) -> ChatApi:
        options = OpenAIOptions.model_validate(
            {"model": "m", "base_url": "http://host/v1", **more}
        )
        return ChatApi(services[service], options)

    return chat_api


def ask(*messages: Message, **more: Any) -> ChatRequest:
    """Return a request."""
    return ChatRequest(messages=messages or (Message.of("user", "Hi"),), **more)


def test_short_request_has_nothing_that_was_not_said(make: Make) -> None:
    """The service chooses what the request leaves open."""
    assert make().body(ask()) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
    }


def test_every_parameter_is_sent(make: Make) -> None:
    """Under the names of the API."""
    request = ask(
        model="other",
        max_tokens=9,
        temperature=0.0,
        top_p=0.5,
        seed=0,
        stop=("END",),
        reasoning_effort="low",
    )

    assert make().body(request) == {
        "model": "other",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_completion_tokens": 9,
        "temperature": 0.0,
        "top_p": 0.5,
        "seed": 0,
        "stop": ["END"],
        "reasoning_effort": "low",
    }


def test_service_may_call_max_tokens_otherwise(make: Make) -> None:
    """The older name, which most services know."""
    assert make("vllm").body(ask(max_tokens=9))["max_tokens"] == 9


def test_store_is_asked_for_when_settings_say_so(make: Make) -> None:
    """Left out otherwise, since other services do not know it."""
    assert make(store=True).body(ask())["store"] is True


def test_parts_other_than_words_make_a_list(make: Make) -> None:
    """In the order of the message."""
    parts = (Text("See:"), Image(b"abc"), File(b"abc", name="a.pdf"))

    assert make().body(ask(Message("user", parts)))["messages"][0]["content"] == [
        {"type": "text", "text": "See:"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,YWJj"}},
        {
            "type": "file",
            "file": {
                "filename": "a.pdf",
                "file_data": "data:application/pdf;base64,YWJj",
            },
        },
    ]


def test_file_by_address_is_refused(make: Make) -> None:
    """The chat API has no place for it."""
    with pytest.raises(Unsupported, match="responses"):
        make().body(ask(Message("user", (File("https://a/b.pdf"),))))


def test_tool_round_is_replayed(make: Make) -> None:
    """The call with its assistant turn, each result as a message of its own."""
    call = ToolCall("c1", "look", {"city": "Paris"})
    results = (ToolResult("c1", "look", "sunny"), ToolResult("c2", "look", "wet"))

    messages = make().body(
        ask(Message("assistant", (call,)), Message("tool", results))
    )["messages"]

    function = {"name": "look", "arguments": '{"city": "Paris"}'}
    assert messages == [
        {
            "role": "assistant",
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "c2", "content": "wet"},
    ]


def test_thoughts_go_back_with_the_calls_they_led_to(make: Make) -> None:
    """Only to the service that had them, and only the fields that it wants back."""
    thought = Reasoning(
        "hm", provider_metadata={"deepseek": {"reasoning_content": "hm"}}
    )
    turn = Message("assistant", (thought, ToolCall("c1", "look", {})))

    own = make("deepseek").body(ask(turn))["messages"][0]
    foreign = make("groq").body(ask(turn))["messages"][0]

    assert own["reasoning_content"] == "hm"
    assert "reasoning_content" not in foreign


def test_thoughts_without_calls_are_not_sent(make: Make) -> None:
    """Services refuse them or pay no attention."""
    thought = Reasoning(
        "hm", provider_metadata={"deepseek": {"reasoning_content": "hm"}}
    )
    turn = Message("assistant", (thought, Text("Yes.")))

    assert make("deepseek").body(ask(turn))["messages"] == [
        {"role": "assistant", "content": "Yes."}
    ]


@pytest.mark.parametrize(("schema", "strict"), [(CLOSED, True), (LOOSE, False)])
def test_schema_is_strict_where_it_can_be(
    make: Make, schema: dict[str, Any], strict: object
) -> None:
    """A schema is sent as it is; only a closed one is guaranteed."""
    assert make().body(ask(schema=schema))["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": schema, "strict": strict},
    }


def test_tools_are_nested(make: Make) -> None:
    """The chat API wants the function in an object of its own."""
    tools = (Tool("look", "Look.", LOOSE), Tool("go", "Go.", CLOSED))

    look, go = make().body(ask(tools=tools))["tools"]

    assert look == {
        "type": "function",
        "function": {"name": "look", "description": "Look.", "parameters": LOOSE},
    }
    assert go["function"]["strict"] is True


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", None),
        ("required", "required"),
        ("none", "none"),
        ("look", {"type": "function", "function": {"name": "look"}}),
    ],
)
def test_tool_choice(make: Make, choice: str, sent: object) -> None:
    """A word of the API, or the name of a tool."""
    tools = (Tool("look", "Look.", LOOSE),)

    assert make().body(ask(tools=tools, tool_choice=choice)).get("tool_choice") == sent


def test_reply_is_read(make: Make) -> None:
    """Words, reason, usage, model and what identifies the answer."""
    reply = make().reply(wire.chat_completion())

    assert reply.parts == (Text("Hello."),)
    assert reply.finish_reason == "stop"
    assert reply.model == "stub-1"
    assert reply.provider_metadata == {"openai": {"id": "chatcmpl-1"}}
    assert reply.usage == Usage(
        input=5, cache_read=4, cache_write=2, output=4, reasoning=3
    )


def test_reply_without_usage_is_marked(make: Make) -> None:
    """Some services do not count."""
    answer = {**wire.chat_completion(), "usage": None}

    assert make().reply(answer).usage == Usage(estimated=True)


def test_tool_calls_are_read(make: Make) -> None:
    """The arguments are values."""
    call = wire.chat_tool_call("look", '{"city": "Paris"}')
    message = wire.chat_message(None, tool_calls=[call])
    reply = make().reply(wire.chat_completion(message, finish_reason="stop"))

    assert reply.tool_calls == (ToolCall("call_1", "look", {"city": "Paris"}),)
    assert reply.finish_reason == "tool_calls"


def test_refusal_is_content_filter(make: Make) -> None:
    """Its words are the reply."""
    message = wire.chat_message(None, refusal="I cannot.")
    reply = make().reply(wire.chat_completion(message))

    assert (reply.text, reply.finish_reason) == ("I cannot.", "content_filter")


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_thoughts_are_read(make: Make, field: str) -> None:
    """Services name them in two ways."""
    message = wire.chat_message("Yes.", **{field: "Hm."})

    assert make("groq").reply(wire.chat_completion(message)).reasoning == "Hm."


def test_prompt_cache_is_told(make: Make) -> None:
    """By the settings for all requests, by a text for what stands up to it."""
    mark = {"prompt_cache_breakpoint": {"mode": "explicit"}}
    rules = Text("Rules.", provider_metadata={"openai": mark})
    api = make(prompt_cache_key="k", prompt_cache_ttl="12h")
    body = api.body(ask(Message("user", (rules, Text("Hi")))))

    assert body["prompt_cache_key"] == "k"
    assert body["prompt_cache_options"] == {"ttl": "12h"}
    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "Rules.", **mark},
        {"type": "text", "text": "Hi"},
    ]


def test_metadata_of_others_leaves_words_plain(make: Make) -> None:
    """A conversation may have begun elsewhere, or through the other API."""
    elsewhere = {"groq": {"x": 1}, "openai": {"phase": "final_answer"}}
    turn = Message("assistant", (Text("Hi", provider_metadata=elsewhere),))

    assert make().body(ask(turn))["messages"] == [
        {"role": "assistant", "content": "Hi"}
    ]


def test_told_cost_is_kept_where_it_is_in_dollars(make: Make) -> None:
    """One service says so; elsewhere a field of that name may be anything."""
    answer = wire.chat_completion()
    told = {**answer, "usage": {**answer["usage"], "cost": 0.00078}}

    assert make("openrouter").reply(told).usage.cost == 0.00078
    assert make("openrouter").reply(answer).usage.cost is None
    assert make("groq").reply(told).usage.cost is None


def test_file_that_was_uploaded_goes_by_its_id(make: Make) -> None:
    """The API takes no other address of one."""
    message = Message("user", (File("file-2"),))

    assert make().body(ask(message))["messages"][0]["content"] == [
        {"type": "file", "file": {"file_id": "file-2"}}
    ]
