"""Requests and answers are as the types of the installed SDK have them."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from anthropic import types
from anthropic.types import message_create_params, messages
from pegboard import (
    BatchItem,
    ChatRequest,
    File,
    Image,
    Message,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from pegboard.testing import anthropic_wire as wire
from pegboard_anthropic._batches import requests_of
from pegboard_anthropic._request import COUNTED, body_of
from pegboard_anthropic.options import AnthropicOptions
from pydantic import TypeAdapter

THOUGHT = wire.thinking("Hm.")
LOOK = Tool("look", "Look.", {"type": "object", "properties": {}})
REQUEST = ChatRequest(
    messages=(
        Message.of("system", "Be brief."),
        Message(
            "user",
            (
                Text("Look."),
                Image(b"a"),
                Image("https://host/a.png"),
                File(b"b"),
                File("https://host/b.pdf"),
                File(b"c", "text/plain"),
            ),
        ),
        Message(
            "assistant",
            (
                Reasoning("Hm.", provider_metadata={"anthropic": {"block": THOUGHT}}),
                ToolCall("c", "look", {"a": 1}),
            ),
        ),
        Message("tool", (ToolResult("c", "look", "no", is_error=True),)),
    ),
    reasoning_effort="high",
    schema={"type": "object", "properties": {"a": {"type": "null"}}},
    tools=(LOOK,),
    stop=("x",),
)
BLOCKS: dict[str, Any] = {
    "text": types.TextBlockParam,
    "image": types.ImageBlockParam,
    "document": types.DocumentBlockParam,
    "thinking": types.ThinkingBlockParam,
    "tool_use": types.ToolUseBlockParam,
    "tool_result": types.ToolResultBlockParam,
}
FIELDS: dict[str, Any] = {
    "cache_control": types.CacheControlEphemeralParam,
    "output_config": types.OutputConfigParam,
    "thinking": types.ThinkingConfigParam,
    "tool_choice": types.ToolChoiceParam,
}
SAMPLING = {"temperature", "top_p"}
"""What the SDK sends as extra fields only."""


def body(model: str = "claude-opus-5-5", **more: Any) -> dict[str, Any]:
    """Return the body of a rich request."""
    given = {"model": model, "api_key": "k", "cache": "1h", **more}
    return body_of(REQUEST, AnthropicOptions.model_validate(given))


def assert_fits(value: Any, kind: Any) -> None:
    """Fail unless *value* is of *kind*, and has no field besides."""
    TypeAdapter(kind).validate_python(value)
    known = getattr(kind, "__annotations__", value)
    assert value.keys() <= known.keys()


def test_blocks_are_known() -> None:
    """One of each."""
    found = [block for turn in body()["messages"] for block in turn["content"]]

    assert {block["type"] for block in found} == BLOCKS.keys()
    for block in found:
        assert_fits(block, BLOCKS[block["type"]])


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-haiku-4-5"])
def test_fields_are_known(model: str) -> None:
    """Those of newer models and of older ones."""
    found = body(model, thinking_display="summarized")
    known = get_type_hints(message_create_params.MessageCreateParamsNonStreaming)

    assert found.keys() <= known.keys()
    for name in FIELDS.keys() & found.keys():
        assert_fits(found[name], FIELDS[name])
    for tool in found["tools"]:
        assert_fits(tool, types.ToolParam)
    for block in found["system"]:
        assert_fits(block, types.TextBlockParam)


@pytest.mark.parametrize("choice", ["required", "none", "look"])
def test_choices_are_known(choice: str) -> None:
    """Of tools."""
    asked = ChatRequest(messages=(), tools=(LOOK,), tool_choice=choice)
    options = AnthropicOptions(model="claude-opus-5-5", api_key="k")

    sent = body_of(asked, options)["tool_choice"]
    TypeAdapter(types.ToolChoiceParam).validate_python(sent)


def test_what_is_counted_is_known() -> None:
    """Counting takes fewer fields than asking."""
    assert get_type_hints(types.MessageCountTokensParams).keys() >= COUNTED


def test_requests_of_batches_are_known() -> None:
    """Each is a whole request with an id."""
    options = AnthropicOptions(model="claude-opus-5-5", api_key="k")
    (found,) = requests_of([BatchItem("a", REQUEST)], options)

    assert_fits(found, messages.batch_create_params.Request)


def test_sdk_still_has_no_words_for_sampling() -> None:
    """Where it gets some, profiles may be told by it."""
    known = get_type_hints(message_create_params.MessageCreateParamsNonStreaming)

    assert not SAMPLING & known.keys()


def test_answers_of_the_tests_are_those_of_the_sdk() -> None:
    """What the other tests take for an answer is one."""
    types.Message.model_validate(
        wire.message(THOUGHT, wire.text(), wire.tool_use("look", {}))
    )
