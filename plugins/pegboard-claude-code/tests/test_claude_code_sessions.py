"""Which call goes to which process: real processes of Claude Code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from pegboard import ChatRequest, Message, Reply, Text
from pegboard_claude_code._model import ClaudeCodeModel

if TYPE_CHECKING:
    from pegboard.testing.fault_server import FaultServer

OpenModel = Callable[..., ClaudeCodeModel]


def user(text: str) -> Message:
    """Return what a user says."""
    return Message.of("user", text)


async def ask(claude: ClaudeCodeModel, *turns: Message, **more: Any) -> Reply:
    """Return the reply to *turns*."""
    return await claude.complete(ChatRequest(messages=turns, **more))


def process_of(reply: Reply) -> str:
    """Return what is the same for answers of one process."""
    session: str = reply.provider_metadata["claude-code"]["session_id"]
    return session


def heard(server: FaultServer) -> list[int]:
    """Return how many turns arrived with each request."""
    return [len(request.json["messages"]) for request in server.requests]


async def test_a_conversation_goes_on_in_its_process(
    open_model: OpenModel, server: FaultServer
) -> None:
    """The next turn goes to the process that knows those before it."""
    model = open_model()
    first = await ask(model, user("One"))
    turns = [user("One"), first.message, user("Two")]

    second = await ask(model, *turns)
    third = await ask(model, *turns, second.message, user("Three"))

    assert process_of(first) == process_of(second) == process_of(third)
    assert heard(server) == [1, 3, 5]
    assert third.usage == first.usage
    for reply in (first, third):
        cost = reply.provider_metadata["claude-code"]["cost_usd"]
        assert cost == pytest.approx(0.0001287)


async def test_another_conversation_gets_another_process(
    open_model: OpenModel, server: FaultServer
) -> None:
    """Who asks the same question anew is not told what was answered before."""
    model = open_model()

    replies = [await ask(model, user("One")) for _ in range(2)]

    assert len({*map(process_of, replies)}) == 2
    assert heard(server) == [1, 1]


async def test_a_changed_past_gets_another_process(
    open_model: OpenModel, server: FaultServer
) -> None:
    """A turn that was not said is heard by a process that knows of no other."""
    model = open_model()
    first = await ask(model, user("One"))
    changed = Message("assistant", (Text("Never said."),))

    second = await ask(model, user("One"), changed, user("Two"))

    assert process_of(first) != process_of(second)
    assert server.requests[1].json["messages"][1]["content"] == [
        {"type": "text", "text": "Never said."}
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"model": "claude-opus-4-6"},
        {"max_tokens": 99},
        {"extra": {"claude-code": {"max_turns": 7}}},
        {"instructions": "Be brief."},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_other_settings_get_another_process(
    open_model: OpenModel, server: FaultServer, change: dict[str, Any]
) -> None:
    """Nothing of how an earlier call was made is left for a later one."""
    more = dict(change)
    told = more.pop("instructions", None)
    system = [Message.of("system", told)] if told else []
    model = open_model()
    first = await ask(model, user("One"))

    await ask(model, *system, user("One"), first.message, user("Two"), **more)
    back = await ask(model, user("One"), first.message, user("Three"))

    assert process_of(back) == process_of(first)
    words = str(server.requests[-1].json["messages"])
    assert "Two" not in words
    assert "Three" in words


async def test_the_same_past_is_continued_once(open_model: OpenModel) -> None:
    """Two calls that go on from one answer do not meet in one process."""
    model = open_model()
    first = await ask(model, user("One"))
    turns = [user("One"), first.message]

    replies = await asyncio.gather(
        ask(model, *turns, user("Two")), ask(model, *turns, user("Other"))
    )

    assert len({*map(process_of, replies)}) == 2


async def test_without_patience_each_call_has_a_process(
    open_model: OpenModel,
) -> None:
    """One-shot: nothing is kept, and the past is told anew."""
    model = open_model(idle=0)
    first = await ask(model, user("One"))

    second = await ask(model, user("One"), first.message, user("Two"))

    assert process_of(first) != process_of(second)


async def test_a_stream_can_be_continued(open_model: OpenModel) -> None:
    """A reply that was streamed is known to its process like any other."""
    model = open_model()
    request = ChatRequest(messages=(user("One"),))
    *_, end = [event async for event in model.stream(request)]
    answer = Message.of("assistant", "Hello.")

    reply = await ask(model, user("One"), answer, user("Two"))

    assert end.provider_metadata["claude-code"]["session_id"] == process_of(reply)
