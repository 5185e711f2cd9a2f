"""What the real Claude Code asks of the API, and what becomes of the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pegboard import (
    ChatRequest,
    File,
    Finished,
    Image,
    Message,
    PartDone,
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    Usage,
    UsageSoFar,
)
from pegboard.errors import InvalidRequest, Unsupported
from pegboard.testing import anthropic_wire as wire
from pegboard.testing._media import PICTURE
from pegboard.testing.fault_server import FaultServer, Scripted
from pegboard_claude_code._model import ClaudeCodeModel

SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}
HELLO = Scripted.events(*wire.message_stream("Hel", "lo."))
CUT = Scripted.events(
    wire.message_start(), *wire.text_block("Once"), *wire.message_end("max_tokens")
)
REFUSED = Scripted.events(
    wire.message_start(), *wire.text_block("I"), *wire.message_end("refusal")
)


OpenModel = Callable[..., ClaudeCodeModel]


def ask(*turns: Message, **more: Any) -> ChatRequest:
    """Return a request."""
    return ChatRequest(messages=turns, **more)


def user(text: str) -> Message:
    """Return what a user says."""
    return Message.of("user", text)


def told(server: FaultServer) -> list[list[tuple[str, str]]]:
    """Return the conversations that arrived at the API."""
    return [
        [(turn["role"], _words(turn["content"])) for turn in request.json["messages"]]
        for request in server.requests
    ]


def _words(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(block.get("text", f"<{block['type']}>") for block in content)


async def listen(model: ClaudeCodeModel, request: ChatRequest) -> list[Any]:
    """Return the events of a whole stream."""
    return [event async for event in model.stream(request)]


async def test_words_usage_and_cost_arrive(
    open_model: OpenModel, hello: ChatRequest
) -> None:
    """A reply has what the API says, in buckets, and what Claude Code says it cost."""
    reply = await open_model().complete(hello)

    assert reply.text == "Hello."
    assert reply.finish_reason == "stop"
    assert reply.model == "stub-1"
    assert reply.usage == Usage(
        input=5, cache_read=4, cache_write=2, output=4, reasoning=3, cost=0.0001287
    )
    metadata = reply.provider_metadata["claude-code"]
    assert metadata["cost_usd"] == pytest.approx(0.0001287)
    assert metadata["turns"] == 1
    assert metadata["permission_denials"] == []


async def test_nothing_is_added_to_the_words(
    open_model: OpenModel, server: FaultServer, hello: ChatRequest
) -> None:
    """The API gets the turn as it is, no tools, and the instructions of the call."""
    system = Message.of("system", "- Be brief.")

    await open_model().complete(ask(system, *hello.messages, max_tokens=50))

    body = server.requests[0].json
    assert told(server) == [[("user", "Hello?")]]
    assert body["system"][-1]["text"] == "- Be brief."
    assert body["max_tokens"] == 50
    assert body["model"] == "claude-sonnet-4-5"
    assert not body.get("tools")
    assert server.requests[0].headers["x-api-key"] == "k-1"


async def test_text_is_no_command(
    open_model: OpenModel, server: FaultServer, tmp_path: Path
) -> None:
    """What looks like a command or a file to Claude Code arrives as it was written."""
    secret = tmp_path / "secret.txt"
    secret.write_text("sentinel")

    for text in ("/clear", f"@{secret}"):
        await open_model().complete(ask(user(text)))

    assert told(server) == [[("user", "/clear")], [("user", f"@{secret}")]]


async def test_earlier_turns_are_turns(
    open_model: OpenModel, server: FaultServer
) -> None:
    """A conversation arrives in its order, each turn under its own role."""
    thought = Message("assistant", (Reasoning("Hm."), Text("Hello, Ada.")))
    request = ask(
        user("I am Ada."), thought, user("Well?"), user("Go on."), user("Who am I?")
    )

    await open_model().complete(request)

    (conversation,) = told(server)
    assert conversation[:2] == [("user", "I am Ada."), ("assistant", "Hello, Ada.")]
    assert [role for role, _ in conversation[2:]] == ["user"] * (len(conversation) - 2)
    rest = "".join(words for _, words in conversation[2:])
    assert rest.replace("\n", "") == "Well?Go on.Who am I?"


@pytest.mark.parametrize(
    "turns",
    [
        [user("Hi"), Message.of("system", "Be brief."), user("Well?")],
        [user("Hi"), Message.of("assistant", "Hel")],
        [Message.of("system", "Be brief.")],
    ],
    ids=["instructions in between", "an answer begun", "nobody asks"],
)
async def test_an_order_that_cannot_be_told_is_refused(
    open_model: OpenModel, turns: list[Message]
) -> None:
    """Nothing is moved to where Claude Code would take it."""
    with pytest.raises(InvalidRequest) as caught:
        await open_model().complete(ask(*turns))

    assert caught.value.request_sent == "no"


async def test_pictures_and_documents_arrive(
    open_model: OpenModel, server: FaultServer
) -> None:
    """They are blocks of the API, by their bytes or by their address."""
    parts = (
        Text("Look."),
        Image(PICTURE),
        Image("https://example.org/a.png"),
        File(b"%PDF-", name="a.pdf"),
        File(b"words", media_type="text/plain"),
    )

    await open_model().complete(ask(Message("user", parts)))

    blocks = server.requests[0].json["messages"][0]["content"]
    assert [block["type"] for block in blocks] == [
        *("text", "image", "image", "document", "document")
    ]
    assert [block["source"].get("type") for block in blocks[1:]] == [
        *("base64", "url", "base64", "text")
    ]
    assert blocks[3]["title"] == "a.pdf"


async def test_a_structured_reply_is_its_json(
    open_model: OpenModel, server: FaultServer
) -> None:
    """What Claude Code checked against the schema is the text, and nothing else."""
    answer = [
        wire.message_start(),
        *wire.text_block("Here it is:"),
        *wire.tool_use_block("StructuredOutput", '{"answer":', ' "x"}', index=1),
        *wire.message_end("tool_use"),
    ]
    server.respond(Scripted.events(*answer), Scripted.events(*answer))
    model = open_model()
    request = ask(user("Which?"), schema=SCHEMA)

    reply = await model.complete(request)
    events = await listen(model, request)

    assert json.loads(reply.text) == {"answer": "x"}
    assert reply.finish_reason == "stop"
    assert [e for e in events if isinstance(e, TextDelta)] == [TextDelta(reply.text)]
    (tool,) = server.requests[0].json["tools"]
    assert tool["input_schema"] == SCHEMA


async def test_a_stream_brings_thoughts_and_words(
    open_model: OpenModel, server: FaultServer, hello: ChatRequest
) -> None:
    """Pieces arrive as they are; usage comes with the first and is corrected."""
    thoughts = [
        wire.block_start(0, wire.thinking("", "")),
        wire.block_delta(0, "thinking_delta", thinking="Hm"),
        wire.block_delta(0, "thinking_delta", thinking="..."),
        wire.block_delta(0, "signature_delta", signature="c2ln"),
        wire.block_stop(0),
    ]
    words = wire.text_block("Hel", "lo.", index=1)
    server.respond(
        Scripted.events(wire.message_start(), *thoughts, *words, *wire.message_end())
    )

    events = await listen(open_model(thinking="adaptive"), hello)

    started = Usage(input=5, cache_read=4, cache_write=2, output=1)
    whole = Usage(input=5, cache_read=4, cache_write=2, output=4, reasoning=3)
    assert events[:-1] == [
        UsageSoFar(started),
        ReasoningDelta("Hm"),
        ReasoningDelta("..."),
        PartDone(Reasoning("Hm...")),
        TextDelta("Hel"),
        TextDelta("lo."),
        UsageSoFar(whole),
    ]
    assert isinstance(events[-1], Finished)
    assert replace(events[-1].usage, cost=None) == whole


async def test_instructions_may_be_long(
    open_model: OpenModel, server: FaultServer, running: Callable[[], set[int]]
) -> None:
    """They are not part of the command, which has a length and is seen by others."""
    words = "sentinel " * 50_000
    gate = asyncio.Event()
    server.respond(Scripted(headers=HELLO.headers, body=HELLO.body, before=gate))
    request = ask(Message.of("system", words), user("Hi"))
    call = asyncio.ensure_future(open_model().complete(request))
    arrived = await server.next_request()
    (process,) = running()
    commands = Path(f"/proc/{process}/cmdline").read_bytes()  # noqa: ASYNC240
    gate.set()

    assert (await call).text == "Hello."
    assert arrived.json["system"][-1]["text"].strip() == words.strip()
    assert b"sentinel" not in commands


async def test_a_schema_may_not_be_that_long(
    open_model: OpenModel, server: FaultServer
) -> None:
    """What cannot be told is refused, and not sent again."""
    schema = {**SCHEMA, "description": "x" * 200_000}

    with pytest.raises(InvalidRequest, match="shorter"):
        await open_model().complete(ask(user("Hi"), schema=schema))

    assert server.requests == []


async def test_an_answer_without_a_bound_goes_on(
    open_model: OpenModel, server: FaultServer
) -> None:
    """Claude Code asks for the rest by itself, and the pieces are one text."""
    server.respond(CUT)

    reply = await open_model().complete(ask(user("A story.")))

    assert reply.text == "OnceHello."
    assert reply.finish_reason == "stop"
    assert len(server.requests) == 2


async def test_an_answer_that_never_ends_is_cut(
    open_model: OpenModel, server: FaultServer
) -> None:
    """When Claude Code gives up, what has arrived is the reply."""
    server.respond(*[CUT] * 9)

    reply = await open_model().complete(ask(user("A story.")))

    assert set(reply.text.split("Once")) == {""}
    assert reply.finish_reason == "length"
    assert reply.provider_metadata["claude-code"]["cost_usd"] > 0


@pytest.mark.parametrize(
    ("answer", "reason"), [(CUT, "length"), (REFUSED, "content_filter")]
)
async def test_an_answer_that_was_cut_stays_cut(
    open_model: OpenModel, server: FaultServer, answer: Scripted, reason: str
) -> None:
    """Claude Code would ask for the rest, beyond all limits; it is ended instead."""
    server.respond(answer)

    reply = await open_model().complete(ask(user("A story."), max_tokens=16))

    assert (reply.text or "I") in {"Once", "I"}
    assert reply.finish_reason == reason
    assert reply.usage.output + reply.usage.reasoning == 7


async def test_effort_is_sent(open_model: OpenModel, server: FaultServer) -> None:
    """How much to think is what the call says."""
    request = ask(user("Hi"), model="claude-opus-4-6", reasoning_effort="low")

    await open_model().complete(request)

    assert server.requests[0].json["output_config"] == {"effort": "low"}


async def test_effort_is_not_dropped(
    open_model: OpenModel, server: FaultServer
) -> None:
    """A model that Claude Code would not tell of it is not asked."""
    with pytest.raises(Unsupported, match="claude-sonnet-4-5"):
        await open_model().complete(ask(user("Hi"), reasoning_effort="low"))

    assert server.requests == []


async def test_words_around_tools_are_kept_apart(
    open_model: OpenModel, server: FaultServer, tmp_path: Path
) -> None:
    """What Claude says before it uses a tool is part of the reply, as of the stream."""
    (tmp_path / "note.txt").write_text("42")
    reading = wire.tool_use_block(
        "Read", json.dumps({"file_path": str(tmp_path / "note.txt")}), index=1
    )
    server.respond(
        Scripted.events(
            wire.message_start(),
            *wire.text_block("Let me see."),
            *reading,
            *wire.message_end("tool_use"),
        )
    )
    model = open_model(tools=["Read"], allowed_tools=["Read"], cwd=tmp_path)

    reply = await model.complete(ask(user("What is in note.txt?")))

    assert reply.text == "Let me see.\n\nHello."
    assert reply.tool_calls == ()
    assert reply.usage.input == 10
    assert reply.provider_metadata["claude-code"]["turns"] == 2
    result = server.requests[1].json["messages"][-1]["content"][0]
    assert result["type"] == "tool_result"
    assert "42" in json.dumps(result["content"])
