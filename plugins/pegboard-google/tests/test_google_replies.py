"""What programs get for what is answered. Shapes from the SDK and the documentation."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from google.genai.types import FinishReason
from pegboard import (
    ChatRequest,
    File,
    Finished,
    Image,
    PartDone,
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageSoFar,
)
from pegboard.draft import Draft
from pegboard.errors import (
    ConnectionFailed,
    ContentFiltered,
    InvalidReply,
    InvalidRequest,
    PermissionDenied,
)
from pegboard.testing import gemini_wire as wire
from pegboard_google._replies import FAILURES, FINISH_REASONS, reply_of
from pegboard_google._stream import StreamReader

USAGE = Usage(input=7, cache_read=4, output=4, reasoning=3)


def events(*chunks: dict[str, Any]) -> list[Any]:
    """Return the events of a stream of *chunks*."""
    reader = StreamReader("m")
    read = [event for chunk in chunks for event in reader.read(chunk)]
    return [*read, *reader.finish()]


def test_reply_has_what_was_said() -> None:
    """Words, model, usage, and what else the service tells."""
    reply = reply_of(wire.response(), "m")

    assert reply.parts == (Text("Hello."),)
    assert (reply.finish_reason, reply.model) == ("stop", "stub-1")
    assert reply.usage == USAGE
    assert reply.provider_metadata == {
        "gemini": {"responseId": "resp-1", "finishReason": "STOP"}
    }


def test_usage_buckets_do_not_overlap() -> None:
    """What a tool of the service read is read; the cache is a part of the prompt."""
    usage = {**wire.USAGE, "toolUsePromptTokenCount": 10}

    found = reply_of(wire.response(usageMetadata=usage), "m").usage

    assert found == Usage(input=17, cache_read=4, output=4, reasoning=3)


def test_usage_that_is_not_told_is_estimated() -> None:
    """And the model is the one that was asked."""
    answer = wire.response()
    del answer["usageMetadata"], answer["modelVersion"]

    reply = reply_of(answer, "m")

    assert reply.usage.estimated
    assert reply.model == "m"


@pytest.mark.parametrize("reason", FinishReason)
def test_every_reason_of_the_sdk_is_known(reason: FinishReason) -> None:
    """As the end of a reply, or as none."""
    assert (reason.value in FINISH_REASONS) != (reason.value in FAILURES)


@pytest.mark.parametrize(
    ("reason", "kind", "retryable"),
    [
        ("MALFORMED_FUNCTION_CALL", InvalidReply, True),
        ("UNEXPECTED_TOOL_CALL", InvalidReply, True),
        ("TOO_MANY_TOOL_CALLS", InvalidReply, False),
        ("MISSING_THOUGHT_SIGNATURE", InvalidRequest, False),
        ("PUP_LIMITED_DISABLED", PermissionDenied, False),
    ],
)
def test_some_reasons_are_errors(
    reason: str,
    kind: type[Exception],
    retryable: bool,  # noqa: FBT001 - a fact of the row
) -> None:
    """In a whole reply and in a stream."""
    answer = wire.response(finish_reason=reason)

    for read in (lambda: reply_of(answer, "m"), lambda: events(answer)):
        with pytest.raises(kind) as caught:
            read()
        assert (caught.value.code, caught.value.retryable) == (reason, retryable)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("FUNCTION_CALL", "tool_calls"),
        ("STOP", "tool_calls"),
    ],
)
def test_reason_of_a_reply_with_calls(reason: str, finish: str) -> None:
    """The API says STOP to a call; a mock of it says something else."""
    answer = wire.response(wire.function_call("f", {}), finish_reason=reason)

    assert reply_of(answer, "m").finish_reason == finish
    assert events(answer)[-1].finish_reason == finish


def test_filtered_reply_may_be_empty() -> None:
    """It is a reply all the same."""
    answer = {"candidates": [{"finishReason": "SAFETY"}]}

    reply = reply_of(answer, "m")

    assert (reply.parts, reply.finish_reason) == ((), "content_filter")


def test_refused_prompt_is_an_error() -> None:
    """There is no reply to it, in a stream neither."""
    for read in (lambda: reply_of(wire.blocked(), "m"), lambda: events(wire.blocked())):
        with pytest.raises(ContentFiltered, match="PROHIBITED_CONTENT") as caught:
            read()
        assert caught.value.code == "PROHIBITED_CONTENT"
        assert caught.value.request_sent == "yes"


def test_call_without_an_id_gets_one() -> None:
    """Each its own; the service's is kept where there is one."""
    call = wire.function_call("f", {"x": 1})
    named = {"functionCall": {"id": "id-7", "name": "f"}}

    first, second, third = reply_of(wire.response(call, call, named), "m").tool_calls

    assert first.id != second.id
    assert (third.id, third.arguments) == ("id-7", {})
    assert "id" not in first.provider_metadata["gemini"]


def test_media_of_a_reply_are_bytes() -> None:
    """Painted or spoken."""
    data = b64encode(b"123").decode()
    inline = [
        {"inlineData": {"mimeType": kind, "data": data}}
        for kind in ("image/jpeg", "audio/wav")
    ]

    assert reply_of(wire.response(*inline), "m").parts == (
        Image(b"123", "image/jpeg"),
        File(b"123", "audio/wav"),
    )


def test_metadata_is_json() -> None:
    """So that conversations can be stored."""
    answer = wire.response(wire.thought("Hm."), wire.function_call("f", {}))
    answer["candidates"][0]["groundingMetadata"] = {"webSearchQueries": ["x"]}

    reply = reply_of(answer, "m")

    assert reply.provider_metadata["gemini"]["groundingMetadata"]
    assert json.dumps([part.provider_metadata for part in reply.parts])
    assert json.dumps(reply.provider_metadata)


# --- streams ---


def test_stream_tells_words_usage_and_end() -> None:
    """In this order; a usage that does not change is told once."""
    first = wire.response(wire.text("Hel"), finish_reason=None)
    last = wire.response(wire.text("lo."))

    assert events(first, last) == [
        TextDelta("Hel"),
        UsageSoFar(USAGE),
        TextDelta("lo."),
        Finished(
            finish_reason="stop",
            model="stub-1",
            usage=USAGE,
            provider_metadata={
                "gemini": {"responseId": "resp-1", "finishReason": "STOP"}
            },
        ),
    ]


def test_thoughts_are_one_part_until_something_else_comes() -> None:
    """They are shown as they arrive."""
    told = {"text": "Hm. ", "thought": True}
    read = events(wire.response(told, told, wire.text("Yes.")))

    assert read[:4] == [
        ReasoningDelta("Hm. "),
        ReasoningDelta("Hm. "),
        PartDone(Reasoning("Hm. Hm. ")),
        TextDelta("Yes."),
    ]


def test_thoughts_at_the_end_are_not_lost() -> None:
    """A reply may be nothing else, such as one that was cut."""
    told = {"text": "Hm.", "thought": True}

    read = events(wire.response(told, finish_reason="MAX_TOKENS"))

    assert PartDone(Reasoning("Hm.")) in read
    assert isinstance(read[-1], Finished)


def test_call_arrives_whole() -> None:
    """The API sends it in one piece."""
    read = events(wire.response(wire.function_call("f", {"x": 1})))
    piece, done = read[:2]

    assert isinstance(piece, ToolCallDelta)
    assert isinstance(done.part, ToolCall)
    assert (piece.id, json.loads(piece.arguments)) == (done.part.id, {"x": 1})
    assert read[-1].finish_reason == "tool_calls"


def test_stream_makes_the_reply_that_a_whole_one_is() -> None:
    """But for the ids that we make up."""
    answer = wire.response(wire.text("Hel"), wire.text("lo."))
    draft = Draft(ChatRequest(messages=()))
    for event in events(answer):
        draft.add(event)

    whole = reply_of(answer, "m")
    assert (draft.reply().text, draft.reply().usage) == (whole.text, whole.usage)
    assert draft.reply().provider_metadata == whole.provider_metadata


def test_stream_without_a_reason_was_cut() -> None:
    """No SDK says so by itself."""
    with pytest.raises(ConnectionFailed, match="ended before"):
        events(wire.response(finish_reason=None))
