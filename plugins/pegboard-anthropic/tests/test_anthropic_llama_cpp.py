"""The plugin against a real server with a real model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from pegboard import ChatRequest, Context, Finished, Message, TextDelta
from pegboard.errors import Authentication, ContextLengthExceeded
from pegboard_anthropic._model import AnthropicModel
from pegboard_anthropic.options import AnthropicOptions

Open = Callable[..., AnthropicModel]
QUESTION = (
    Message.of("system", "Be brief."),
    Message.of("user", "Hi."),
    Message.of("assistant", "Hello."),
    Message.of("user", "What is the capital of France?"),
)
SHORT = ChatRequest(messages=QUESTION, max_tokens=16, temperature=0)
CONTEXT = Context(address="llm.default", data_folder=Path())


@pytest.fixture
async def open_model(llama_server: Any) -> AsyncIterator[Open]:
    """Return what makes models at the server."""
    opened = []

    def make(**more: str) -> AnthropicModel:
        given = {"base_url": llama_server.url, "api_key": llama_server.key, **more}
        options = AnthropicOptions.model_validate({"model": "smollm2", **given})
        opened.append(AnthropicModel(options, CONTEXT))
        return opened[-1]

    yield make
    for model in opened:
        await model.aclose()


async def test_reply_has_words_and_usage(open_model: Open) -> None:
    """A real model answers."""
    reply = await open_model().complete(SHORT)

    assert reply.text
    assert reply.usage.input + reply.usage.cache_read > 0
    assert 0 < reply.usage.output <= 16


async def test_stream_says_the_same_as_the_whole(open_model: Open) -> None:
    """Piece by piece, with the usage at the end."""
    model = open_model()
    whole = await model.complete(SHORT)
    events = [event async for event in model.stream(SHORT)]
    words = [event.text for event in events if isinstance(event, TextDelta)]

    assert "".join(words) == whole.text
    assert len(words) > 1
    assert isinstance(events[-1], Finished)
    assert events[-1].usage is not None
    assert events[-1].usage.output == whole.usage.output


async def test_usage_tells_the_cache_apart(open_model: Open) -> None:
    """The server keeps what it has read, and says so in the words of the API."""
    model = open_model()
    first = (await model.complete(SHORT)).usage
    second = (await model.complete(SHORT)).usage

    assert second.cache_read > 0
    assert second.input + second.cache_read == first.input + first.cache_read


async def test_marks_for_the_cache_are_taken(open_model: Open) -> None:
    """The server has nothing against them."""
    assert (await open_model(cache="1h").complete(SHORT)).text


async def test_wrong_key_is_refused(open_model: Open) -> None:
    """The key that is sent is the one of the settings."""
    with pytest.raises(Authentication):
        await open_model(api_key="wrong").complete(SHORT)


async def test_too_long_request_is_told_apart(open_model: Open) -> None:
    """By the server's own type of error."""
    long = ChatRequest(messages=(Message.of("user", "word " * 3000),), max_tokens=1)

    with pytest.raises(ContextLengthExceeded):
        await open_model().complete(long)


async def test_tokens_are_counted_as_they_are_read(open_model: Open) -> None:
    """The number is that of the call, all buckets together."""
    model = open_model()
    usage = (await model.complete(SHORT)).usage

    assert await model.count_tokens(SHORT) == usage.input + usage.cache_read


async def test_check_finds_the_server(open_model: Open) -> None:
    """It does not tell of single models."""
    assert await open_model().ping() == "answered, but does not tell of smollm2"


async def test_leaving_a_stream_stops_the_work(
    open_model: Open, llama_server: Any
) -> None:
    """The server frees the slot long before the end of the reply."""
    story = ChatRequest(
        messages=(Message.of("user", "Tell a story."),),
        max_tokens=900,
        extra={"anthropic": {"ignore_eos": True}},
    )

    async with aclosing(open_model().stream(story)) as events:
        await anext(events)
        assert await working(llama_server)

    slots = await working(llama_server)
    while slots:
        assert max(slots) < 500
        slots = await working(llama_server)


def test_one_model_serves_one_event_loop_after_another(llama_server: Any) -> None:
    """Connections of a loop that is gone are never used."""
    options = AnthropicOptions(
        model="smollm2", base_url=llama_server.url, api_key=llama_server.key
    )
    model = AnthropicModel(options, CONTEXT)

    first = asyncio.run(model.complete(SHORT))
    second = asyncio.run(model.complete(SHORT))

    assert first.text == second.text


async def working(llama_server: Any) -> list[int]:
    """Return how many tokens each slot that works has written."""
    request = Request(  # noqa: S310 - on 127.0.0.1
        f"{llama_server.url}/slots",
        headers={"Authorization": f"Bearer {llama_server.key}"},
    )

    def ask() -> list[dict[str, Any]]:
        with urlopen(request) as answer:  # noqa: S310 - the same
            return json.load(answer)

    slots = await asyncio.to_thread(ask)
    return [
        slot["next_token"][0]["n_decoded"] for slot in slots if slot["is_processing"]
    ]
