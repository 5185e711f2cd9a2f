"""
Prove that a provider keeps the contract of Tracing.

    from pegboard.testing.tracing import SentSpan, TracingContract


    class TestCollector(TracingContract):
        @pytest.fixture
        def settings(self, server):
            return {"provider": "collector", "endpoint": server.url}

        @pytest.fixture
        def off_settings(self):
            return {"provider": "collector"}

        @pytest.fixture
        def sent(self, server):
            return lambda: [SentSpan(...) for span in server.spans]

The fixture ``settings`` returns what stands in the settings of an instance,
``off_settings`` the same for one that is off, ``sent`` a function that returns all
spans that have arrived. What cannot be kept is left out with a reason; see
``pegboard.testing.standard``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace

from pegboard import Pegboard, Tracing
from pegboard.errors import Authentication, SettingsError

from .leaks import no_leaks
from .standard import StandardTests

if TYPE_CHECKING:
    from collections.abc import Iterable

SENTINEL = "sentinel-7f3a91c0"
MODEL = {"provider": "fake", "model": "kit-model", "replies": [f"Hello {SENTINEL}."]}


@dataclass(frozen=True, slots=True)
class SentSpan:
    """A span that has arrived."""

    name: str
    trace: str
    """What it has in common with all others of its tree."""
    id: str
    parent: str | None
    attributes: Mapping[str, object]


Sent = Callable[[], Sequence[SentSpan]]


@pytest.mark.asyncio
class TracingContract(StandardTests):
    """What every Tracing must do. Inherit it; give the three fixtures."""

    @pytest.fixture
    def plugins(self) -> Iterable[object]:
        """Return plugins to use that are not installed."""
        return ()

    @pytest.fixture
    def new_board(self, plugins: Iterable[object]) -> Callable[..., Pegboard]:
        """Return what makes a board that traces with an instance."""

        def new_board(section: dict[str, Any], **tracing: object) -> Pegboard:
            settings = {
                "tracing": {"to": "kit", **tracing},
                "integrations": {"kit": section},
                "llm": {"default": MODEL},
            }
            return Pegboard.isolated(settings, plugins=plugins)

        return new_board

    @pytest.fixture
    def board(
        self, settings: dict[str, Any], new_board: Callable[..., Pegboard]
    ) -> Pegboard:
        """Return a board that traces, which the test closes."""
        return new_board(settings)

    async def test_a_call_is_sent_when_the_board_closes(
        self, board: Pegboard, sent: Sent
    ) -> None:
        """Once, and with what is known of it."""
        async with board:
            await board.llm().complete("Hello?")
        (span,) = sent()

        assert span.name == "chat kit-model"
        assert span.parent is None
        assert span.attributes["pegboard.address"] == "llm.default"

    async def test_what_is_flushed_has_arrived(
        self, board: Pegboard, sent: Sent
    ) -> None:
        """Before the board closes, and not again when it does."""
        async with board:
            await board.llm().complete("Hello?")
            await board.integration("kit", Tracing).flush()
            early = len(sent())

        assert (early, len(sent())) == (1, 1)

    async def test_spans_of_the_program_are_parents_of_calls(
        self, board: Pegboard, sent: Sent
    ) -> None:
        """All in one tree, and in one place."""
        async with board:
            tracer = board.tracer("kit")
            with tracer.start_as_current_span("outer"):
                await board.llm().complete("Hello?")
        spans = {span.name: span for span in sent()}
        call, outer = spans["chat kit-model"], spans["outer"]

        assert len(spans) == 2
        assert (call.trace, call.parent) == (outer.trace, outer.id)

    async def test_a_run_is_one_tree(self, board: Pegboard, sent: Sent) -> None:
        """The run, and the call in it."""
        async with board:
            await board.llm().run("Hello?")
        spans = sent()
        (root,) = (span for span in spans if span.parent is None)

        assert root.name == "invoke_agent llm.default"
        assert {span.trace for span in spans} == {root.trace}
        assert len(spans) == 2

    async def test_many_calls_are_all_sent(self, board: Pegboard, sent: Sent) -> None:
        """Each once, whatever came together."""
        async with board:
            await asyncio.gather(*(board.llm().complete(str(n)) for n in range(100)))
        spans = sent()

        assert len(spans) == 100
        assert len({span.id for span in spans}) == 100

    async def test_words_are_not_sent(self, board: Pegboard, sent: Sent) -> None:
        """Unless the settings ask for it."""
        async with board:
            await board.llm().complete(f"Hello {SENTINEL}?")

        assert SENTINEL not in repr(sent())

    async def test_words_are_sent_if_asked_for(
        self,
        settings: dict[str, Any],
        new_board: Callable[..., Pegboard],
        sent: Sent,
    ) -> None:
        """What was asked as well as what was said."""
        async with new_board(settings, capture_content=True) as board:
            await board.llm().complete(f"Hello {SENTINEL}?")
        shown = repr(sent())

        assert f"Hello {SENTINEL}?" in shown
        assert f"Hello {SENTINEL}." in shown

    async def test_what_is_off_does_nothing(
        self,
        off_settings: dict[str, Any],
        new_board: Callable[..., Pegboard],
        sent: Sent,
    ) -> None:
        """No thread, no span, and the program need not know."""
        before = threading.active_count()
        async with no_leaks(), new_board(off_settings) as board:
            tracing = board.integration("kit", Tracing)
            with board.tracer("kit").start_as_current_span("outer") as span:
                await board.llm().complete("Hello?")
            await tracing.flush()
            threads = threading.active_count()

        assert tracing.tracer_provider is None
        assert not span.is_recording()
        assert threads <= before + 1  # a worker of the event loop
        assert sent() == []

    async def test_nothing_global_is_set(self, board: Pegboard) -> None:
        """The program's own tracer provider is as it was, and is not used."""
        before = trace.get_tracer_provider()
        async with board:
            provider = board.integration("kit", Tracing).tracer_provider
            await board.llm().complete("Hello?")

        assert trace.get_tracer_provider() is before
        assert provider is not None
        assert provider is not before

    async def test_it_is_made_once(self, board: Pegboard) -> None:
        """Whether it is asked for by name first, or a call is traced first."""
        async with board:
            tracing = board.integration("kit", Tracing)
            await board.llm().complete("Hello?")

            assert board.integration("kit", Tracing) is tracing
            assert board.provider("integrations.kit") is tracing

    async def test_it_is_healthy(self, board: Pegboard) -> None:
        """Where it can be reached, it says so."""
        async with board:
            health = (await board.health())["integrations.kit"]

        assert health.status == "up", health.reason

    async def test_a_failed_call_is_sent(
        self,
        settings: dict[str, Any],
        plugins: Iterable[object],
        sent: Sent,
    ) -> None:
        """With what kind of error it was."""
        failing = {**MODEL, "failures": ["Authentication"]}
        all_settings = {
            "tracing": {"to": "kit"},
            "integrations": {"kit": settings},
            "llm": {"default": failing},
        }
        async with Pegboard.isolated(all_settings, plugins=plugins) as board:
            with pytest.raises(Authentication):
                await board.llm().complete("Hello?")
        (span,) = sent()

        assert span.attributes["error.type"] == "Authentication"

    async def test_nothing_is_left_behind(self, board: Pegboard) -> None:
        """When the board closes, connections, tasks and threads are gone."""
        async with no_leaks():
            before = {*threading.enumerate()}
            async with board:
                await board.llm().complete("Hello?")
            workers = {t for t in threading.enumerate() if "asyncio" in t.name}

            assert {*threading.enumerate()} - before <= workers

    async def test_a_name_that_leads_nowhere_is_an_error(
        self, settings: dict[str, Any], new_board: Callable[..., Pegboard]
    ) -> None:
        """Each time, and not only the first one."""
        async with new_board(settings, to="tik") as board:
            for _ in range(2):
                with pytest.raises(SettingsError, match="tik"):
                    board.llm()
            assert any("tracing.to" in str(problem) for problem in board.check())
