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
from pegboard.errors import ContentFiltered, InvalidReply, Unavailable
from pegboard.testing import openai_wire as wire
from pegboard_openai._responses import ResponsesApi
from pegboard_openai.options import OpenAIOptions

if TYPE_CHECKING:
    from pegboard_openai.services import Service

Make = Callable[..., ResponsesApi]
LOOSE: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}}
CLOSED: dict[str, Any] = {
    **LOOSE,
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.fixture
def make(services: dict[str, Service]) -> Make:
    """Return what makes the API of a service."""

    def responses_api(service: str = "openai", **more: object) -> ResponsesApi:
        options = OpenAIOptions.model_validate(
            {"model": "m", "base_url": "http://host/v1", **more}
        )
        return ResponsesApi(services[service], options)

    return responses_api


def ask(*messages: Message, **more: Any) -> ChatRequest:
    """Return a request."""
    return ChatRequest(messages=messages or (Message.of("user", "Hi"),), **more)


def test_short_request_is_not_kept_by_the_service(make: Make) -> None:
    """The API keeps requests unless it is told not to."""
    content = [{"type": "input_text", "text": "Hi"}]
    assert make().body(ask()) == {
        "model": "m",
        "input": [{"type": "message", "role": "user", "content": content}],
        "store": False,
    }


def test_every_parameter_is_sent(make: Make) -> None:
    """Under the names of the API."""
    request = ask(
        model="other", max_tokens=9, temperature=0.0, top_p=0.5, reasoning_effort="low"
    )
    body = make(store=True).body(request)

    assert body | {"input": []} == {
        "model": "other",
        "input": [],
        "max_output_tokens": 9,
        "temperature": 0.0,
        "top_p": 0.5,
        "reasoning": {"effort": "low"},
        "store": True,
    }


def test_parts_other_than_words_are_sent(make: Make) -> None:
    """In the order of the message; files by content or by address."""
    parts = (
        Text("See:"),
        Image(b"abc"),
        File(b"abc", name="a.pdf"),
        File("https://a/b.pdf"),
    )

    assert make().body(ask(Message("user", parts)))["input"][0]["content"] == [
        {"type": "input_text", "text": "See:"},
        {"type": "input_image", "image_url": "data:image/png;base64,YWJj"},
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": "data:application/pdf;base64,YWJj",
        },
        {"type": "input_file", "file_url": "https://a/b.pdf"},
    ]


def test_tool_round_is_replayed(make: Make) -> None:
    """Thoughts, words, call and result as items, in their order."""
    item = {**wire.reasoning_item("Hm."), "status": None}
    turn = Message(
        "assistant",
        (
            Reasoning("Hm.", provider_metadata={"openai": {"item": item}}),
            Text("Looking."),
            ToolCall("c1", "look", {"city": "Paris"}),
        ),
    )
    result = Message("tool", (ToolResult("c1", "look", "sunny"),))

    assert make().body(ask(turn, result))["input"] == [
        wire.reasoning_item("Hm."),
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Looking."}],
        },
        {
            "type": "function_call",
            "call_id": "c1",
            "name": "look",
            "arguments": '{"city": "Paris"}',
        },
        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
    ]


def test_phases_are_kept(make: Make) -> None:
    """Remarks on the way and the answer go back as the messages that they were."""
    messages = [
        {**wire.output_message(wire.output_text(text)), "phase": phase}
        for text, phase in [("Looking.", "commentary"), ("Sunny.", "final_answer")]
    ]
    reply = make().reply(wire.response(*messages))

    assert reply.text == "Looking.Sunny."
    assert make().body(ask(reply.message))["input"] == [
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": text}],
            "phase": phase,
        }
        for text, phase in [("Looking.", "commentary"), ("Sunny.", "final_answer")]
    ]


@pytest.mark.parametrize(
    ("item", "store", "is_sent"),
    [
        ({"encrypted_content": "x"}, False, True),
        ({"encrypted_content": None}, False, False),
        ({"content": [{"type": "reasoning_text", "text": "Hm."}]}, False, True),
        ({}, False, False),
        ({}, True, True),
    ],
)
def test_thoughts_that_the_service_cannot_know_are_not_sent(
    make: Make, item: dict[str, Any], store: object, is_sent: object
) -> None:
    """An id alone is of use only where the service stores what it names."""
    whole = {"id": "rs_1", "type": "reasoning", "summary": [], **item}
    thought = Reasoning("", provider_metadata={"openai": {"item": whole}})
    sent = make(store=store).body(ask(Message("assistant", (thought,))))["input"]

    assert bool(sent) == is_sent


def test_prompt_cache_is_told(make: Make) -> None:
    """By the settings for all requests, by a text for what stands up to it."""
    options = {"prompt_cache_mode": "explicit", "prompt_cache_ttl": "12h"}
    mark = {"prompt_cache_breakpoint": {"mode": "explicit"}}
    rules = Text("Rules.", provider_metadata={"openai": mark, "other": {"phase": "x"}})
    api = make(prompt_cache_key="k", **options)
    body = api.body(ask(Message("user", (rules, Text("Hi")))))

    assert body["prompt_cache_key"] == "k"
    assert body["prompt_cache_options"] == {"mode": "explicit", "ttl": "12h"}
    assert body["input"][0]["content"] == [
        {"type": "input_text", "text": "Rules.", **mark},
        {"type": "input_text", "text": "Hi"},
    ]


def test_thoughts_of_others_are_not_sent(make: Make) -> None:
    """Metadata goes back to its origin only."""
    thought = Reasoning("Hm.", provider_metadata={"anthropic": {"item": {"type": "x"}}})

    assert make().body(ask(Message("assistant", (thought,))))["input"] == []


@pytest.mark.parametrize(("schema", "strict"), [(CLOSED, True), (LOOSE, False)])
def test_schema_is_strict_where_it_can_be(
    make: Make, schema: dict[str, Any], strict: object
) -> None:
    """A schema is sent as it is; only a closed one is guaranteed."""
    assert make().body(ask(schema=schema))["text"]["format"] == {
        "type": "json_schema",
        "name": "reply",
        "schema": schema,
        "strict": strict,
    }


def test_tools_are_flat(make: Make) -> None:
    """This API wants everything beside the type."""
    assert make().body(ask(tools=(Tool("look", "Look.", LOOSE),)))["tools"] == [
        {
            "type": "function",
            "name": "look",
            "description": "Look.",
            "parameters": LOOSE,
            "strict": False,
        }
    ]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", None),
        ("required", "required"),
        ("none", "none"),
        ("look", {"type": "function", "name": "look"}),
    ],
)
def test_tool_choice(make: Make, choice: str, sent: object) -> None:
    """A word of the API, or the name of a tool."""
    tools = (Tool("look", "Look.", LOOSE),)

    assert make().body(ask(tools=tools, tool_choice=choice)).get("tool_choice") == sent


def test_reply_is_read(make: Make) -> None:
    """Words, reason, usage, model and what identifies the answer."""
    reply = make().reply(wire.response())

    assert reply.parts == (Text("Hello."),)
    assert reply.finish_reason == "stop"
    assert reply.model == "stub-1"
    assert reply.provider_metadata == {"openai": {"id": "resp_1"}}
    assert reply.usage == Usage(
        input=5, cache_read=4, cache_write=2, output=4, reasoning=3
    )


def test_items_are_read_in_their_order(make: Make) -> None:
    """Thoughts keep the whole item, encrypted content included."""
    thought = wire.reasoning_item("First.", "Then.")
    call = wire.function_call("look", '{"city": "Paris"}')
    reply = make().reply(wire.response(thought, call))

    assert reply.parts == (
        Reasoning("First.\nThen.", provider_metadata={"openai": {"item": thought}}),
        ToolCall("call_1", "look", {"city": "Paris"}),
    )
    assert reply.finish_reason == "tool_calls"


def test_items_of_unknown_type_go_back_as_they_came(make: Make) -> None:
    """The API grows, and refuses thoughts without what they led to."""
    item = {"type": "new_call", "id": "n_1"}
    reply = make().reply(wire.response(item, wire.output_message(wire.output_text())))

    assert (reply.text, reply.reasoning) == ("Hello.", "")
    assert make().body(ask(reply.message))["input"][0] == item


def test_refusal_is_content_filter(make: Make) -> None:
    """Its words are the reply."""
    refusal = {"type": "refusal", "refusal": "I cannot."}
    reply = make().reply(wire.response(wire.output_message(refusal)))

    assert (reply.text, reply.finish_reason) == ("I cannot.", "content_filter")


@pytest.mark.parametrize(
    ("details", "finish_reason"),
    [
        ({"reason": "max_output_tokens"}, "length"),
        ({"reason": "content_filter"}, "content_filter"),
        ({"reason": "steered"}, "stop"),
        (None, "stop"),
    ],
)
def test_incomplete_reply_tells_why(
    make: Make, details: object, finish_reason: str
) -> None:
    """What there is of it is kept."""
    answer = wire.response(status="incomplete", incomplete_details=details)
    reply = make().reply(answer)

    assert (reply.text, reply.finish_reason) == ("Hello.", finish_reason)


@pytest.mark.parametrize(
    ("code", "kind"), [("server_error", Unavailable), ("bio_policy", ContentFiltered)]
)
def test_failed_reply_is_an_error(make: Make, code: str, kind: type) -> None:
    """By the code, though the status of the answer was 200."""
    error = {"code": code, "message": "It broke."}

    with pytest.raises(kind, match="It broke"):
        make().reply(wire.response(status="failed", error=error))


def test_reply_that_is_not_there_yet_is_an_error(make: Make) -> None:
    """Nobody comes back for it."""
    with pytest.raises(InvalidReply, match="queued"):
        make().reply(wire.response(status="queued"))


def test_tools_may_answer_with_pictures(make: Make) -> None:
    """And documents, behind their words, if there are any."""
    media = (Image(b"abc"), File("file-7"))
    shown = [
        {"type": "input_image", "image_url": "data:image/png;base64,YWJj"},
        {"type": "input_file", "file_id": "file-7"},
    ]
    outputs = [
        make().body(
            ask(Message("tool", (ToolResult("c1", "look", words, media=media),)))
        )["input"][0]["output"]
        for words in ("So.", "")
    ]

    assert outputs == [[{"type": "input_text", "text": "So."}, *shown], shown]


def test_files_that_were_uploaded_go_by_their_id(make: Make) -> None:
    """Pictures and documents alike."""
    message = Message("user", (Image("file-1"), File("file-2")))

    assert make().body(ask(message))["input"][0]["content"] == [
        {"type": "input_image", "file_id": "file-1"},
        {"type": "input_file", "file_id": "file-2"},
    ]
