from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from pegboard import (
    ChatRequest,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from pegboard.errors import InvalidRequest, Unsupported
from pegboard_anthropic._request import body_of, continued, encoded, joined
from pegboard_anthropic.options import AnthropicOptions

if TYPE_CHECKING:
    from pegboard.contracts.chat import Role

NEW, OLD = "claude-opus-5-5", "claude-haiku-4-5-20251001"
LOOK = Tool("look", "Look somewhere.", {"type": "object", "properties": {}})
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
HIDDEN = {"type": "redacted_thinking", "data": "xyz"}


def body(*messages: Message, model: str = NEW, **more: Any) -> dict[str, Any]:
    """Return the body of a request; what is no parameter of it is an option."""
    names = AnthropicOptions.model_fields.keys() - {"max_tokens"}
    options = {name: more.pop(name) for name in names & more.keys()}
    request = ChatRequest(messages=messages or (Message.of("user", "Hi"),), **more)
    given = {"model": model, "api_key": "k", **options}
    return body_of(request, AnthropicOptions.model_validate(given))


def blocks(*parts: Part, role: Role = "user") -> list[dict[str, Any]]:
    """Return the blocks that *parts* become."""
    return body(Message(role, parts))["messages"][0]["content"]


def test_plain_request_is_short() -> None:
    """Nothing is sent that was not asked for, but for what the API demands."""
    assert body() == {
        "model": NEW,
        "max_tokens": 16_384,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }


def test_parameters_have_the_names_of_the_api() -> None:
    """Those of a call over those of the settings."""
    found = body(max_tokens=9, stop=("a", "b"))

    assert found["max_tokens"] == 9
    assert found["stop_sequences"] == ["a", "b"]


def test_model_of_a_call_comes_first() -> None:
    """The settings name another."""
    options = AnthropicOptions(model=NEW, api_key="k")
    request = ChatRequest(messages=(), model=OLD)

    assert body_of(request, options)["model"] == OLD


def test_instructions_are_apart() -> None:
    """All of them, in order; the API has a field for them."""
    found = body(
        Message.of("system", "Be brief."),
        Message.of("user", "Hi"),
        Message.of("system", "Be kind."),
    )

    assert [one["text"] for one in found["system"]] == ["Be brief.", "Be kind."]
    assert [one["role"] for one in found["messages"]] == ["user"]


def test_turns_alternate() -> None:
    """Messages of one side are one turn, and results of tools come first in it."""
    found = body(
        Message.of("user", "Look."),
        Message("assistant", (ToolCall("a", "look", {}), ToolCall("b", "look", {}))),
        Message("tool", (ToolResult("a", "look", "1"),)),
        Message("tool", (ToolResult("b", "look", "2"),)),
        Message.of("user", "And?"),
    )["messages"]

    assert [one["role"] for one in found] == ["user", "assistant", "user"]
    assert [one["type"] for one in found[2]["content"]] == [
        "tool_result",
        "tool_result",
        "text",
    ]


def test_results_come_before_words() -> None:
    """In whatever order the program put them."""
    found = blocks(Text("Well?"), ToolResult("a", "look", "1"))

    assert [one["type"] for one in found] == ["tool_result", "text"]


def test_empty_words_are_left_out() -> None:
    """The API refuses blocks, and turns, without any."""
    found = body(Message.of("user", "Hi"), Message.of("assistant", ""))

    assert len(found["messages"]) == 1
    assert blocks(Text(""), Text("a")) == [{"type": "text", "text": "a"}]


def test_calls_and_results() -> None:
    """A failure of a tool is said to be one."""
    assert blocks(ToolCall("c", "look", {"a": [1]}), role="assistant") == [
        {"type": "tool_use", "id": "c", "name": "look", "input": {"a": [1]}}
    ]
    assert blocks(ToolResult("c", "look", "no", is_error=True)) == [
        {"type": "tool_result", "tool_use_id": "c", "content": "no", "is_error": True}
    ]
    assert "is_error" not in blocks(ToolResult("c", "look", "yes"))[0]


def test_ids_of_others_are_made_fit() -> None:
    """A call that another service made is found again by its result."""
    (call,) = blocks(ToolCall("call:1|é", "look", {}), role="assistant")
    (result,) = blocks(ToolResult("call:1|é", "look", "yes"))

    assert call["id"] == result["tool_use_id"] == "call_1__"


@pytest.mark.parametrize("block", [THOUGHT, HIDDEN])
def test_thoughts_go_back_as_they_came(block: dict[str, Any]) -> None:
    """With their signatures, which cover every letter."""
    thought = Reasoning("Hm.", provider_metadata={"anthropic": {"block": block}})

    assert blocks(thought, Text("a"), role="assistant")[0] is block


def test_thoughts_of_others_stay_here() -> None:
    """The service can do nothing with them."""
    foreign = Reasoning("Hm.", provider_metadata={"openai": {"item": {}}})

    assert blocks(foreign, Text("a"), role="assistant") == [
        {"type": "text", "text": "a"}
    ]


def test_pictures() -> None:
    """As bytes or by address."""
    assert blocks(Image(b"abc", "image/jpeg"), Image("https://host/x.png")) == [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/jpeg", "data": "YWJj"},
        },
        {"type": "image", "source": {"type": "url", "url": "https://host/x.png"}},
    ]


def test_documents() -> None:
    """PDFs as bytes or by address, and text."""
    found = blocks(
        File(b"%PDF", name="a.pdf"),
        File("https://host/x.pdf"),
        File("naïve".encode(), "text/markdown", "notes.md"),
    )

    assert found == [
        {
            "type": "document",
            "title": "a.pdf",
            "source": {
                "type": "base64",
                "media_type": "application/pdf",
                "data": "JVBERg==",
            },
        },
        {
            "type": "document",
            "title": "document",
            "source": {"type": "url", "url": "https://host/x.pdf"},
        },
        {
            "type": "document",
            "title": "notes.md",
            "source": {"type": "text", "media_type": "text/plain", "data": "naïve"},
        },
    ]


@pytest.mark.parametrize(
    "file", [File(b"x", "application/zip"), File("https://host/a.txt", "text/plain")]
)
def test_other_documents_are_refused(file: File) -> None:
    """Before anything is sent."""
    with pytest.raises(Unsupported, match="application/pdf"):
        blocks(file)


def test_tools_are_described() -> None:
    """In the words of the API."""
    assert body(tools=(LOOK,))["tools"] == [
        {
            "name": "look",
            "description": "Look somewhere.",
            "input_schema": {"type": "object", "properties": {}},
        }
    ]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", None),
        ("required", {"type": "any"}),
        ("none", {"type": "none"}),
        ("look", {"type": "tool", "name": "look"}),
    ],
)
def test_choice_of_tools(choice: str, sent: dict[str, str] | None) -> None:
    """A tool can be demanded by its name."""
    assert body(tools=(LOOK,), tool_choice=choice).get("tool_choice") == sent


def test_schema_is_a_format() -> None:
    """Fit for the service, beside the effort."""
    schema = {"type": "object", "properties": {"a": {"type": "null"}}}
    found = body(schema=schema, reasoning_effort="high")["output_config"]

    assert found["effort"] == "high"
    assert found["format"] == {
        "type": "json_schema",
        "schema": {**schema, "additionalProperties": False},
    }


def test_schema_that_cannot_be_guaranteed_is_an_instruction() -> None:
    """A closed object without properties could only be empty."""
    found = body(Message.of("system", "Be kind."), schema={"type": "object"})

    assert "output_config" not in found
    assert found["system"][0]["text"] == "Be kind."
    assert found["system"][1]["text"].endswith('{"type":"object"}')


@pytest.mark.parametrize(
    ("effort", "sent"),
    [
        ("none", {"thinking": {"type": "disabled"}}),
        (
            "minimal",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
        ),
        (
            "max",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
        ),
    ],
)
def test_effort_of_newer_models(effort: str, sent: dict[str, Any]) -> None:
    """They decide themselves how much to think."""
    found = body(reasoning_effort=effort)

    assert {k: v for k, v in found.items() if k in {"thinking", "output_config"}} == (
        sent
    )


@pytest.mark.parametrize(
    ("effort", "max_tokens", "budget"),
    [("low", 16_384, 2048), ("max", 16_384, 8192), ("high", 1500, 1024)],
)
def test_effort_of_older_models(effort: str, max_tokens: int, budget: int) -> None:
    """They are given a number, which leaves room for the reply."""
    found = body(model=OLD, reasoning_effort=effort, max_tokens=max_tokens)

    assert found["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert "output_config" not in found


def test_effort_without_room_is_refused() -> None:
    """The API takes no less than 1024 tokens."""
    with pytest.raises(InvalidRequest, match="Raise max_tokens"):
        body(model=OLD, reasoning_effort="low", max_tokens=1024)


def test_unknown_effort_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(InvalidRequest, match=r"'much'\. Known: none, minimal, low"):
        body(reasoning_effort="much")


def test_display_of_thoughts_is_a_setting() -> None:
    """It goes along with thinking only."""
    found = body(reasoning_effort="low", thinking_display="summarized")

    assert found["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert "thinking" not in body(thinking_display="summarized")


@pytest.mark.parametrize("model", [OLD, "claude-sonnet-4-6", "smollm2"])
def test_sampling_is_sent_to_those_who_take_it(model: str) -> None:
    """The SDK has no arguments for it any more."""
    found = body(model=model, temperature=0.0, top_p=0.5)

    assert (found["temperature"], found["top_p"]) == (0.0, 0.5)


def test_sampling_is_refused_for_the_others() -> None:
    """A call may name another model than the settings, which claim it."""
    options = AnthropicOptions(model=OLD, api_key="k")
    request = ChatRequest(messages=(), model=NEW, temperature=0.0)

    with pytest.raises(Unsupported, match=f"{NEW} does not take temperature"):
        body_of(request, options)


@pytest.mark.parametrize("kept", ["5m", "1h"])
def test_cache_marks_instructions_and_conversation(kept: str) -> None:
    """What all conversations share can be read without what differs."""
    mark = {"type": "ephemeral", "ttl": kept}
    found = body(
        Message.of("system", "A"),
        Message.of("system", "B"),
        Message.of("user", "Hi"),
        tools=(LOOK,),
        cache=kept,
    )

    assert found["cache_control"] == mark
    assert [one.get("cache_control") for one in found["system"]] == [None, mark]
    assert "cache_control" not in found["tools"][0]


def test_cache_marks_tools_where_there_are_no_instructions() -> None:
    """They come first in what the service reads."""
    found = body(tools=(LOOK, LOOK), cache="5m")

    assert ["cache_control" in one for one in found["tools"]] == [False, True]


def test_extra_is_joined() -> None:
    """Objects and lists are added to; what is under other names is left out."""
    search = {"type": "web_search_20260209", "name": "web_search"}
    own = {"service_tier": "auto", "tools": [search], "output_config": {"x": 1}}
    extra = {"anthropic": own, "openai": {"y": 2}}
    found = body(tools=(LOOK,), reasoning_effort="low", extra=extra)

    assert found["service_tier"] == "auto"
    assert [one["name"] for one in found["tools"]] == ["look", "web_search"]
    assert found["output_config"] == {"effort": "low", "x": 1}
    assert "y" not in found
    assert joined({"a": 1}, {"a": None}) == {"a": None}


def test_paused_turn_is_sent_back() -> None:
    """With the place where the service's tools work, if there is one."""
    asked = body()
    answer = {"content": [THOUGHT], "container": {"id": "c1", "expires_at": "x"}}
    found = continued(asked, answer)

    assert found["messages"][1:] == [{"role": "assistant", "content": [THOUGHT]}]
    assert found["container"] == "c1"
    assert len(asked["messages"]) == 1
    assert "container" not in continued(asked, {"content": [THOUGHT]})


def test_values_that_are_nearly_json_are_sent() -> None:
    """Tuples and read-only mappings are what programs have."""
    assert encoded({"a": (1,), "b": MappingProxyType({"c": "é"})}) == (
        '{"a":[1],"b":{"c":"é"}}'.encode()
    )


@pytest.mark.parametrize("value", [object(), float("nan"), "\ud800"])
def test_values_that_are_no_json_are_refused(value: object) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidRequest, match="cannot be written as JSON") as caught:
        encoded({"a": value})

    assert caught.value.request_sent == "no"


def test_tools_may_answer_with_pictures() -> None:
    """Behind their words, if there are any."""
    shown = {"type": "base64", "media_type": "image/png", "data": "YWJj"}
    picture = {"type": "image", "source": shown}
    call = ToolCall("c1", "look", {})
    found = [
        body(
            Message("assistant", (call,)),
            Message("tool", (ToolResult("c1", "look", words, media=(Image(b"abc"),)),)),
        )["messages"][-1]["content"][0]["content"]
        for words in ("A board.", "")
    ]

    assert found == [[{"type": "text", "text": "A board."}, picture], [picture]]


def test_files_that_were_uploaded_go_by_their_id() -> None:
    """Whatever their type."""
    source = {"type": "file", "file_id": "file_011CPegs"}

    assert blocks(Image("file_011CPegs"), File("file_011CPegs", "text/csv")) == [
        {"type": "image", "source": source},
        {"type": "document", "title": "document", "source": source},
    ]


OPEN = {"type": "object", "additionalProperties": {"type": "string"}}


def test_calls_are_held_to_schemas_where_that_can_be() -> None:
    """If the settings ask for it; a schema that cannot be guaranteed stays as it is."""
    place = {"type": "object", "properties": {"at": {"type": "string"}}}
    tools = (Tool("look", "", place), Tool("tell", "", OPEN))
    held, free = body(tools=tools, strict_tools=True)["tools"]

    assert held["strict"] is True
    assert held["input_schema"]["additionalProperties"] is False
    assert free == {"name": "tell", "input_schema": OPEN}
    assert not any("strict" in tool for tool in body(tools=tools)["tools"])
