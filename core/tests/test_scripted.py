"""Answers that a test scripts: what each fault makes of one."""

import asyncio
import itertools
import json
import time
from collections.abc import Mapping

import pytest
from pegboard import http
from pegboard.testing import (
    anthropic_wire,
    gemini_wire,
    notion_wire,
    ollama_wire,
    openai_wire,
    slack_wire,
)
from pegboard.testing.scripted import (
    MEANINGLESS_RETRY_AFTER,
    Fault,
    Scripted,
    json_line,
    retry_after,
)

WORDS = Scripted.events(b"ab", b"cd", b"ef")
NOW = 1_800_000_000.0


def test_faults_add_up():
    """Each method returns a further answer and leaves the old one alone."""
    answer = Scripted.json({}, status=429).with_headers({"a": "b"}).of_type("text/html")

    assert answer.headers == {"content-type": "text/html", "a": "b"}
    assert (answer.status, answer.body) == (429, b"{}")


def test_broken_at_replaces_the_rest():
    """With a fault, or with an error that the service sends."""
    assert WORDS.broken_at(1, Fault.RESET).body == [b"ab", Fault.RESET]
    assert WORDS.broken_at(0, b"error").body == [b"error"]


def test_repeated_sends_a_chunk_twice():
    """The others come once."""
    assert WORDS.repeated(1).body == [b"ab", b"cd", b"cd", b"ef"]


def test_shortened_ends_in_the_middle():
    """A body with a length stays one, so that HTTP finds nothing wrong."""
    assert Scripted.json({"a": 1}).shortened(3).body == b'{"a'
    assert WORDS.shortened(3).body == [b"ab", b"c"]


def test_trickled_waits_before_each_piece():
    """What stood between the chunks stays there."""
    go = asyncio.Event()

    assert WORDS.broken_at(1, Fault.HANG).trickled(1, go).body == [
        *(go, b"a", go, b"b"),
        *(go, Fault.HANG),
    ]


def test_trickled_without_a_pause_only_splits():
    """So a reader meets every border between two chunks."""
    assert WORDS.trickled(4).body == [b"ab", b"cd", b"ef"]
    assert Scripted(body=b"abc").trickled(2).body == [b"ab", b"c"]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
@pytest.mark.parametrize("spelling", retry_after(7, now=NOW))
def test_every_spelling_of_retry_after_is_read(spelling, zone, monkeypatch):
    """Wherever the program runs: dates are those of Greenwich."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        headers = retry_after(7, now=NOW)[spelling]
        assert http.retry_after(headers, now=NOW) == 7
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", MEANINGLESS_RETRY_AFTER)
def test_meaningless_retry_after_asks_for_nothing(text):
    """A service that talks nonsense is waited for as if it had said nothing."""
    assert http.retry_after({"retry-after": text}, now=NOW) is None


STREAMS = {
    "openai chat": openai_wire.chat_stream("Hel", "lo.")[:-1],
    "openai responses": openai_wire.response_stream("Hel", "lo."),
    "openai error": [openai_wire.error_event()],
    "anthropic": anthropic_wire.message_stream("Hel", "lo."),
    "anthropic tool": anthropic_wire.tool_use_block("f", '{"a"', ": 1}"),
    "anthropic error": [anthropic_wire.error_event()],
    "gemini": gemini_wire.content_stream("Hel", "lo."),
    "gemini error": [gemini_wire.error_event()],
}


@pytest.mark.parametrize("name", STREAMS)
def test_each_event_holds_one_json_value(name):
    """And where it has a name, that is the value's type."""
    for event in STREAMS[name]:
        *named, data = event.decode().removesuffix("\n\n").split("\n")
        value = json.loads(data.removeprefix("data: "))

        assert named in ([], [f"event: {value.get('type')}"])


def test_lines_hold_one_json_value_each():
    """A line is a part, and the last one says that it is."""
    parts = [json.loads(line) for line in ollama_wire.chat_stream("Hel", "lo.")]
    pulled = [json.loads(line) for line in ollama_wire.pull((50, 100))]

    assert [part["done"] for part in parts] == [False, False, True]
    assert [part.get("completed") for part in pulled[:3]] == [None, 50, 100]
    assert pulled[-1] == {"status": "success"}
    assert json.loads(ollama_wire.error_line()).keys() == {"error"}


def test_each_call_returns_a_value_of_its_own():
    """A test may change what it got without changing what the next one gets."""
    makers = (
        anthropic_wire.message,
        gemini_wire.response,
        notion_wire.page,
        notion_wire.query,
        ollama_wire.chat,
        slack_wire.posted,
        slack_wire.error,
    )
    for make in makers:
        assert make() == make()
        assert make() is not make()


@pytest.mark.parametrize("wire", [anthropic_wire, gemini_wire, notion_wire])
def test_each_error_names_itself(wire):
    """The body holds the name that the table of statuses has."""
    for name, status in wire.STATUS.items():
        told = [*words_of(wire.error(name))]

        assert name in told
        assert 400 <= status < 600


def words_of(value):
    """Yield the values within a JSON object."""
    for inner in value.values():
        yield from words_of(inner) if isinstance(inner, Mapping) else (inner,)


def test_retry_info_is_a_duration():
    """The wait that Gemini asks for stands in the body, in seconds with a unit."""
    body = gemini_wire.error("RESOURCE_EXHAUSTED", "slow", gemini_wire.retry_info(7.5))

    assert body["error"]["details"][0]["retryDelay"] == "7.5s"


def test_json_line_is_one_line():
    """Whatever the value holds."""
    lines = [json_line({"a": "b\nc"}), json_line([1])]

    assert len(b"".join(lines).splitlines()) == 2
    assert [*itertools.chain(*map(json.loads, lines))] == ["a", 1]
