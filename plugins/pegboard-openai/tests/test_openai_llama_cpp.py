"""The plugin against a real server with a real model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
from pegboard import ChatRequest, Context, Finished, Message, TextDelta
from pegboard.errors import Authentication, ContextLengthExceeded
from pegboard_openai._model import OpenAIModel
from pegboard_openai.options import OpenAIOptions

if TYPE_CHECKING:
    from pegboard_openai.services import Service

Open = Callable[..., OpenAIModel]
QUESTION = (
    Message.of("system", "Be brief."),
    Message.of("user", "Hi."),
    Message.of("assistant", "Hello."),
    Message.of("user", "What is the capital of France?"),
)
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.fixture
def short() -> ChatRequest:
    """Return a request with a short answer."""
    return ChatRequest(messages=QUESTION, max_tokens=16, temperature=0)


@pytest.fixture(params=["chat", "responses"])
async def open_model(
    request: pytest.FixtureRequest, llama_server: Any, services: dict[str, Service]
) -> AsyncIterator[Open]:
    """Return what makes models that use each of the APIs in turn."""
    opened = []

    def make(key: str = llama_server.key) -> OpenAIModel:
        options = OpenAIOptions(
            model="smollm2",
            base_url=f"{llama_server.url}/v1",
            api_key=key,
            api=request.param,
        )
        context = Context(address="llm.default", data_folder=Path())
        opened.append(OpenAIModel(services["llama-cpp"], options, context))
        return opened[-1]

    yield make
    for model in opened:
        await model.aclose()


async def test_reply_has_words_and_usage(open_model: Open, short: ChatRequest) -> None:
    """A real model answers."""
    reply = await open_model().complete(short)

    assert reply.text
    assert reply.usage.input + reply.usage.cache_read > 0
    assert 0 < reply.usage.output <= 16


async def test_stream_says_the_same_as_the_whole(
    open_model: Open, short: ChatRequest
) -> None:
    """Piece by piece, with the usage at the end."""
    model = open_model()
    whole = await model.complete(short)
    *words, end = [event async for event in model.stream(short)]

    assert "".join(w.text for w in words if isinstance(w, TextDelta)) == whole.text
    assert len(words) > 1
    assert isinstance(end, Finished)
    assert end.usage is not None
    assert end.usage.output == whole.usage.output


async def test_wrong_key_is_refused(open_model: Open, short: ChatRequest) -> None:
    """The key that is sent is the one of the settings."""
    with pytest.raises(Authentication):
        await open_model("wrong").complete(short)


async def test_too_long_request_is_told_apart(open_model: Open) -> None:
    """By the server's own type of error."""
    long = ChatRequest(messages=(Message.of("user", "word " * 3000),), max_tokens=1)

    with pytest.raises(ContextLengthExceeded):
        await open_model().complete(long)


@pytest.mark.parametrize("open_model", ["chat"], indirect=True)
async def test_schema_is_kept(open_model: Open) -> None:
    """The words of the reply are JSON that fits."""
    request = ChatRequest(
        messages=(Message.of("user", "The capital of France, as JSON."),),
        max_tokens=40,
        temperature=0,
        schema=CITY,
    )
    reply = await open_model().complete(request)

    assert isinstance(json.loads(reply.text)["city"], str)


async def test_leaving_a_stream_stops_the_work(
    open_model: Open, llama_server: Any
) -> None:
    """The server frees the slot long before the end of the reply."""
    story = ChatRequest(
        messages=(Message.of("user", "Tell a story."),),
        max_tokens=900,
        extra={"llama-cpp": {"ignore_eos": True}},
    )

    async with aclosing(open_model().stream(story)) as events:
        await anext(events)
        assert await working(llama_server)

    slots = await working(llama_server)
    while slots:
        assert max(slots) < 500
        slots = await working(llama_server)


def test_one_model_serves_one_event_loop_after_another(
    llama_server: Any, services: dict[str, Service], short: ChatRequest
) -> None:
    """Connections of a loop that is gone are never used."""
    options = OpenAIOptions(
        model="smollm2", base_url=f"{llama_server.url}/v1", api_key=llama_server.key
    )
    context = Context(address="llm.default", data_folder=Path())
    model = OpenAIModel(services["llama-cpp"], options, context)

    first = asyncio.run(model.complete(short))
    second = asyncio.run(model.complete(short))

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
