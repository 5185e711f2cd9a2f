"""Searches of the web, and pictures that tools answer with: who has them, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from pegboard import Message, Pegboard, Source, Text, Tool
from pegboard.errors import Unsupported
from pegboard.testing import openai_wire as wire
from pegboard.testing.scripted import Scripted

if TYPE_CHECKING:
    from pegboard.testing.fault_server import FaultServer

OpenBoard = Callable[..., Pegboard]

PAGE = "https://example.org/pegs"
FOUND = [
    wire.reasoning_item(),
    wire.web_search_call("pegs"),
    wire.output_message(wire.output_text("Of wood.", wire.url_citation(PAGE))),
]
WORDS = Text("Of wood.", sources=(Source(PAGE, "A page"),))
TOOL = Tool("look", "Look.", {"type": "object", "properties": {}})


def claims(service: str, capability: str = "web_search", **section: object) -> bool:
    """Return whether a model of *service* claims *capability*."""
    place = {"endpoint": "http://127.0.0.1:1"} if service == "azure" else {}
    given = {"provider": service, "model": "m", "api_key": "k", **place, **section}
    board = Pegboard.isolated({"llm": {"default": given}})
    return capability in board.llm().capabilities


@pytest.mark.parametrize(
    ("service", "api", "is_claimed"),
    [
        ("openai", "responses", True),
        ("openai", "chat", False),
        ("azure", "responses", True),
        ("azure", "chat", False),
        ("openrouter", "responses", True),
        ("openrouter", "chat", True),
        ("xai", "responses", True),
        ("xai", "chat", False),
        ("groq", "responses", False),
        ("mistral", "chat", False),
    ],
)
def test_services_that_search(service: str, api: str, is_claimed: object) -> None:
    """It is claimed where the API of the service has a tool for it."""
    assert claims(service, api=api) == is_claimed


@pytest.mark.parametrize("model", ["gpt-4.1-nano", "gpt-4", "o3-mini-2025-01-31"])
def test_model_that_cannot_search_does_not_claim_it(model: str) -> None:
    """The tool is there, but not for each model."""
    assert claims("openai", model="gpt-5-nano")
    assert not claims("openai", model=model)


async def test_model_of_the_call_that_cannot_search_is_refused(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """Before anything is sent."""
    llm = open_board().llm()

    with pytest.raises(Unsupported, match="web_search"):
        await llm.complete("Pegs?", model="gpt-4.1-nano", web_search=True)

    assert server.requests == []


async def test_search_goes_besides_tools(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """Functions and the search are offered together; without a wish, none."""
    server.respond(Scripted.json(wire.response()), Scripted.json(wire.response()))
    llm = open_board().llm()

    await llm.complete("Pegs?", web_search=True, tools=[TOOL])
    await llm.complete("Pegs?")
    with_search, without = (request.json for request in server.requests)

    assert [tool["type"] for tool in with_search["tools"]] == ["function", "web_search"]
    assert "tools" not in without


async def test_what_was_found_goes_back(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """A reply has the pages; sent back, it has all its items, in their order."""
    server.respond(Scripted.json(wire.response(*FOUND)), Scripted.json(wire.response()))
    llm = open_board().llm()
    reply = await llm.complete("What are pegs of?", web_search=True)
    await llm.complete([reply.message, Message.of("user", "Sure?")], web_search=True)
    sent = server.requests[1].json["input"]

    assert reply.sources == (Source(PAGE, "A page"),)
    assert reply.parts[-1] == WORDS
    assert [item["type"] for item in sent] == [
        "reasoning",
        "web_search_call",
        "message",
        "message",
    ]
    assert sent[1] == wire.web_search_call("pegs")


async def test_stream_makes_the_same_reply(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """Words arrive in pieces, their pages when they are whole."""
    steps = [
        *(
            wire.response_event("response.output_item.done", item=it)
            for it in FOUND[:2]
        ),
        *(
            wire.response_event("response.output_text.delta", delta=piece)
            for piece in ("Of ", "wood.")
        ),
        wire.response_event("response.output_item.done", item=FOUND[2]),
        wire.response_event("response.completed", response=wire.response(*FOUND)),
    ]
    whole = Scripted.json(wire.response(*FOUND))
    server.respond(Scripted.events(*steps), whole)
    llm = open_board().llm()

    async with llm.stream("What are pegs of?", web_search=True) as stream:
        assert [text async for text in stream.text] == ["Of ", "wood."]
    assert stream.reply.parts == (await llm.complete("What are pegs of?")).parts


async def test_words_before_cited_ones_stay(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """A message without pages, and one with, are the text together."""
    messages: list[Any] = [wire.output_message(wire.output_text("Well. ")), FOUND[2]]
    steps = [
        step
        for item in messages
        for step in (
            wire.response_event(
                "response.output_text.delta", delta=item["content"][0]["text"]
            ),
            wire.response_event("response.output_item.done", item=item),
        )
    ]
    end = wire.response_event("response.completed", response=wire.response(*messages))
    server.respond(Scripted.events(*steps, end))

    async with open_board().llm().stream("Pegs?", web_search=True) as stream:
        _ = [text async for text in stream.text]

    assert stream.reply.text == "Well. Of wood."
    assert stream.reply.sources == WORDS.sources


CITED = [{"type": "url_citation", "url_citation": {"url": PAGE, "content": "Wood."}}]


async def test_chat_of_a_service_that_searches(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """The chat API of OpenRouter has a tool of its own, and an object more."""
    message = wire.chat_message("Of wood.", annotations=CITED)
    server.respond(
        Scripted.json(wire.chat_completion(message)),
        Scripted.events(
            wire.chat_chunk({"content": "Of "}),
            wire.chat_chunk({"content": "wood.", "annotations": CITED}),
            wire.chat_chunk({}, finish_reason="stop"),
            wire.DONE,
        ),
    )
    llm = open_board(provider="openrouter").llm()
    reply = await llm.complete("What are pegs of?", web_search=True)
    async with llm.stream("What are pegs of?", web_search=True) as stream:
        _ = [text async for text in stream.text]

    assert server.requests[0].json["tools"] == [{"type": "openrouter:web_search"}]
    assert reply.parts == (Text("Of wood.", sources=(Source(PAGE, "", "Wood."),)),)
    assert stream.reply.parts == reply.parts


@pytest.mark.parametrize(
    ("service", "api", "is_claimed"),
    [
        ("openai", "responses", True),
        ("azure", "responses", True),
        ("openai", "chat", False),
        ("xai", "responses", False),
    ],
)
def test_services_whose_models_see_what_tools_show(
    service: str, api: str, is_claimed: object
) -> None:
    """The chat API takes words alone."""
    assert claims(service, api=api, capability="tool_media") == is_claimed
