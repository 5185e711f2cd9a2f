"""A real model is given an operation, and posts the message."""

from contextlib import suppress

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pegboard import Pegboard, errors, hookimpl
from pegboard._settings.settings import TracingSettings
from pegboard._tracing.tracing import Tracing

SETTINGS = {
    "llm": {
        "default": {"provider": "local", "context_length": 1024, "temperature": 0},
    },
    # Treated as something that is far away, so that it is traced.
    "integrations": {"alerts": {"provider": "console", "external": True}},
}
NAME = "alerts-post_message"


class Watched:
    """A plugin that observes, and the spans that it makes."""

    def __init__(self):
        self._exporter = InMemorySpanExporter()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._tracing = Tracing(TracingSettings(enabled=True), tracers)

    @hookimpl
    def pegboard_observers(self):
        return [self._tracing]

    def spans(self):
        """Return all spans that have ended."""
        return self._exporter.get_finished_spans()


def parent(spans, name):
    """Return the name of the span around the one called *name*."""
    ids = {span.context.span_id: span.name for span in spans}
    (around,) = [span.parent for span in spans if span.name == name]
    return around and ids[around.span_id]


async def test_embedded_model_posts_a_message(capsys):
    """What it wrote is shown; its calls and that of the operation are one tree."""
    watched = Watched()
    async with Pegboard.isolated(SETTINGS, plugins=[watched]) as board:
        # A model this small does not know when it is done.
        with suppress(errors.BoundReached):
            await board.llm().run(
                "Post the message 'Lunch is ready' to the channel #ops.",
                tools=board.tools("alerts"),
                tool_choice=NAME,
                max_tokens=80,
                max_rounds=2,
            )
        posts = board.stats()["integrations.alerts"].calls
    spans = watched.spans()
    run = "invoke_agent llm.default"

    assert posts == 1
    assert "Lunch is ready" in capsys.readouterr().out
    assert parent(spans, run) is None
    assert parent(spans, f"execute_tool {NAME}") == run
    assert parent(spans, "post_message integrations.alerts") == f"execute_tool {NAME}"
    assert [span.name for span in spans if span.name.startswith("chat")] == [
        "chat llm.default"
    ] * 2
    assert len({span.context.trace_id for span in spans}) == 1
