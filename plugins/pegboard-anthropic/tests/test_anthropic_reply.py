from __future__ import annotations

from typing import Any, get_args

import pytest
from anthropic.types import StopReason
from pegboard import ChatRequest, Reasoning, Text, ToolCall, Usage
from pegboard.errors import InvalidReply
from pegboard.testing import anthropic_wire as wire
from pegboard_anthropic._reply import FINISH_REASONS, reply_of, usage_of
from pegboard_anthropic._request import body_of
from pegboard_anthropic.options import AnthropicOptions

SEARCH = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}


def reply(*blocks: dict[str, Any], **more: Any) -> Any:
    """Return the reply that an answer of *blocks* is."""
    return reply_of([wire.message(*blocks, **more)])


def test_parts_come_in_order() -> None:
    """Thoughts, words and calls."""
    thought = wire.thinking("Hm.")
    found = reply(thought, wire.text("A"), wire.tool_use("look", {"a": 1}))

    assert found.parts == (
        Reasoning("Hm.", provider_metadata={"anthropic": {"block": thought}}),
        Text("A"),
        ToolCall("toolu_1", "look", {"a": 1}),
    )
    assert (found.text, found.reasoning, found.model) == ("A", "Hm.", "stub-1")


@pytest.mark.parametrize(
    "block",
    [
        wire.thinking("Hm."),
        {"type": "redacted_thinking", "data": "xyz"},
        SEARCH,
        FOUND,
        {**wire.text("A"), "citations": [{"cited_text": "a"}]},
        {**wire.tool_use("look", {}), "caller": {"type": "direct"}},
        {"type": "brand_new", "x": 1},
    ],
)
def test_blocks_go_back_as_they_came(block: dict[str, Any]) -> None:
    """Also those that pegboard has no part for."""
    options = AnthropicOptions(model="m", api_key="k")
    request = ChatRequest(messages=(reply(block).message,))

    sent = body_of(request, options)["messages"][0]["content"]

    assert sent == [block]


@pytest.mark.parametrize(
    ("stop_reason", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("brand_new", "stop"),
    ],
)
def test_reason_to_finish(stop_reason: str, reason: str) -> None:
    """All that the SDK knows, and those it does not know yet."""
    assert reply(stop_reason=stop_reason).finish_reason == reason


def test_every_stop_reason_of_the_sdk_is_known() -> None:
    """A new version may bring more."""
    assert FINISH_REASONS.keys() == {*get_args(StopReason)}


def test_refusal_says_why() -> None:
    """As far as the service does."""
    details = {"type": "refusal", "category": "bio", "explanation": None}
    found = reply(stop_reason="refusal", stop_details=details)

    assert found.provider_metadata["anthropic"]["stop_details"] == details


def test_usage_buckets_do_not_overlap() -> None:
    """Input is without the cache already, output with the thoughts."""
    assert usage_of(wire.USAGE) == Usage(
        input=5, cache_read=4, cache_write=2, output=4, reasoning=3
    )


def test_usage_may_be_sparse() -> None:
    """Servers of others tell less."""
    assert usage_of({"input_tokens": 3, "output_tokens": 2}) == Usage(input=3, output=2)
    assert usage_of({"cache_read_input_tokens": None}) == Usage()


def test_continued_answers_are_one_reply() -> None:
    """All that was said, and all that it took."""
    first = wire.message(SEARCH, stop_reason="pause_turn")
    found = reply_of([first, wire.message(FOUND, wire.text("A"))])

    assert [type(part) for part in found.parts] == [Reasoning, Reasoning, Text]
    assert found.finish_reason == "stop"
    assert found.usage == usage_of(wire.USAGE) + usage_of(wire.USAGE)


def test_arguments_that_are_no_object_are_refused() -> None:
    """A tool could not be called with them."""
    with pytest.raises(InvalidReply, match="'look'"):
        reply({**wire.tool_use("look", {}), "input": "a"})
