"""What arrives at a collector, decoded as it was sent."""

from __future__ import annotations

import asyncio
import json
import logging
import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from pegboard import Pegboard, Tracing
from pegboard import sync as blocking
from pegboard.errors import SettingsError, Unavailable
from pegboard.testing import Fault, FaultServer, Scripted, no_leaks

TAKEN = Scripted(headers={"content-type": "application/x-protobuf"})
KEY = "sentinel-5ec2e7"


def board_of(url: str | None, llm: dict | None = None, **options) -> Pegboard:
    """Return a board that traces to *url*."""
    settings = {
        "tracing": {"to": "phoenix"},
        "integrations": {
            "phoenix": {"provider": "phoenix", "endpoint": url, **options}
        },
        "llm": {"default": {"provider": "fake", "model": "m", **(llm or {})}},
    }
    return Pegboard.isolated(settings)


async def test_it_is_a_call_of_a_model_to_phoenix(collector):
    """Kind, model and tokens under the names of OpenInference."""
    async with board_of(collector.url) as board:
        await board.llm().complete("one two", max_tokens=9, temperature=0.5)
    (span,) = collector.spans()
    known = span.attributes

    assert known["openinference.span.kind"] == "LLM"
    assert known["llm.model_name"] == "m"
    assert known["llm.provider"] == "fake"
    assert json.loads(known["llm.invocation_parameters"]) == {
        "max_tokens": 9,
        "temperature": 0.5,
    }
    assert known["llm.token_count.prompt"] == known["gen_ai.usage.input_tokens"]
    assert known["llm.token_count.total"] == (
        known["llm.token_count.prompt"] + known["llm.token_count.completion"]
    )


async def test_project_is_that_of_the_settings(collector):
    """Phoenix puts spans where their resource says."""
    async with board_of(collector.url, project="shop") as board:
        await board.llm().complete("Hello?")

    assert collector.resources[0]["openinference.project.name"] == "shop"


async def test_key_goes_in_the_header(collector):
    """And nowhere else."""
    async with board_of(collector.url, api_key=KEY) as board:
        await board.llm().complete("Hello?")
        shown = repr([board, board.explain("integrations.phoenix")])
    (request,) = collector.requests

    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert KEY.encode() not in request.body
    assert KEY not in shown


async def test_without_a_key_there_is_no_header(collector):
    """A Phoenix that asks for none gets none."""
    async with board_of(collector.url) as board:
        await board.llm().complete("Hello?")

    assert "authorization" not in collector.requests[0].headers


async def test_variables_of_phoenix_are_read(collector):
    """Who has set up Phoenix for another program has nothing to set up."""
    environ = {
        "PHOENIX_COLLECTOR_ENDPOINT": collector.url,
        "PHOENIX_PROJECT_NAME": "theirs",
        "PHOENIX_API_KEY": KEY,
    }
    settings = {
        "tracing": {"to": "phoenix"},
        "integrations": {"phoenix": {"provider": "phoenix"}},
        "llm": {"default": {"provider": "fake"}},
    }
    async with Pegboard.isolated(settings, environ=environ) as board:
        await board.llm().complete("Hello?")

    assert collector.resources[0]["openinference.project.name"] == "theirs"
    assert collector.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_slash_at_the_end_of_the_endpoint_is_none_too_many(collector):
    """It is often there."""
    async with board_of(f"{collector.url}/") as board:
        await board.llm().complete("Hello?")

    assert len(collector.spans()) == 1


@pytest.mark.parametrize("endpoint", ["", "localhost:6006", "grpc://x:4317", "http://"])
async def test_an_endpoint_that_is_none_is_told(endpoint):
    """When the board is used, not when spans are lost."""
    async with board_of(endpoint) as board:
        with pytest.raises(SettingsError, match="endpoint"):
            board.llm()


async def test_phoenix_being_away_changes_nothing(caplog):
    """Calls go on; who asks for the spans to be sent is told that they are not."""
    async with FaultServer() as gone:
        url = gone.url
    caplog.set_level(logging.CRITICAL, "opentelemetry")
    async with no_leaks(), board_of(url, send_timeout=0.3) as board:
        reply = await board.llm().complete("Hello?")
        with pytest.raises(Unavailable, match="did not take all spans"):
            await board.integration("phoenix", Tracing).flush()
        health = (await board.health())["integrations.phoenix"]

    assert reply.text == "Hello?"
    assert health.status == "down"


async def test_a_phoenix_that_is_silent_holds_up_no_close(collector, caplog):
    """Of many batches none is waited for when the time is over."""
    caplog.set_level(logging.CRITICAL, "opentelemetry")
    collector.respond(*[TAKEN.broken_at(0, Fault.HANG)] * 20)
    board = board_of(collector.url, send_timeout=0.3, queue=2)
    async with no_leaks(), board:
        for _ in range(9):
            await board.llm().complete("Hello?")
        with pytest.raises(Unavailable):
            await board.integration("phoenix", Tracing).flush()

    assert board.stats()["llm.default"].calls == 9


async def test_what_is_refused_is_told(collector, caplog):
    """A wrong key, say."""
    caplog.set_level(logging.CRITICAL, "opentelemetry")
    collector.respond(Scripted(status=401), Scripted(status=401))
    async with board_of(collector.url, api_key=KEY) as board:
        health = (await board.health())["integrations.phoenix"]

    assert health.status == "down"
    assert KEY not in health.reason


async def test_it_is_sent_again_where_phoenix_is_busy(collector):
    """What it did not take at first is not lost."""
    collector.respond(Scripted(status=503, headers={"retry-after": "0"}))
    async with board_of(collector.url, send_timeout=20) as board:
        await board.llm().complete("Hello?")
        await board.integration("phoenix", Tracing).flush()

    assert {span.name for span in collector.spans()} == {"chat m"}
    assert len(collector.requests) == 2


async def test_off_says_so():
    """It is up, and does nothing."""
    async with board_of(None) as board:
        health = (await board.health())["integrations.phoenix"]

    assert (health.status, health.reason) == ("up", "off: no endpoint is set")


async def test_the_programs_own_provider_gets_nothing(collector):
    """It is not asked, and its spans are parents all the same."""
    theirs = TracerProvider()
    async with board_of(collector.url) as board:
        with theirs.get_tracer("program").start_as_current_span("outer") as outer:
            await board.llm().complete("Hello?")
    (span,) = collector.spans()

    assert span.trace == f"{outer.get_span_context().trace_id:032x}"
    assert span.parent == f"{outer.get_span_context().span_id:016x}"
    theirs.shutdown()


async def test_external_makes_no_difference(collector):
    """Sending spans has no policy: it would trace itself."""
    async with board_of(collector.url, external=True) as board:
        await board.llm().complete("Hello?")
        await board.integration("phoenix", Tracing).flush()

    assert [span.name for span in collector.spans()] == ["chat m"]


async def test_blocking_board(collector):
    """The blocking board traces, too."""

    def program():
        settings = {
            "tracing": {"to": "phoenix"},
            "integrations": {
                "phoenix": {"provider": "phoenix", "endpoint": collector.url}
            },
            "llm": {"default": {"provider": "fake", "model": "m"}},
        }
        with blocking.Pegboard.isolated(settings) as board:
            with board.tracer("program").start_as_current_span("outer"):
                board.llm().complete("Hello?")
            tracing = board.integration("phoenix", blocking.Tracing)
            tracing.flush()
            return tracing.tracer_provider

    provider = await asyncio.to_thread(program)

    assert provider is not trace.get_tracer_provider()
    assert {span.name for span in collector.spans()} == {"outer", "chat m"}


EXITS = """
import asyncio, sys
from pegboard import Pegboard

settings = {
    "tracing": {"to": "phoenix"},
    "integrations": {"phoenix": {"provider": "phoenix", "endpoint": sys.argv[1]}},
    "llm": {"default": {"provider": "fake", "model": "m"}},
}
asyncio.run(Pegboard.isolated(settings).llm().complete("Hello?"))
"""


async def test_a_program_that_closes_nothing_sends_as_it_exits(collector):
    """Spans are not lost for want of a close."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", EXITS, collector.url
    )

    assert await program.wait() == 0
    assert [span.name for span in collector.spans()] == ["chat m"]
