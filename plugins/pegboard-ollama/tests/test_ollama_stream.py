"""Streams, over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from pegboard import (
    ChatRequest,
    Finished,
    PartDone,
    Reasoning,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    Usage,
    errors,
)
from pegboard.testing import ollama_wire as wire
from pegboard.testing.fault_server import (
    Fault,
    FaultServer,
    Scripted,
    Step,
    json_line,
)
from pegboard.testing.leaks import no_leaks
from pegboard_ollama._model import OllamaModel

OpenModel = Callable[..., OllamaModel]
STREAM = wire.chat_stream("Hel", "lo.")
ASKED = ChatRequest(messages=())


async def read(
    server: FaultServer, model: OllamaModel, *steps: Step
) -> tuple[list[Any], errors.CallError | None]:
    """Return the events of a stream of *steps*, and the error that ended it."""
    server.respond(Scripted.lines(*steps))
    events = []
    try:
        async for event in model.stream(ASKED):
            events.append(event)
    except errors.CallError as error:
        return events, error
    return events, None


def said(**fields: Any) -> bytes:
    """Return a line in which the model says *fields* besides words."""
    return wire.chat_line(wire.message("", **fields))


async def test_words_come_in_pieces(server: FaultServer, open_model: OpenModel) -> None:
    """Then the end, with reason, model, usage and times."""
    *words, finished = (await read(server, open_model(), *STREAM))[0]

    assert words == [TextDelta("Hel"), TextDelta("lo.")]
    assert isinstance(finished, Finished)
    assert (finished.finish_reason, finished.model) == ("stop", "stub-1")
    assert finished.usage == Usage(input=11, output=7)
    assert finished.provider_metadata["ollama"]["total_duration"] == 4_000_000
    assert (await server.next_request()).json["stream"] is True


async def test_each_event_is_handed_on_at_once(
    server: FaultServer, open_model: OpenModel
) -> None:
    """A word does not wait for the next one."""
    go = asyncio.Event()
    server.respond(Scripted.lines(STREAM[0], go, *STREAM[1:]))

    async with aclosing(open_model().stream(ASKED)) as events:
        assert await anext(events) == TextDelta("Hel")
        go.set()
        assert await anext(events) == TextDelta("lo.")


async def test_thoughts_come_before_the_words(
    server: FaultServer, open_model: OpenModel
) -> None:
    """In pieces, and as a whole once the words begin."""
    thinking = (said(thinking="Hm"), said(thinking="."))
    *events, _ = (await read(server, open_model(), *thinking, *STREAM))[0]

    assert events == [
        ReasoningDelta("Hm"),
        ReasoningDelta("."),
        PartDone(Reasoning("Hm.", provider_metadata={"ollama": {}})),
        TextDelta("Hel"),
        TextDelta("lo."),
    ]


async def test_thoughts_without_words_are_whole_as_well(
    server: FaultServer, open_model: OpenModel
) -> None:
    """A reply may end while the model still thinks."""
    steps = (said(thinking="Hm."), json_line(wire.chat(wire.message(""))))
    _, whole, finished = (await read(server, open_model(), *steps))[0]

    assert whole.part.text == "Hm."
    assert isinstance(finished, Finished)


async def test_calls_come_whole(server: FaultServer, open_model: OpenModel) -> None:
    """Those of several lines each with an id of its own."""
    call = wire.tool_call("plan", {"to": "Rome"})
    steps = (
        said(tool_calls=[call]),
        said(tool_calls=[call]),
        json_line(wire.chat(wire.message(""))),
    )
    *events, finished = (await read(server, open_model(), *steps))[0]
    calls = [event.part for event in events]

    assert all(isinstance(one, ToolCall) for one in calls)
    assert [one.arguments for one in calls] == [{"to": "Rome"}] * 2
    assert len({one.id for one in calls}) == 2
    assert finished.finish_reason == "tool_calls"


async def test_only_line_feeds_end_a_line(
    server: FaultServer, open_model: OpenModel
) -> None:
    """What else Python takes for the end of one is a word of the model's."""
    words = "a\u0085b\u2028c\u2029d"
    raw = f'{{"model":"m","message":{{"content":"{words}"}},"done":false}}\n'
    events, error = await read(
        server, open_model(), raw.encode(), json_line(wire.chat())
    )

    assert error is None
    assert events[0] == TextDelta(words)


async def test_last_line_may_lack_its_end(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Some proxies leave it out."""
    *lines, last = STREAM
    events, error = await read(server, open_model(), *lines, last.rstrip(b"\n"))

    assert error is None
    assert isinstance(events[-1], Finished)


@pytest.mark.parametrize("size", [1, 7])
async def test_stream_in_crumbs_is_the_same_stream(
    server: FaultServer, open_model: OpenModel, size: int
) -> None:
    """Wherever the network cuts the bytes."""
    stream = wire.chat_stream("Grü", "ße 🦙")
    whole, _ = await read(server, open_model(), *stream)
    crumbs, _ = await read(
        server, open_model(), *Scripted.lines(*stream).trickled(size).steps
    )

    assert crumbs == whole


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.CLOSE])
async def test_cut_anywhere_is_a_lost_connection(
    server: FaultServer, open_model: OpenModel, fault: Fault
) -> None:
    """Whatever came before the cut was handed on; nothing comes twice."""
    model = open_model()
    for count in range(len(STREAM)):
        events, error = await read(server, model, *STREAM[:count], fault)

        assert isinstance(error, errors.ConnectionFailed), count
        assert error.in_stream == bool(events)
        assert not any(isinstance(event, Finished) for event in events)


async def test_stream_that_just_ends_was_cut(
    server: FaultServer, open_model: OpenModel
) -> None:
    """In good order on the wire, but without a word that it is done."""
    events, error = await read(server, open_model(), STREAM[0])

    assert events == [TextDelta("Hel")]
    assert isinstance(error, errors.ConnectionFailed)
    assert error.in_stream


@pytest.mark.parametrize("chunk", [b'{"half": \n', b"[]\n", b"null\n", b"1\n", b"x\n"])
async def test_unreadable_line_is_an_invalid_reply(
    server: FaultServer, open_model: OpenModel, chunk: bytes
) -> None:
    """Cut JSON, or JSON of another shape."""
    events, error = await read(server, open_model(), STREAM[0], chunk)

    assert events == [TextDelta("Hel")]
    assert isinstance(error, errors.InvalidReply)
    assert error.in_stream


async def test_error_within_a_stream_is_one(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Its status was sent long before."""
    line = wire.error_line("model runner has unexpectedly stopped")
    events, error = await read(server, open_model(), STREAM[0], line)

    assert events == [TextDelta("Hel")]
    assert isinstance(error, errors.Unavailable)
    assert error.in_stream
    assert "unexpectedly stopped" in error.message


async def test_leaving_a_stream_stops_the_work(
    server: FaultServer, open_model: OpenModel
) -> None:
    """At the other end, at once; nothing is left of it here."""
    server.respond(Scripted.lines(STREAM[0], Fault.HANG))

    async with no_leaks():
        model = open_model()
        async with aclosing(model.stream(ASKED)) as events:
            await anext(events)
        request = await server.next_request()
        await request.left.wait()
        await model.aclose()


async def test_connection_of_a_whole_stream_is_used_again(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Making one is not free."""
    model = open_model()
    opened: set[str] = set()
    for _ in range(3):
        await read(server, model, *STREAM)
        opened |= {repr(one) for one in server._connections}

    assert len(opened) == 1
