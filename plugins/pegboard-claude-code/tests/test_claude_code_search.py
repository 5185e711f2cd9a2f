"""Searches of the web by Claude Code's own tool, and what traces call it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from pegboard import Message, Pegboard, Source, Text
from pegboard.testing import anthropic_wire as wire
from pegboard.testing.fault_server import FaultServer, Scripted
from pegboard_claude_code.plugin import pegboard_llm_providers

if TYPE_CHECKING:
    from pegboard.testing.fault_server import Received

OpenBoard = Callable[..., Pegboard]

PAGE = "https://example.org/pegs"
QUESTION = "What are pegs of?"
SEARCH = {"query": "what are pegs of"}


def steps(blocks: list[Mapping[str, Any]]) -> Iterator[bytes]:
    """Yield the events of whole *blocks*."""
    for index, block in enumerate(blocks):
        yield wire.block_start(index, block)
        yield wire.block_stop(index)


def service(request: Received) -> Scripted:
    """Answer as the API does when Claude searches before it answers."""
    body = request.json
    kinds = [tool.get("type") for tool in body.get("tools", ())]
    if "web_search_20250305" in kinds:
        found = [*wire.web_search("pegs", PAGE), wire.text("Pegs are of wood.")]
        return Scripted.events(wire.message_start(), *steps(found), *wire.message_end())
    if "tool_result" in json.dumps(body["messages"][-1]):
        return Scripted.events(*wire.message_stream("Of ", "wood."))
    if not kinds:
        return Scripted.events(*wire.message_stream("I have read it."))
    calling = wire.tool_use_block("WebSearch", json.dumps(SEARCH))
    return Scripted.events(
        wire.message_start(), *calling, *wire.message_end("tool_use")
    )


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    """Run a server of the API that can search."""
    async with FaultServer(otherwise=service) as running:
        yield running


@pytest.mark.parametrize(("disallowed", "is_claimed"), [([], True), (["WebSearch"], 0)])
def test_search_is_claimed_unless_it_is_forbidden(
    disallowed: list[str], is_claimed: object
) -> None:
    """What the settings never allow is not offered."""
    section = {"provider": "claude-code", "disallowed_tools": disallowed}
    board = Pegboard.isolated({"llm": {"default": section}})

    assert ("web_search" in board.llm().capabilities) == is_claimed


async def test_claude_searches_when_it_may(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """The reply has the pages that were found; the tool is there for this call only."""
    llm = open_board().llm()

    reply = await llm.complete(QUESTION, web_search=True)
    asked, searched, *_ = (request.json for request in server.requests)

    assert reply.parts == (Text("Of wood.", sources=(Source(PAGE, "A page"),)),)
    assert [tool["name"] for tool in asked["tools"]] == ["WebSearch"]
    assert SEARCH["query"] in json.dumps(searched["messages"])


async def test_stream_of_a_search_is_the_same_reply(open_board: OpenBoard) -> None:
    """Pages are told when the words are whole."""
    llm = open_board().llm()

    async with llm.stream(QUESTION, web_search=True) as stream:
        words = [text async for text in stream.text]

    assert words == ["Of ", "wood."]
    assert stream.reply.sources == (Source(PAGE, "A page"),)


async def test_conversation_goes_on_without_the_tool(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """What was found is told again as words; nothing may be searched for."""
    llm = open_board().llm()
    reply = await llm.complete(QUESTION, web_search=True)

    turns = [Message.of("user", QUESTION), reply.message, Message.of("user", "Sure?")]
    await llm.complete(turns)
    last = server.requests[-1].json

    assert not last.get("tools")
    assert "Of wood." in json.dumps(last["messages"])


def test_traces_call_the_service_by_its_name() -> None:
    """Whoever starts Claude Code asks Anthropic."""
    (provider,) = pegboard_llm_providers()

    assert provider.telemetry_name == "anthropic"
