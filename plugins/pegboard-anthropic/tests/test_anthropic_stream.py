from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from pegboard import (
    ChatRequest,
    Finished,
    Message,
    PartDone,
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageSoFar,
    errors,
)
from pegboard.testing import anthropic_wire as wire
from pegboard.testing.fault_server import (
    Fault,
    FaultServer,
    Scripted,
    Step,
    server_sent_event,
)

if TYPE_CHECKING:
    from pegboard_anthropic._model import AnthropicModel

OpenModel = Callable[..., "AnthropicModel"]
STREAM = wire.message_stream("Hel", "lo.")
SO_FAR = UsageSoFar(Usage(input=5, cache_read=4, cache_write=2, output=1))
USAGE = Usage(input=5, cache_read=4, cache_write=2, output=4, reasoning=3)
REQUEST = ChatRequest(messages=(Message.of("user", "Hi"),))


async def read(
    server: FaultServer, model: AnthropicModel, *steps: Step
) -> tuple[list[Any], errors.CallError | None]:
    """Return the events of a stream of *steps*, and the error that ended it."""
    server.respond(Scripted.events(*steps))
    events = []
    try:
        async for event in model.stream(REQUEST):
            events.append(event)
    except errors.CallError as error:
        return events, error
    return events, None


async def test_words_come_in_pieces(server: FaultServer, open_model: OpenModel) -> None:
    """Then the end, with reason, model and usage."""
    events, _ = await read(server, open_model(), *STREAM)

    assert events[:-1] == [
        SO_FAR,
        TextDelta("Hel"),
        TextDelta("lo."),
        PartDone(Text("Hello.")),
    ]
    assert events[-1] == Finished(
        finish_reason="stop",
        model="stub-1",
        usage=USAGE,
        provider_metadata={"anthropic": {"id": "msg_1", "service_tier": "standard"}},
    )
    assert server.requests[0].json["stream"] is True


async def test_each_event_is_handed_on_at_once(
    server: FaultServer, open_model: OpenModel
) -> None:
    """A word does not wait for the next one."""
    go = asyncio.Event()
    server.respond(Scripted.events(*STREAM[:4], go, *STREAM[4:]))

    async with aclosing(open_model().stream(REQUEST)) as events:
        assert await anext(events) == SO_FAR
        assert await anext(events) == TextDelta("Hel")
        go.set()
        assert await anext(events) == TextDelta("lo.")


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


@pytest.mark.parametrize("count", range(len(STREAM)))
async def test_stream_that_just_ends_was_cut(
    server: FaultServer, open_model: OpenModel, count: int
) -> None:
    """In good order on the wire, but without its last event."""
    events, error = await read(server, open_model(), *STREAM[:count])

    assert isinstance(error, errors.ConnectionFailed)
    assert error.retryable
    assert not any(isinstance(event, Finished) for event in events)


@pytest.mark.parametrize("chunk", ['{"half": ', "[]", "null", '"text"', "1", "{}"])
async def test_unreadable_event_is_an_invalid_reply(
    server: FaultServer, open_model: OpenModel, chunk: str
) -> None:
    """Cut JSON, or JSON of another shape; what came right before is handed on."""
    steps = [*STREAM[:4], server_sent_event(chunk)]
    events, error = await read(server, open_model(), b"".join(steps))

    assert events == [SO_FAR, TextDelta("Hel")]
    assert isinstance(error, errors.InvalidReply)
    assert error.in_stream


@pytest.mark.parametrize(
    "body", [b"<h1>Log in</h1>", b'{"type": "message"}', b"<p>\n\n</p>"]
)
async def test_page_instead_of_a_stream_is_an_invalid_reply(
    server: FaultServer, open_model: OpenModel, body: bytes
) -> None:
    """It would be the same the next time."""
    server.respond(Scripted(body=body, headers={"content-type": "text/html"}))

    with pytest.raises(errors.InvalidReply, match="unreadable"):
        await anext(open_model().stream(REQUEST))


async def test_type_of_the_content_does_not_matter(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Proxies change it."""
    server.respond(Scripted.events(*STREAM).of_type("text/plain"))
    events = [event async for event in open_model().stream(REQUEST)]

    assert isinstance(events[-1], Finished)


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ("overloaded_error", errors.Overloaded),
        ("rate_limit_error", errors.RateLimited),
        ("api_error", errors.Unavailable),
        ("timeout_error", errors.Timeout),
        ("invalid_request_error", errors.InvalidRequest),
        ("billing_error", errors.QuotaExceeded),
        ("brand_new", errors.Unavailable),
    ],
)
async def test_error_within_a_stream_is_classified(
    server: FaultServer, open_model: OpenModel, told: str, kind: type[errors.CallError]
) -> None:
    """By its type, since the status was 200; what came before is handed on."""
    steps = [*STREAM[:4], wire.error_event(told, "Busy.")]
    events, error = await read(server, open_model(), b"".join(steps))

    assert type(error) is kind
    assert (error.code, error.in_stream, error.status) == (told, True, None)
    assert "Busy." in str(error)
    assert events == [SO_FAR, TextDelta("Hel")]


async def test_error_instead_of_a_stream_is_classified(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Nothing was said, so the call can be made again."""
    events, error = await read(server, open_model(), wire.error_event())

    assert isinstance(error, errors.Overloaded)
    assert (events, error.in_stream, error.retryable) == ([], False, True)


async def test_events_of_unknown_type_are_left_out(
    server: FaultServer, open_model: OpenModel
) -> None:
    """The API grows."""
    new = [wire.event("brand_new", x=1), wire.block_delta(0, "brand_new", x=1)]
    events, error = await read(server, open_model(), *STREAM[:3], *new, *STREAM[3:])

    assert error is None
    assert len(events) == 5


async def test_calls_come_in_pieces_and_whole(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Several at once, one of them without arguments."""
    events, _ = await read(
        server,
        open_model(),
        wire.message_start(),
        *wire.tool_use_block("look", '{"a"', ": 1}"),
        *wire.tool_use_block("go", index=1),
        *wire.message_end("tool_use"),
    )

    assert events[1:-1] == [
        ToolCallDelta("toolu_1", "look", ""),
        ToolCallDelta("toolu_1", "look", '{"a"'),
        ToolCallDelta("toolu_1", "look", ": 1}"),
        PartDone(ToolCall("toolu_1", "look", {"a": 1})),
        ToolCallDelta("toolu_1", "go", ""),
        PartDone(ToolCall("toolu_1", "go", {})),
    ]
    assert events[-1].finish_reason == "tool_calls"


async def test_cut_arguments_are_an_invalid_reply(
    server: FaultServer, open_model: OpenModel
) -> None:
    """The tool cannot be called, and the message says what to do."""
    _, error = await read(
        server,
        open_model(),
        wire.message_start(),
        *wire.tool_use_block("look", '{"a'),
        *wire.message_end("max_tokens"),
    )

    assert isinstance(error, errors.InvalidReply)
    assert "raise max_tokens" in str(error)


async def test_thoughts_come_in_pieces_and_whole(
    server: FaultServer, open_model: OpenModel
) -> None:
    """The whole is signed, and goes back as it is."""
    whole = wire.thinking("Hm. Well.", "c2ln")
    events, _ = await read(
        server,
        open_model(),
        wire.message_start(),
        wire.block_start(0, wire.thinking("", "")),
        wire.block_delta(0, "thinking_delta", thinking="Hm. "),
        wire.block_delta(0, "thinking_delta", thinking="Well."),
        wire.block_delta(0, "signature_delta", signature="c2ln"),
        wire.block_stop(0),
        *wire.message_end(),
    )

    assert events[1:-1] == [
        ReasoningDelta("Hm. "),
        ReasoningDelta("Well."),
        PartDone(
            Reasoning("Hm. Well.", provider_metadata={"anthropic": {"block": whole}})
        ),
    ]


async def test_hidden_thoughts_are_kept(
    server: FaultServer, open_model: OpenModel
) -> None:
    """They come at once, and have no words."""
    block = {"type": "redacted_thinking", "data": "xyz"}
    events, _ = await read(
        server,
        open_model(),
        wire.message_start(),
        wire.block_start(0, block),
        wire.block_stop(0),
        *wire.message_end(),
    )

    own = {"anthropic": {"block": block}}
    assert events[1:-1] == [PartDone(Reasoning("", provider_metadata=own))]


def paused(*blocks: list[bytes]) -> Scripted:
    """Return a stream whose turn is not over."""
    return Scripted.events(
        wire.message_start(),
        *(step for block in blocks for step in block),
        *wire.message_end("pause_turn"),
    )


def search_block(index: int) -> list[bytes]:
    """Return the events of a tool that the service itself calls."""
    start = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    return [
        wire.block_start(index, start),
        wire.block_delta(index, "input_json_delta", partial_json='{"query"'),
        wire.block_delta(index, "input_json_delta", partial_json=': "x"}'),
        wire.block_stop(index),
    ]


async def test_paused_turn_goes_on(server: FaultServer, open_model: OpenModel) -> None:
    """
    It is sent back as it came, and the stream has one end.

    The shape of a paused turn is known from the documentation only.
    """
    server.respond(paused(wire.text_block("Wait. "), search_block(1)))
    events, error = await read(server, open_model(), *STREAM)

    assert error is None
    assert [one for one in events if isinstance(one, TextDelta)] == [
        TextDelta("Wait. "),
        TextDelta("Hel"),
        TextDelta("lo."),
    ]
    assert [isinstance(one, Finished) for one in events].count(True) == 1
    assert events[-1].usage == USAGE + USAGE
    assert server.requests[1].json["messages"][-1] == {
        "role": "assistant",
        "content": [
            wire.text("Wait. "),
            {
                "type": "server_tool_use",
                "id": "s",
                "name": "web_search",
                "input": {"query": "x"},
            },
        ],
    }


async def test_paused_turn_goes_on_in_a_whole_reply(
    server: FaultServer, open_model: OpenModel
) -> None:
    """In the same way."""
    first = wire.message(wire.text("Wait. "), stop_reason="pause_turn")
    server.respond(Scripted.json(first), Scripted.json(wire.message()))
    reply = await open_model().complete(REQUEST)

    assert (reply.text, reply.finish_reason) == ("Wait. Hello.", "stop")
    assert reply.usage == USAGE + USAGE
    assert server.requests[1].json["messages"][-1]["content"] == first["content"]


@pytest.mark.parametrize("way", ["complete", "stream"])
async def test_turn_that_pauses_for_ever_is_ended(
    server: FaultServer, open_model: OpenModel, way: str
) -> None:
    """Somebody pays for it."""
    whole = Scripted.json(wire.message(stop_reason="pause_turn"))
    model = open_model()
    server.respond(*[whole if way == "complete" else paused()] * 99)

    if way == "complete":
        assert (await model.complete(REQUEST)).finish_reason == "length"
    else:
        (end,) = [event async for event in model.stream(REQUEST)]
        assert end.finish_reason == "length"
    assert len(server.requests) == 16


async def test_usage_at_the_start_is_kept_where_the_end_says_nothing(
    server: FaultServer, open_model: OpenModel
) -> None:
    """What the last event leaves out, or has as null, has its first value."""
    end = wire.event(
        "message_delta",
        delta={"stop_reason": "end_turn", "stop_sequence": None},
        usage={"output_tokens": 7, "input_tokens": None},
    )
    steps = [*STREAM[:-2], end, STREAM[-1]]
    events, _ = await read(server, open_model(), *steps)

    assert events[-1].usage == Usage(input=5, cache_read=4, cache_write=2, output=7)


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
async def test_stream_in_crumbs_is_the_same_stream(
    server: FaultServer, open_model: OpenModel, size: int, newline: bytes
) -> None:
    """Wherever the network cuts the bytes, and however lines end."""
    steps = [step.replace(b"\n", newline) for step in wire.message_stream("é", "漢")]
    server.respond(Scripted.events(b": hello" + newline * 2, *steps).trickled(size))
    events = [event async for event in open_model().stream(REQUEST)]

    assert events[1:-2] == [TextDelta("é"), TextDelta("漢")]
    assert isinstance(events[-1], Finished)


async def test_leaving_a_stream_closes_it_at_the_other_end(
    server: FaultServer, open_model: OpenModel
) -> None:
    """The service can stop its work at once."""
    server.respond(Scripted.events(*STREAM[:4], Fault.HANG))
    model = open_model()

    async with aclosing(model.stream(REQUEST)) as events:
        await anext(events)
        request = await server.next_request()
        assert not request.left.is_set()

    await request.left.wait()


@pytest.mark.parametrize(
    "answer", [Scripted(before=Fault.HANG), Scripted.events(Fault.HANG)]
)
async def test_cancelling_closes_at_the_other_end(
    server: FaultServer, open_model: OpenModel, answer: Scripted
) -> None:
    """Whether the answer has begun or not."""
    server.respond(answer)
    waiting = asyncio.ensure_future(anext(open_model().stream(REQUEST)))
    request = await server.next_request()
    waiting.cancel()

    await request.left.wait()
    with pytest.raises(asyncio.CancelledError):
        await waiting
