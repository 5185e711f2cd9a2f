"""Searches of the web: what is asked, what was found, and what goes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from pegboard import Message, Pegboard, Source, Text, Tool
from pegboard.testing import anthropic_wire as wire
from pegboard.testing.fault_server import Scripted

if TYPE_CHECKING:
    from pegboard.testing.fault_server import FaultServer

OpenBoard = Callable[..., Pegboard]

PAGE = "https://example.org/pegs"
CITED = {**wire.text("of wood."), "citations": [wire.web_citation(PAGE, "Wood.")]}
FOUND = [*wire.web_search("pegs", PAGE), wire.text("Pegs are "), CITED]
TOOL = Tool("look", "Look.", {"type": "object", "properties": {}})
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def steps(blocks: list[Mapping[str, Any]]) -> Iterator[bytes]:
    """Yield a stream of *blocks*, their words and pages in pieces."""
    yield wire.message_start()
    for index, block in enumerate(blocks):
        start = {**block, **({"text": ""} if "text" in block else {})}
        citations = start.pop("citations", None) or []
        yield wire.block_start(index, start)
        for citation in citations:
            yield wire.block_delta(index, "citations_delta", citation=citation)
        text = block.get("text", "")
        for piece in filter(None, (text[:3], text[3:])):
            yield wire.block_delta(index, "text_delta", text=piece)
        yield wire.block_stop(index)
    yield from wire.message_end()


@pytest.mark.parametrize(
    ("model", "is_claimed"), [("claude-haiku-4-5", True), ("smollm2", False)]
)
def test_claude_searches(model: str, is_claimed: object) -> None:
    """A model of others behind the same API is not searched for."""
    section = {"provider": "anthropic", "model": model, "api_key": "k"}
    board = Pegboard.isolated({"llm": {"default": section}})

    assert ("web_search" in board.llm().capabilities) == is_claimed


async def test_search_goes_besides_tools(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """Functions and the search are offered together; without a wish, none."""
    server.respond(Scripted.json(wire.message()), Scripted.json(wire.message()))
    llm = open_board().llm()
    await llm.complete("Pegs?", web_search=True, tools=[TOOL])
    await llm.complete("Pegs?")
    with_search, without = (request.json for request in server.requests)

    assert with_search["tools"][1:] == [SEARCH]
    assert "tools" not in without


async def test_what_was_found_goes_back(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """Words have the pages that they rest on; all blocks go back as they came."""
    server.respond(Scripted.json(wire.message(*FOUND)), Scripted.json(wire.message()))
    llm = open_board().llm()
    reply = await llm.complete("What are pegs of?", web_search=True)
    await llm.complete([reply.message, Message.of("user", "Sure?")], web_search=True)
    sent = server.requests[1].json["messages"][0]["content"]

    assert reply.sources == (Source(PAGE, "A page", "Wood."),)
    assert [part.text for part in reply.parts if isinstance(part, Text)] == [
        "Pegs are ",
        "of wood.",
    ]
    assert sent == [*FOUND[:2], {"type": "text", "text": "Pegs are "}, CITED]


async def test_stream_makes_the_same_reply(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """Words without pages stay apart from those that have some."""
    server.respond(Scripted.events(*steps(FOUND)), Scripted.json(wire.message(*FOUND)))
    llm = open_board().llm()

    async with llm.stream("What are pegs of?", web_search=True) as stream:
        words = [text async for text in stream.text]
    whole = await llm.complete("What are pegs of?", web_search=True)

    assert "".join(words) == whole.text
    assert stream.reply.parts == whole.parts


async def test_search_that_pauses_goes_on(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """A long search is continued, and its reply is one."""
    first, rest = wire.message(*FOUND[:2], stop_reason="pause_turn"), FOUND[2:]
    server.respond(Scripted.json(first), Scripted.json(wire.message(*rest)))

    reply = await open_board().llm().complete("Pegs?", web_search=True)

    assert reply.text == "Pegs are of wood."
    assert server.requests[1].json["messages"][-1]["content"] == FOUND[:2]
