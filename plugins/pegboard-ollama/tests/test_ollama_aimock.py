"""What the kit cannot ask of a mock server that others wrote: calls, and refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pegboard import LLM, Message, Pegboard, Reply, Tool, ToolResult
from pegboard.errors import RateLimited

PLAN = Tool(
    "plan",
    "Plan a trip.",
    {
        "type": "object",
        "properties": {
            "stops": {
                "type": "array",
                "items": {"type": "object", "properties": {"at": {"type": "string"}}},
            }
        },
    },
)
ASKED = Message.of("user", "Plan a trip")


@pytest.fixture
async def llm(aimock: str) -> AsyncIterator[LLM]:
    """Return a model at the server."""
    section = {
        "provider": "ollama",
        "model": "any",
        "host": aimock,
        "policy": {"attempts": 1},
    }
    async with Pegboard.isolated({"llm": {"default": section}}) as board:
        yield board.llm()


async def ask(llm: LLM, way: str, *messages: Message) -> Reply:
    """Return the reply to *messages*, got in one way or the other."""
    if way == "complete":
        return await llm.complete(messages, tools=[PLAN])
    async with llm.stream(messages, tools=[PLAN]) as stream:
        async for _ in stream:
            pass
        return stream.reply


@pytest.mark.parametrize("way", ["complete", "stream"])
async def test_calls_are_made_and_answered(llm: LLM, way: str) -> None:
    """Each with its arguments and an id of its own, by which the result goes back."""
    reply = await ask(llm, way, ASKED)
    calls = reply.tool_calls
    results = tuple(ToolResult(call.id, call.name, "Done.") for call in calls)
    answered = await ask(llm, way, ASKED, reply.message, Message("tool", results))

    assert reply.finish_reason == "tool_calls"
    assert [call.arguments for call in calls] == [
        {"stops": [{"at": "Rome"}]},
        {"stops": []},
    ]
    assert len({call.id for call in calls}) == 2
    assert answered.text


@pytest.mark.parametrize("way", ["complete", "stream"])
async def test_refusal_says_when_to_come_again(llm: LLM, way: str) -> None:
    """The SDK would have kept that for itself."""
    with pytest.raises(RateLimited, match="answered 429: busy") as caught:
        await ask(llm, way, Message.of("user", "Fail"))

    assert caught.value.retry_after == 7
