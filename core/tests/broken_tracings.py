"""
Destinations of traces that each break one promise, and the kit run against them.

Not collected by itself: ``test_tracing_kit.py`` runs it and looks at what fails.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import ClassVar

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from pegboard import IntegrationProvider, Options, hookimpl
from pegboard.errors import Unavailable
from pegboard.testing.tracing import SentSpan, TracingContract

FAILED = "test_a_failed_call_is_sent"
SENT = "test_a_call_is_sent_when_the_board_closes"


class DestinationOptions(Options):
    is_on: bool = True


class Arrivals(SpanExporter):
    """What keeps spans as they arrive."""

    def __init__(self):
        self.spans = []

    def export(self, spans):
        self.spans += map(self.sent, spans)

    def sent(self, span):
        return SentSpan(
            name=span.name,
            trace=f"{span.context.trace_id:032x}",
            id=f"{span.context.span_id:016x}",
            parent=span.parent and f"{span.parent.span_id:016x}",
            attributes=dict(span.attributes),
        )


class Waiting(SpanProcessor):
    """Hands spans over when they are flushed."""

    def __init__(self, arrivals):
        self.arrivals = arrivals
        self.ended = []

    def on_end(self, span):
        self.ended.append(span)

    def force_flush(self, timeout_millis=None):  # noqa: ARG002 - passed by name
        ended, self.ended = self.ended, []
        self.arrivals.export(ended)
        return True


class Sound:
    """A destination that keeps every promise."""

    caught_by: ClassVar[tuple[str, ...]] = ()
    """The tests that have to fail."""

    def __init__(self, arrivals, options, _context):
        self.arrivals = arrivals
        self.provider = self.new_provider() if options.is_on else None
        self.parts = {"Tracing": self}

    def new_provider(self):
        self.waiting = Waiting(self.arrivals)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(self.waiting)
        return provider

    @property
    def tracer_provider(self):
        return self.provider

    async def ping(self):
        return "there"

    async def flush(self):
        if self.provider:
            self.waiting.force_flush()

    async def aclose(self):
        await self.flush()


class ForgetsWhatWaits(Sound):
    caught_by = (SENT, "test_many_calls_are_all_sent")

    async def aclose(self):
        pass


class FlushesNothing(Sound):
    caught_by = ("test_what_is_flushed_has_arrived",)

    async def flush(self):
        pass

    async def aclose(self):
        await super().flush()


class SendsTwice(Sound):
    caught_by = (SENT, "test_what_is_flushed_has_arrived")

    def new_provider(self):
        provider = super().new_provider()
        provider.add_span_processor(SimpleSpanProcessor(self.arrivals))
        return provider


class LosesParents(Sound):
    caught_by = (
        "test_spans_of_the_program_are_parents_of_calls",
        "test_a_run_is_one_tree",
    )

    async def flush(self):
        await super().flush()
        for number, span in enumerate(self.arrivals.spans):
            known = (span.name, span.trace, span.id, None, span.attributes)
            self.arrivals.spans[number] = SentSpan(*known)


class KeepsTen(Sound):
    caught_by = ("test_many_calls_are_all_sent",)

    async def aclose(self):
        del self.waiting.ended[10:]
        await super().aclose()


class LosesAttributes(Sound):
    caught_by = (SENT, FAILED, "test_words_are_sent_if_asked_for")

    async def flush(self):
        await super().flush()
        for span in self.arrivals.spans:
            span.attributes.clear()


class AddsWords(Sound):
    caught_by = ("test_words_are_not_sent",)

    async def flush(self):
        await super().flush()
        for span in self.arrivals.spans:
            span.attributes["said"] = "sentinel-7f3a91c0"


class IsAlwaysOn(Sound):
    caught_by = ("test_what_is_off_does_nothing",)

    def __init__(self, arrivals, _options, context):
        super().__init__(arrivals, DestinationOptions(), context)


class StartsThreads(Sound):
    caught_by = ("test_what_is_off_does_nothing", "test_nothing_is_left_behind")

    def __init__(self, arrivals, options, context):
        super().__init__(arrivals, options, context)
        for _ in range(3):
            threading.Thread(target=threading.Event().wait, daemon=True).start()


class IsGlobal(Sound):
    caught_by = ("test_nothing_global_is_set",)

    def new_provider(self):
        provider = super().new_provider()
        trace.set_tracer_provider(provider)
        return provider


class IsDown(Sound):
    caught_by = ("test_it_is_healthy",)

    async def ping(self):
        msg = "down"
        raise Unavailable(msg)


class IsBehindAWrapper(Sound):
    caught_by = ("test_it_is_made_once",)

    def __init__(self, arrivals, options, context):
        super().__init__(arrivals, options, context)
        self.parts = {"Tracing": _Wrapper(self)}


class _Wrapper:
    def __init__(self, wrapped):
        self.wrapped = wrapped

    def __getattr__(self, name):
        return getattr(self.wrapped, name)


class Offer:
    """A plugin that offers one destination."""

    def __init__(self, destination, arrivals):
        self.destination = destination
        self.arrivals = arrivals

    @hookimpl
    def pegboard_integrations(self):
        """Offer the destination."""
        return [
            IntegrationProvider(
                name="sample",
                factory=partial(self.destination, self.arrivals),
                options=DestinationOptions,
                contracts={"Tracing": 1},
                external=False,
            )
        ]


class Kit(TracingContract):
    """The kit, for one of the destinations."""

    __test__ = False
    destination: ClassVar[type[Sound]]

    @pytest.fixture
    def arrivals(self):
        """Return where spans arrive."""
        return Arrivals()

    @pytest.fixture
    def plugins(self, arrivals):
        """Return what offers the destination."""
        return [Offer(self.destination, arrivals)]

    @pytest.fixture
    def settings(self):
        """Return settings that name the destination."""
        return {"provider": "sample"}

    @pytest.fixture
    def off_settings(self):
        """Return settings of one that is off."""
        return {"provider": "sample", "is_on": False}

    @pytest.fixture
    def sent(self, arrivals):
        """Return what reads the spans that arrived."""
        return lambda: arrivals.spans


DESTINATIONS = [
    kind
    for kind in [*vars().values()]
    if isinstance(kind, type) and issubclass(kind, Sound)
]
globals().update(
    {
        f"Test{one.__name__}": type(
            f"Test{one.__name__}", (Kit,), {"destination": one, "__test__": True}
        )
        for one in DESTINATIONS
    }
)
