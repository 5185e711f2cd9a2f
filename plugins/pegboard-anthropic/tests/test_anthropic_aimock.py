"""Tools and thoughts with a mock server that others wrote, and that is strict."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pegboard import LLM, Message, Pegboard, Reply, Tool, ToolResult, errors

MEASURE = Tool("measure", "Measure how warm something is.", {"type": "object"})
PLACES = "Measure at two places."
THINKING = {"tools": [MEASURE], "reasoning_effort": "low", "max_tokens": 4000}


@pytest.fixture
async def llm(aimock: str) -> AsyncIterator[LLM]:
    """Return a model that has to send its thoughts back, or is refused."""
    section = {
        "provider": "anthropic",
        "model": "claude-haiku-4-5",
        "base_url": aimock,
        "api_key": "sk-aimock",
        "headers": {"X-AIMock-Strict": "true"},
        "policy": {"attempts": 1},
    }
    async with Pegboard.isolated({"llm": {"default": section}}) as board:
        yield board.llm()


@pytest.fixture(params=["complete", "stream"])
def ask(request: pytest.FixtureRequest, llm: LLM) -> Any:
    """Return what asks the model, in each of the ways in turn."""

    async def ask(prompt: Any) -> Reply:
        if request.param == "complete":
            return await llm.complete(prompt, **THINKING)  # type: ignore[arg-type]
        async with llm.stream(prompt, **THINKING) as stream:  # type: ignore[arg-type]
            _ = [event async for event in stream]
            return stream.reply

    return ask


def answered(prompt: str, asked: Message, calls: Any) -> list[Message]:
    """Return the conversation in which *calls* have results."""
    results = tuple(ToolResult(call.id, call.name, "20 degrees") for call in calls)
    return [Message.of("user", prompt), asked, Message("tool", results)]


async def test_parallel_calls_are_asked_and_answered(ask: Any) -> None:
    """Thoughts, words and two calls come; all of it goes back as it came."""
    asked = await ask(PLACES)

    assert asked.finish_reason == "tool_calls"
    assert (asked.reasoning, asked.text) == ("Both of them.", "I look.")
    assert [call.arguments["answer"] for call in asked.tool_calls] == ["ice", "fire"]
    assert len({call.id for call in asked.tool_calls}) == 2
    turns = answered(PLACES, asked.message, asked.tool_calls)
    assert (await ask(turns)).text


async def test_thoughts_that_are_left_out_are_missed(ask: Any) -> None:
    """The server checks what the test above sends; without it, it refuses."""
    asked = await ask(PLACES)
    bare = Message("assistant", asked.tool_calls)

    with pytest.raises(errors.InvalidRequest, match="thinking"):
        await ask(answered(PLACES, bare, asked.tool_calls))


async def test_hidden_thoughts_go_back(ask: Any) -> None:
    """They have no words, and are needed all the same."""
    prompt = "Measure secretly."
    asked = await ask(prompt)

    assert asked.reasoning == ""
    assert (await ask(answered(prompt, asked.message, asked.tool_calls))).text


async def test_error_of_the_server_is_classified(ask: Any) -> None:
    """With the wait that it asks for."""
    with pytest.raises(errors.RateLimited) as caught:
        await ask("Fail")

    assert (caught.value.status, caught.value.retry_after) == (429, 7)


async def test_a_run_calls_the_tools_itself(llm: LLM) -> None:
    """The loop of the facade sends thoughts and results back, or would be refused."""
    measured = []

    def measure(answer: str, certain: bool) -> str:  # noqa: FBT001 - the model's words
        """Measure how warm something is."""
        measured.append((answer, certain))
        return "20 degrees"

    run = await llm.run(
        PLACES, tools=[measure], reasoning_effort="low", max_tokens=4000
    )

    assert sorted(measured) == [("fire", True), ("ice", True)]
    assert "fire" in run.text
