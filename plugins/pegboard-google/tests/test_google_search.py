"""Searches of the web: what is asked, what was found, and what goes back."""

from __future__ import annotations

from typing import Any

import pytest
from pegboard import ChatRequest, Message, Pegboard, Reply, Source, Text, Tool
from pegboard.draft import Draft
from pegboard.errors import Unsupported
from pegboard.testing import gemini_wire as wire
from pegboard_google._replies import reply_of
from pegboard_google._requests import body_of
from pegboard_google._stream import StreamReader
from pegboard_google.options import GeminiOptions

PAGE = "https://example.org/pegs"
SOURCES = (Source(PAGE, "A page"),)
TOOL = Tool("look", "Look.", {"type": "object", "properties": {}})
ASKED = ChatRequest(messages=(Message.of("user", "Pegs?"),), web_search=True)


def body(model: str = "gemini-3-flash", **asked: Any) -> dict[str, Any]:
    """Return what is sent for a search."""
    on_vertex = asked.pop("vertex", False)
    options = GeminiOptions(model=model, api_key="k", vertex=on_vertex)
    request = ChatRequest(messages=ASKED.messages, **{"web_search": True, **asked})
    return body_of(request, model, options)


def found(*parts: dict[str, Any]) -> dict[str, Any]:
    """Return a reply that rests on a page."""
    reply = wire.response(*parts)
    reply["candidates"][0]["groundingMetadata"] = wire.grounding(PAGE, PAGE)
    return reply


def streamed(*chunks: dict[str, Any]) -> Reply:
    """Return the reply that a stream of *chunks* makes."""
    reader, draft = StreamReader("m"), Draft(ASKED)
    for chunk in chunks:
        for event in reader.read(chunk):
            draft.add(event)
    for event in reader.finish():
        draft.add(event)
    return draft.reply()


def sent_back(reply: Reply) -> list[Any]:
    """Return the parts of *reply* as they go back."""
    options = GeminiOptions(model="m", api_key="k")
    sent = body_of(ChatRequest(messages=(reply.message,)), "gemini-3-flash", options)
    parts: list[Any] = sent["contents"][0]["parts"]
    return parts


@pytest.mark.parametrize(
    ("model", "is_claimed"),
    [
        ("gemini-3-flash", True),
        ("gemini-2.5-flash", True),
        ("gemini-2.5-flash-image", False),
        ("gemini-embedding-001", False),
    ],
)
def test_models_for_chat_search(model: str, is_claimed: object) -> None:
    """Those for pictures and vectors do not."""
    section = {"provider": "gemini", "model": model, "api_key": "k"}
    board = Pegboard.isolated({"llm": {"default": section}})

    assert ("web_search" in board.llm().capabilities) == is_claimed


def test_search_is_a_tool() -> None:
    """Without a wish there is none."""
    assert body()["tools"] == [{"googleSearch": {}}]
    assert "toolConfig" not in body()
    assert "tools" not in body(web_search=False)


@pytest.mark.parametrize("choice", ["auto", "required"])
def test_search_beside_functions_is_shown(choice: str) -> None:
    """Or what it found would be lost when a call is answered."""
    sent = body(tools=(TOOL,), tool_choice=choice)

    assert [*map(list, sent["tools"])] == [["functionDeclarations"], ["googleSearch"]]
    assert sent["toolConfig"]["includeServerSideToolInvocations"] is True


@pytest.mark.parametrize(
    ("model", "more", "named"),
    [
        ("gemini-2.5-flash", {"tools": (TOOL,)}, "tools"),
        ("gemini-2.5-flash", {"schema": {"type": "object"}}, "a schema"),
        ("gemini-3-flash", {"tools": (TOOL,), "vertex": True}, "Vertex AI"),
    ],
)
def test_what_does_not_go_together_is_refused(
    model: str, more: dict[str, Any], named: str
) -> None:
    """Instead of an answer without the search."""
    with pytest.raises(Unsupported, match=named):
        body(model, **more)


def test_newer_models_search_for_values() -> None:
    """A schema goes with it."""
    sent = body(schema={"type": "object"}, vertex=True)

    assert sent["tools"] == [{"googleSearch": {}}]
    assert "responseJsonSchema" in sent["generationConfig"]


def test_words_have_the_pages() -> None:
    """Each once; the last words have them, since all rest on them."""
    reply = reply_of(found(wire.text("Of "), wire.text("wood.")), "m")

    assert reply.parts == (Text("Of "), Text("wood.", sources=SOURCES))
    assert reply.sources == SOURCES


def test_words_of_a_stream_have_the_pages() -> None:
    """They come with the last piece."""
    reply = streamed(wire.response(wire.text("Of ")), found(wire.text("wood.")))

    assert reply.parts == (Text("Of wood.", sources=SOURCES),)


def test_signed_words_of_a_stream_stay_as_they_are() -> None:
    """The pages stand behind them, and nothing more goes back."""
    signed = {**wire.text("Of wood."), "thoughtSignature": "c2lnbmVk"}
    reply = streamed(found(signed))

    assert (reply.text, reply.sources) == ("Of wood.", SOURCES)
    assert sent_back(reply) == [signed]


def test_what_the_service_did_goes_back_as_it_came() -> None:
    """Its own calls and what they found are parts that only it reads."""
    call = {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "id": "t1", "args": {}}}
    answer = {"toolResponse": {"toolType": "GOOGLE_SEARCH_WEB", "id": "t1"}}
    for reply in (
        reply_of(found(call, answer, wire.text("Wood.")), "m"),
        streamed(found(call, answer, wire.text("Wood."))),
    ):
        assert sent_back(reply) == [call, answer, wire.text("Wood.")]
