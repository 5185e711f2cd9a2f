"""Runs as traces of OpenTelemetry: one tree, tools and what they call included."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pegboard import Pegboard, errors, hookimpl
from pegboard._settings.settings import TracingSettings
from pegboard._tracing.tracing import Tracing

SETTINGS = {
    "llm": {
        "default": {
            "provider": "fake",
            "replies": [
                {"tool": "ask", "arguments": {"question": "Why?"}},
                {"tool": "fail"},
                "Done.",
            ],
        },
        "other": {"provider": "fake", "model": "other-1"},
    },
}


class Watched:
    """A plugin that observes, and the spans that it makes."""

    def __init__(self, conventions="1.36"):
        self.exporter = InMemorySpanExporter()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        settings = TracingSettings(enabled=True, conventions=conventions)
        self.tracing = Tracing(settings, tracers)

    @hookimpl
    def pegboard_observers(self):
        return [self.tracing]

    def spans(self):
        """Return all spans that have ended, by name."""
        return {span.name: span for span in self.exporter.get_finished_spans()}


def fail() -> None:
    """Fail."""
    msg = "with a secret"
    raise LookupError(msg)


@pytest.fixture
async def spans():
    """Return the spans of a run whose tools call another model, and fail."""
    watched = Watched("1.41")
    async with Pegboard.isolated(SETTINGS, plugins=[watched]) as board:

        async def ask(question: str) -> str:
            """Ask the other one."""
            return (await board.llm("other").complete(question)).text

        await board.llm().run("Go.", tools=[ask, fail])
    return watched.spans()


def parent(spans, name):
    """Return the name of the span around the one with *name*."""
    ids = {span.context.span_id: name for name, span in spans.items()}
    around = spans[name].parent
    return around and ids[around.span_id]


def test_a_run_is_one_tree(spans):
    """Calls and tools are within the run, what a tool calls is within the tool."""
    tools = {"execute_tool ask", "execute_tool fail"}

    assert parent(spans, "invoke_agent llm.default") is None
    assert {parent(spans, tool) for tool in tools} == {"invoke_agent llm.default"}
    assert len({span.context.trace_id for span in spans.values()}) == 1


def test_calls_hang_where_they_were_made(spans):
    """Those of the run are within the run, those of a tool within the tool."""
    assert parent(spans, "chat fake") == "invoke_agent llm.default"
    assert parent(spans, "chat other-1") == "execute_tool ask"


def test_spans_have_the_names_of_the_conventions(spans):
    """Tools that read traces know what they see."""
    run, tool = spans["invoke_agent llm.default"], spans["execute_tool ask"]

    assert run.kind is tool.kind is SpanKind.INTERNAL
    assert dict(run.attributes) == {
        "pegboard.address": "llm.default",
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "fake",
        "gen_ai.agent.name": "llm.default",
    }
    assert dict(tool.attributes) == {
        "pegboard.address": "llm.default",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.call.id": "call-1",
        "gen_ai.tool.name": "ask",
        "gen_ai.tool.type": "function",
    }


def test_failed_tool_is_an_error_without_its_words(spans):
    """What a foreign error says may be private; the run goes on."""
    failed, run = spans["execute_tool fail"], spans["invoke_agent llm.default"]

    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description is None
    assert failed.attributes["error.type"] == "LookupError"
    assert run.status.status_code is StatusCode.UNSET


async def test_failed_run_is_an_error():
    """The span of a run that came to a bound says so."""
    watched = Watched()
    async with Pegboard.isolated(SETTINGS, plugins=[watched]) as board:
        with pytest.raises(errors.BoundReached):
            await board.llm().run("Go.", tools=[fail], max_rounds=1)
    run = watched.spans()["invoke_agent llm.default"]

    assert run.status.status_code is StatusCode.ERROR
    assert run.attributes["error.type"] == "BoundReached"
    assert run.attributes["gen_ai.system"] == "fake"
