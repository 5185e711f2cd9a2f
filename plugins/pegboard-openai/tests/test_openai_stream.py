from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from pegboard import (
    ChatRequest,
    Finished,
    PartDone,
    Reasoning,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageSoFar,
    errors,
)
from pegboard.testing import openai_wire as wire
from pegboard.testing.fault_server import (
    Fault,
    FaultServer,
    Scripted,
    Step,
    server_sent_event,
)

if TYPE_CHECKING:
    from pegboard_openai._model import OpenAIModel

OpenModel = Callable[..., "OpenAIModel"]
STREAMS = {
    "chat": wire.chat_stream("Hel", "lo."),
    "responses": wire.response_stream("Hel", "lo."),
}
USAGE = Usage(input=5, cache_read=4, cache_write=2, output=4, reasoning=3)


async def read(
    server: FaultServer, model: OpenAIModel, *steps: Step
) -> tuple[list[Any], errors.CallError | None]:
    """Return the events of a stream of *steps*, and the error that ended it."""
    server.respond(Scripted.events(*steps))
    events = []
    try:
        async for event in model.stream(ChatRequest(messages=())):
            events.append(event)
    except errors.CallError as error:
        return events, error
    return events, None


@pytest.mark.parametrize("api", STREAMS)
async def test_words_come_in_pieces(
    server: FaultServer, open_model: OpenModel, api: str
) -> None:
    """Then the end, with reason, model and usage."""
    *words, finished = (await read(server, open_model(api), *STREAMS[api]))[0]

    assert words == [TextDelta("Hel"), TextDelta("lo.")]
    assert isinstance(finished, Finished)
    assert (finished.finish_reason, finished.model) == ("stop", "stub-1")
    assert finished.usage == USAGE
    assert finished.provider_metadata["openai"]["id"]


@pytest.mark.parametrize("api", STREAMS)
async def test_each_event_is_handed_on_at_once(
    server: FaultServer, open_model: OpenModel, api: str
) -> None:
    """A word does not wait for the next one."""
    go = asyncio.Event()
    steps = STREAMS[api]
    server.respond(Scripted.events(*steps[:2], go, *steps[2:]))

    async with aclosing(open_model(api).stream(ChatRequest(messages=()))) as events:
        assert await anext(events) == TextDelta("Hel")
        go.set()
        assert await anext(events) == TextDelta("lo.")


@pytest.mark.parametrize("api", STREAMS)
@pytest.mark.parametrize("fault", [Fault.RESET, Fault.CLOSE])
async def test_cut_anywhere_is_a_lost_connection(
    server: FaultServer, open_model: OpenModel, api: str, fault: Fault
) -> None:
    """Whatever came before the cut was handed on; nothing comes twice."""
    model = open_model(api)
    for count in range(len(STREAMS[api])):
        events, error = await read(server, model, *STREAMS[api][:count], fault)

        assert isinstance(error, errors.ConnectionFailed), count
        assert error.in_stream == bool(events)
        assert not any(isinstance(event, Finished) for event in events)


async def test_chat_stream_that_just_ends_was_cut(
    server: FaultServer, open_model: OpenModel
) -> None:
    """In good order on the wire, but without a reason to finish."""
    words = wire.chat_chunk({"content": "Hel"})
    events, error = await read(server, open_model("chat"), words, wire.DONE)

    assert events == [TextDelta("Hel")]
    assert isinstance(error, errors.ConnectionFailed)
    assert error.in_stream


async def test_responses_stream_that_just_ends_was_cut(
    server: FaultServer, open_model: OpenModel
) -> None:
    """In good order on the wire, but without one of the last events."""
    steps = wire.response_stream("Hel")[:-1]
    events, error = await read(server, open_model("responses"), *steps)

    assert events == [TextDelta("Hel")]
    assert isinstance(error, errors.ConnectionFailed)


@pytest.mark.parametrize("api", STREAMS)
@pytest.mark.parametrize("chunk", ['{"half": ', "[]", "null", '"text"', "1"])
async def test_unreadable_event_is_an_invalid_reply(
    server: FaultServer, open_model: OpenModel, api: str, chunk: str
) -> None:
    """Cut JSON, or JSON of another shape."""
    steps = [*STREAMS[api][:2], server_sent_event(chunk)]
    events, error = await read(server, open_model(api), *steps)

    assert events == [TextDelta("Hel")]
    assert isinstance(error, errors.InvalidReply)
    assert error.in_stream


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"code": "rate_limit_exceeded"}, errors.RateLimited),
        ({"code": "context_length_exceeded"}, errors.ContextLengthExceeded),
        ({"kind": "insufficient_quota"}, errors.QuotaExceeded),
        ({"kind": "invalid_request_error"}, errors.InvalidRequest),
        ({"code": "429"}, errors.RateLimited),
        ({"code": "brand_new"}, errors.Unavailable),
    ],
)
@pytest.mark.parametrize("api", STREAMS)
async def test_error_object_within_a_stream_is_classified(
    server: FaultServer,
    open_model: OpenModel,
    api: str,
    told: dict[str, str],
    kind: type[errors.CallError],
) -> None:
    """By code or type, since the status was 200."""
    broken = server_sent_event(wire.error("It broke.", **told))
    events, error = await read(server, open_model(api), *STREAMS[api][:2], broken)

    assert events == [TextDelta("Hel")]
    assert type(error) is kind
    assert "It broke." in str(error)
    assert error.in_stream


async def test_error_that_is_only_words_is_kept(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Some servers say no more."""
    error = (await read(server, open_model(), server_sent_event({"error": "Oh no."})))[
        1
    ]

    assert isinstance(error, errors.Unavailable)
    assert "Oh no." in str(error)


async def test_error_event_is_classified(
    server: FaultServer, open_model: OpenModel
) -> None:
    """The SDK hands it on as an event like any other."""
    broken = wire.response_event("error", code="rate_limit_exceeded", message="Slow.")
    error = (await read(server, open_model("responses"), broken))[1]

    assert isinstance(error, errors.RateLimited)
    assert error.code == "rate_limit_exceeded"
    assert not error.in_stream


async def test_failed_response_is_classified(
    server: FaultServer, open_model: OpenModel
) -> None:
    """It brings its error in the last event."""
    told = {"code": "server_error", "message": "It broke."}
    failed = wire.response_event(
        "response.failed", response=wire.response(status="failed", error=told)
    )
    error = (await read(server, open_model("responses"), failed))[1]

    assert isinstance(error, errors.Unavailable)


async def test_incomplete_response_finishes(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Running out of tokens is a reason to finish, not an error."""
    details = {"reason": "max_output_tokens"}
    whole = wire.response(status="incomplete", incomplete_details=details)
    last = wire.response_event("response.incomplete", response=whole)
    events, _ = await read(server, open_model("responses"), last)

    assert events[-1].finish_reason == "length"


async def test_events_of_unknown_type_are_left_out(
    server: FaultServer, open_model: OpenModel
) -> None:
    """The API grows."""
    steps = [wire.response_event("response.brand_new", x=1), *STREAMS["responses"]]
    events, error = await read(server, open_model("responses"), *steps)

    assert error is None
    assert len(events) == 3


async def test_chat_tool_calls_are_joined_by_index(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Only the first piece of a call has its id and name."""

    def piece(index: int, arguments: str, **more: str) -> bytes:
        function = {"arguments": arguments}
        if "name" in more:
            function["name"] = more.pop("name")
        call = {"index": index, "function": function, **more}
        return wire.chat_chunk({"tool_calls": [call]})

    events, _ = await read(
        server,
        open_model("chat"),
        piece(0, "", id="c0", name="look"),
        piece(1, '{"a"', id="c1", name="go"),
        piece(0, "{}"),
        piece(1, ": 1}"),
        wire.chat_chunk(finish_reason="tool_calls"),
        wire.DONE,
    )

    assert events[:4] == [
        ToolCallDelta("c0", "look", ""),
        ToolCallDelta("c1", "go", '{"a"'),
        ToolCallDelta("c0", "look", "{}"),
        ToolCallDelta("c1", "go", ": 1}"),
    ]
    assert events[4:6] == [
        PartDone(ToolCall("c0", "look", {})),
        PartDone(ToolCall("c1", "go", {"a": 1})),
    ]
    assert events[6].finish_reason == "tool_calls"


async def test_chat_thoughts_come_in_pieces_and_whole(
    server: FaultServer, open_model: OpenModel
) -> None:
    """What goes back to the service is kept with the whole."""
    model = open_model("chat", service="deepseek")
    events, _ = await read(
        server,
        model,
        wire.chat_chunk({"reasoning_content": "H"}),
        wire.chat_chunk({"reasoning_content": "m."}),
        wire.chat_chunk(finish_reason="stop"),
        wire.DONE,
    )

    kept = {"deepseek": {"reasoning_content": "Hm."}}
    assert events[:3] == [
        ReasoningDelta("H"),
        ReasoningDelta("m."),
        PartDone(Reasoning("Hm.", provider_metadata=kept)),
    ]


async def test_chat_refusal_is_content_filter(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Its words are the reply."""
    steps = [
        wire.chat_chunk({"refusal": "No."}),
        wire.chat_chunk(finish_reason="stop"),
        wire.DONE,
    ]
    events, _ = await read(server, open_model("chat"), *steps)

    assert events[0] == TextDelta("No.")
    assert events[-1].finish_reason == "content_filter"


async def test_usage_within_a_chat_stream_is_handed_on(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Some services count as they go."""
    choice = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}
    chunk = {"model": "x", "choices": [choice], "usage": wire.CHAT_USAGE}
    events, _ = await read(server, open_model("chat"), server_sent_event(chunk))

    assert events[0] == UsageSoFar(USAGE)
    assert events[-1].usage == USAGE


async def test_chat_stream_without_usage_says_none(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Core estimates it then."""
    steps = [wire.chat_chunk({"content": "Hi"}), wire.chat_chunk(finish_reason="stop")]
    events, _ = await read(server, open_model("chat"), *steps, wire.DONE)

    assert events[-1].usage is None


async def test_items_of_a_responses_stream_come_in_pieces_and_whole(
    server: FaultServer, open_model: OpenModel
) -> None:
    """The whole is that of the last word on the item."""
    thought = wire.reasoning_item("Hm.")
    call = wire.function_call("look", '{"a": 1}')
    delta = "response.function_call_arguments.delta"
    events, _ = await read(
        server,
        open_model("responses"),
        wire.response_event(
            "response.output_item.added", item={**thought, "encrypted_content": "ha"}
        ),
        wire.response_event("response.reasoning_summary_text.delta", delta="Hm."),
        wire.response_event("response.output_item.done", item=thought),
        wire.response_event(
            "response.output_item.added", item={**call, "arguments": ""}
        ),
        wire.response_event(delta, item_id="fc_1", delta='{"a": 1}'),
        wire.response_event("response.output_item.done", item=call),
        wire.response_event(
            "response.completed", response=wire.response(thought, call)
        ),
    )

    assert events[:-1] == [
        ReasoningDelta("Hm."),
        PartDone(Reasoning("Hm.", provider_metadata={"openai": {"item": thought}})),
        ToolCallDelta("call_1", "look", ""),
        ToolCallDelta("call_1", "look", '{"a": 1}'),
        PartDone(ToolCall("call_1", "look", {"a": 1})),
    ]
    assert events[-1].finish_reason == "tool_calls"


async def test_responses_refusal_is_content_filter(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Its words are the reply."""
    refusal = wire.output_message({"type": "refusal", "refusal": "No."})
    events, _ = await read(
        server,
        open_model("responses"),
        wire.response_event("response.refusal.delta", delta="No."),
        wire.response_event("response.completed", response=wire.response(refusal)),
    )

    assert events[0] == TextDelta("No.")
    assert events[-1].finish_reason == "content_filter"


@pytest.mark.parametrize("api", STREAMS)
async def test_leaving_a_stream_closes_it_at_the_other_end(
    server: FaultServer, open_model: OpenModel, api: str
) -> None:
    """The service can stop its work at once."""
    server.respond(Scripted.events(*STREAMS[api][:2], Fault.HANG))
    model = open_model(api)

    async with aclosing(model.stream(ChatRequest(messages=()))) as events:
        await anext(events)
        request = await server.next_request()
        assert not request.left.is_set()

    await request.left.wait()


@pytest.mark.parametrize("api", STREAMS)
@pytest.mark.parametrize(
    "answer", [Scripted(before=Fault.HANG), Scripted.events(Fault.HANG)]
)
async def test_cancelling_closes_at_the_other_end(
    server: FaultServer, open_model: OpenModel, api: str, answer: Scripted
) -> None:
    """Whether the answer has begun or not."""
    server.respond(answer)
    waiting = asyncio.ensure_future(
        anext(open_model(api).stream(ChatRequest(messages=())))
    )
    request = await server.next_request()
    waiting.cancel()

    await request.left.wait()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_phases_are_kept_in_a_stream(
    server: FaultServer, open_board: Callable[..., Any]
) -> None:
    """The reply that its events make has the texts apart, each with its phase."""
    messages = [
        {**wire.output_message(wire.output_text(text)), "phase": phase}
        for text, phase in [("Looking.", "commentary"), ("Sunny.", "final_answer")]
    ]
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
    whole = wire.response(*messages)
    end = wire.response_event("response.completed", response=whole)
    server.respond(Scripted.events(*steps, end), Scripted.json(whole))
    llm = open_board().llm()

    async with llm.stream("Hello?") as stream:
        assert [text async for text in stream.text] == ["Looking.", "Sunny."]
    assert stream.reply.parts == (await llm.complete("Hello?")).parts
