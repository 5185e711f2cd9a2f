"""The words of OpenInference, against those that the specification lists."""

from __future__ import annotations

import json

import pytest
from pegboard import Image, Message, Pegboard, Text, Tool, ToolCall, ToolResult
from pegboard_phoenix._openinference import translated

ADDRESS = {"pegboard.address": "llm.default"}
CHAT = {**ADDRESS, "gen_ai.operation.name": "chat", "gen_ai.provider.name": "acme"}


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("chat", "LLM"),
        ("generate_content", "LLM"),
        ("embeddings", "EMBEDDING"),
        ("execute_tool", "TOOL"),
        ("invoke_agent", "AGENT"),
        (None, "CHAIN"),
    ],
)
def test_every_span_has_a_kind(operation, kind):
    """By what is done in it."""
    names = {"gen_ai.tool.name": "add", "gen_ai.agent.name": "llm.default"}
    operation_name = {"gen_ai.operation.name": operation} if operation else {}
    told = translated({**ADDRESS, **operation_name, **names})

    assert told["openinference.span.kind"] == kind


def test_spans_of_the_program_are_a_chain_unless_they_say():
    """What they say of themselves stays."""
    own = {"openinference.span.kind": "RETRIEVER", "x": 1}

    assert translated({"x": 1})["openinference.span.kind"] == "CHAIN"
    assert translated(own) == own


def test_tokens_are_counted_once():
    """The parts of a count are in it already."""
    told = translated(
        {
            **CHAT,
            "gen_ai.usage.input_tokens": 30,
            "gen_ai.usage.output_tokens": 10,
            "gen_ai.usage.cache_read.input_tokens": 20,
            "gen_ai.usage.cache_creation.input_tokens": 3,
            "gen_ai.usage.reasoning.output_tokens": 6,
        }
    )

    assert {n: v for n, v in told.items() if n.startswith("llm.token_count")} == {
        "llm.token_count.prompt": 30,
        "llm.token_count.completion": 10,
        "llm.token_count.total": 40,
        "llm.token_count.prompt_details.cache_read": 20,
        "llm.token_count.prompt_details.cache_write": 3,
        "llm.token_count.completion_details.reasoning": 6,
    }


def test_what_nobody_counted_is_left_out():
    """None is not nought."""
    assert not [name for name in translated(CHAT) if "token_count" in name]


def test_the_model_is_the_one_that_answered():
    """Or else the one that was asked."""
    asked = {**CHAT, "gen_ai.request.model": "a"}

    assert translated(asked)["llm.model_name"] == "a"
    both = translated({**asked, "gen_ai.response.model": "b"})
    assert both["llm.model_name"] == "b"
    assert "llm.model_name" not in translated(CHAT)


def test_the_older_conventions_are_understood():
    """As far as they go."""
    told = translated(
        {**ADDRESS, "gen_ai.operation.name": "chat", "gen_ai.system": "x"}
    )

    assert told["llm.system"] == "x"


def test_tools_and_runs_have_names():
    """Phoenix shows them."""
    tool = {
        **ADDRESS,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "add",
    }
    run = {**ADDRESS, "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "a"}

    assert translated(tool)["tool.name"] == "add"
    assert translated(run)["agent.name"] == "a"


def test_embeddings_name_their_model():
    """Under a name of their own."""
    told = translated(
        {
            **ADDRESS,
            "gen_ai.operation.name": "embeddings",
            "gen_ai.request.model": "e",
            "gen_ai.usage.input_tokens": 4,
        }
    )

    assert told["embedding.model_name"] == "e"
    assert told["llm.token_count.prompt"] == 4


async def test_a_whole_conversation(collector):
    """Roles, tool calls, answers of tools, pictures, tools on offer."""
    add = Tool(
        name="add",
        description="Add.",
        parameters={"type": "object", "properties": {}},
    )
    image = Image("https://example.com/cat.png", media_type="image/png")
    messages = [
        Message("system", (Text("Be brief."),)),
        Message("user", (Text("What is this?"), image, Image(b"xyz", "image/png"))),
        Message("assistant", (ToolCall(id="c1", name="add", arguments={"a": 1}),)),
        Message("user", (ToolResult(call_id="c1", name="add", content="2"),)),
    ]
    settings = {
        "tracing": {"to": "p", "capture_content": True},
        "integrations": {"p": {"provider": "phoenix", "endpoint": collector.url}},
        "llm": {"default": {"provider": "fake", "model": "m", "replies": ["Two."]}},
    }
    async with Pegboard.isolated(settings) as board:
        await board.llm().complete(messages, tools=[add])
    (span,) = collector.spans()
    known = span.attributes
    asked = {
        name.removeprefix("llm.input_messages."): value
        for name, value in known.items()
        if name.startswith("llm.input_messages.")
    }

    assert asked == {
        "0.message.role": "system",
        "0.message.content": "Be brief.",
        "1.message.role": "user",
        "1.message.contents.0.message_content.type": "text",
        "1.message.contents.0.message_content.text": "What is this?",
        "1.message.contents.1.message_content.type": "image",
        "1.message.contents.1.message_content.image.image.url": (
            "https://example.com/cat.png"
        ),
        "1.message.contents.2.message_content.type": "text",
        "1.message.contents.2.message_content.text": "[image image/png 3]",
        "2.message.role": "assistant",
        "2.message.tool_calls.0.tool_call.id": "c1",
        "2.message.tool_calls.0.tool_call.function.name": "add",
        "2.message.tool_calls.0.tool_call.function.arguments": '{"a": 1}',
        "3.message.role": "tool",
        "3.message.tool_call_id": "c1",
        "3.message.content": "2",
    }
    assert known["llm.output_messages.0.message.role"] == "assistant"
    assert known["llm.output_messages.0.message.content"] == "Two."
    assert known["input.value"] == "2"
    assert known["output.value"] == "Two."
    assert known["llm.tools.0.tool.name"] == "add"
    schema = json.loads(known["llm.tools.0.tool.json_schema"])
    assert schema["function"]["name"] == "add"
    assert not [name for name in known if name.startswith("gen_ai.input")]
