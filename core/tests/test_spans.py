"""The proof that an SDK does not trace itself."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pegboard.testing import no_spans


def test_nothing_is_nothing():
    """A block that traces nothing passes."""
    with no_spans():
        pass


def test_spans_are_found_and_named():
    """However they are made, also by a tracer from before."""
    before = trace.get_tracer("sdk.before")

    with pytest.raises(AssertionError) as caught, no_spans():
        before.start_span("chat m").end()
        with trace.get_tracer("sdk").start_as_current_span("POST"):
            pass

    assert "'chat m' of sdk.before, 'POST' of sdk" in str(caught.value)


def test_error_of_the_block_comes_through():
    """What went wrong there is told, not what was traced until then."""
    with pytest.raises(ZeroDivisionError), no_spans():
        trace.get_tracer("sdk").start_span("chat m")
        _ = 1 / 0


def test_provider_of_the_program_is_back_afterwards(monkeypatch):
    """Tracers that were made within go to it from then on."""
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    with no_spans():
        kept = trace.get_tracer("sdk")

    with kept.start_as_current_span("outer"):
        kept.start_span("inner").end()

    assert trace.get_tracer_provider() is provider
    inner, outer = spans.get_finished_spans()
    assert inner.parent.span_id == outer.context.span_id
