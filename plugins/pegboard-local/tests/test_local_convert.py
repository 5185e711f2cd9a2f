"""Values on their way in and out."""

from __future__ import annotations

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
    Usage,
)
from pegboard.errors import ContextLengthExceeded
from pegboard_local._convert import Reading, body_of, reply_of
from pegboard_local._schema import without_patterns
from pegboard_local.options import LocalOptions

END = {
    "choices": [],
    "model": "m",
    "usage": {
        "prompt_tokens": 10,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 4},
    },
}


def chunk(reason=None, **delta):
    """Return a piece of a reply."""
    return {"choices": [{"finish_reason": reason, "delta": delta}]}


def read(*chunks):
    """Return the events of a stream of *chunks*."""
    reading = Reading()
    return [event for chunk in chunks for event in reading.events(chunk)]


def test_thoughts_are_a_part_before_the_words():
    """Whole when the first word comes."""
    events = read(
        chunk(reasoning_content="Hm"),
        chunk(reasoning_content="m."),
        chunk(content="Yes"),
        chunk("stop"),
        END,
    )

    assert events[:4] == [
        ReasoningDelta("Hm"),
        ReasoningDelta("m."),
        PartDone(Reasoning("Hmm.")),
        TextDelta("Yes"),
    ]
    assert reply_of(events).parts == (Reasoning("Hmm."), Text("Yes"))


def test_thoughts_without_words_are_kept():
    """Where the limit comes before the reply."""
    reply = reply_of(read(chunk(reasoning_content="Hm"), chunk("length"), END))

    assert reply.parts == (Reasoning("Hm"),)
    assert reply.finish_reason == "length"


def test_usage_is_in_buckets_that_do_not_overlap():
    """llama.cpp counts the cached tokens among those of the prompt."""
    events = read(chunk("stop"), END)

    assert events == [
        Finished(
            finish_reason="stop",
            model="m",
            usage=Usage(input=6, cache_read=4, output=3),
        )
    ]


def test_an_error_in_a_stream_is_raised():
    """It comes as a piece."""
    error = {
        "code": 400,
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 9,
        "n_ctx": 8,
    }
    with pytest.raises(ContextLengthExceeded):
        read({"error": error})


def test_thoughts_are_not_sent_back():
    """Only the words of an earlier reply are."""
    turn = Message("assistant", (Reasoning("Hm"), Text("Yes")))
    body = body_of(ChatRequest(messages=(turn,)), LocalOptions())

    assert body["messages"] == [{"role": "assistant", "content": "Yes"}]


def test_there_is_always_a_limit():
    """Without one, the model writes until its memory is full."""
    request = ChatRequest(messages=(Message.of("user", "Hi"),))

    assert body_of(request, LocalOptions())["max_tokens"] == 512


def test_patterns_are_taken_out_of_a_schema():
    """Wherever a schema can stand."""
    schema = {
        "pattern": "a",
        "properties": {"x": {"type": "string", "pattern": "b"}},
        "anyOf": [{"pattern": "c"}, {"items": {"pattern": "d"}}],
    }

    assert without_patterns(schema) == {
        "properties": {"x": {"type": "string"}},
        "anyOf": [{}, {"items": {}}],
    }


def test_what_is_only_called_pattern_stays():
    """A property, or a value."""
    schema = {
        "properties": {"pattern": {"type": "string"}},
        "enum": [{"pattern": "a"}],
        "required": ["pattern"],
    }

    assert without_patterns(schema) == schema
