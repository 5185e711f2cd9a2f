"""Whoever stops listening stops the computation."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from pegboard import LLMProvider, Pegboard, TextDelta, UsageSoFar, hookimpl
from pegboard.errors import DeadlineExceeded, Unavailable

PATIENCE = 60
FAR_FROM_ALL = 100
"""Tokens of the 900 that a story would have."""


async def assert_stops(opened):
    """Assert that llama.cpp does nothing any more, long before the story's end."""
    await asyncio.to_thread(opened.last.wait_for_rest)

    assert len(opened.last.chunks) < FAR_FROM_ALL
    assert opened.last.metric("tokens_predicted_total") < FAR_FROM_ALL


async def start(chat, request):
    """Return a stream of which the first word has been read."""
    events = chat.stream(request)
    async for event in events:
        if isinstance(event, TextDelta):
            return events
    pytest.fail("There was no word.")


async def test_a_stream_that_is_left_stops(chat, story, opened):
    """Closing the generator is enough."""
    stream = await start(chat, story)
    await stream.aclose()

    await assert_stops(opened)


async def test_a_stream_that_is_cancelled_stops(chat, story, opened):
    """While it waits for the next word."""
    stream = await start(chat, story)

    async def listen():
        async for _ in stream:
            listening.set()

    listening = asyncio.Event()
    task = asyncio.create_task(listen())
    await listening.wait()
    task.cancel()
    await asyncio.wait([task])

    await assert_stops(opened)


async def test_a_call_that_is_cancelled_stops(chat, story, opened):
    """Also one that is not a stream."""
    task = asyncio.create_task(chat.complete(story))
    await asyncio.to_thread(opened.begun.wait, PATIENCE)
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    await assert_stops(opened)


async def test_a_long_prompt_can_be_left(chat, ask, opened):
    """It is read in parts; after the one at hand there is an end."""
    async with aclosing(chat.stream(ask("snow " * 900))) as events:
        async for event in events:
            assert isinstance(event, UsageSoFar)
            break
    await asyncio.to_thread(opened.last.wait_for_rest)
    read = [chunk["prompt_progress"]["processed"] for chunk in opened.last.chunks]

    assert read[-1] < 900


async def test_a_waiting_call_that_is_cancelled_is_never_begun(
    chat, story, ask, opened
):
    """There is nothing to stop."""
    stream = await start(chat, story)
    waiting = asyncio.create_task(chat.complete(ask("Hello")))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    await stream.aclose()
    await chat.complete(ask("Goodbye"))

    words = [body["messages"][0]["content"] for body in opened.last.bodies]
    assert words[1:] == ["Goodbye"]


async def test_a_deadline_stops(chat, ask, opened):
    """The board's policy cancels, and that stops."""

    class Plugin:
        @hookimpl
        def pegboard_llm_providers(self):
            return [
                LLMProvider(
                    name="watched",
                    factory=lambda _options, _context: chat,
                    options="pegboard_local.options:LocalOptions",
                    contracts={"ChatModel": 1, "StreamingChat": 1},
                )
            ]

    await chat.complete(ask())
    settings = {"provider": "watched", "policy": {"deadline": 0.1}}
    board = Pegboard.isolated({"llm": {"default": settings}}, plugins=[Plugin()])
    with pytest.raises(DeadlineExceeded):
        await board.llm().complete("Tell me a long story.", max_tokens=900)

    await assert_stops(opened)


async def test_the_end_of_a_loop_stops(chat, story, opened):
    """A stream that was forgotten does not go on."""

    async def forget():
        stream = await start(chat, story)
        left.append(stream)

    left = []
    await asyncio.to_thread(asyncio.run, forget())

    await assert_stops(opened)


async def test_closing_the_model_ends_its_streams(chat, story, opened):
    """With an error, since the reply is not finished."""
    stream = await start(chat, story)
    await chat.aclose()

    with pytest.raises(Unavailable, match="closed before the reply was finished"):
        _ = [event async for event in stream]
    assert len(opened.last.chunks) < FAR_FROM_ALL


async def test_a_left_stream_has_counted_its_tokens(chat, story):
    """Each word comes after the count that includes it."""
    counts = []
    async with aclosing(chat.stream(story)) as events:
        async for event in events:
            if isinstance(event, UsageSoFar):
                counts.append(event.usage)
            elif len(counts) > 8:
                break

    assert counts[-1].output > 1
    assert counts[-1].input + counts[-1].cache_read > 10
    assert not counts[-1].estimated
