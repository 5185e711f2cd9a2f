"""Calls as spans and metrics of OpenTelemetry."""

import asyncio
import json
import subprocess
import sys
from contextlib import aclosing
from dataclasses import replace
from typing import get_args

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pegboard import (
    File,
    Image,
    LLMProvider,
    Message,
    Options,
    Pegboard,
    Policy,
    Reply,
    Text,
    Tool,
    ToolCall,
    Usage,
    errors,
    hookimpl,
)
from pegboard import sync as blocking
from pegboard._policy.stack import govern
from pegboard._policy.target import Target
from pegboard._settings.settings import TracingSettings
from pegboard._tracing.tracing import Tracing
from pegboard.contracts.chat import (
    Capability,
    Finished,
    Reasoning,
    TextDelta,
    ToolResult,
    UsageSoFar,
)
from pegboard.contracts.declare import Operation
from pegboard.testing.cancellation import cancel_at_every_await
from pegboard.testing.clock import run_virtual
from pydantic import SecretStr

KEY = "sk-very-secret"
USAGE = Usage(input=7, cache_read=20, cache_write=3, output=4, reasoning=6)
REPLY = Reply(parts=(Text("Hi."),), finish_reason="stop", usage=USAGE, model="m-2026")
DONE = Finished(finish_reason="stop", model="m-2026", usage=USAGE)


class Running(SpanProcessor):
    """The spans that have begun and not ended."""

    def __init__(self):
        self.spans = set()

    def on_start(self, span, parent_context=None):  # noqa: ARG002 - passed by name
        self.spans.add(span.context.span_id)

    def on_end(self, span):
        self.spans.remove(span.context.span_id)


class Watch:
    """What OpenTelemetry was told, and the observer that tells it."""

    def __init__(self, **settings):
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        tracers = TracerProvider()
        self.running = Running()
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        tracers.add_span_processor(self.running)
        meters = MeterProvider(metric_readers=[self._reader])
        self.tracer = tracers.get_tracer("a program")
        self.observer = Tracing(TracingSettings(**settings), tracers, meters)

    @property
    def spans(self):
        """The spans that have ended, in this order."""
        return self._spans.get_finished_spans()

    @property
    def span(self):
        """The only span."""
        (span,) = self.spans
        return span

    def points(self, name):
        """Return the measurements by the instrument *name*."""
        found = self._reader.get_metrics_data()
        return [
            point
            for resource in (found.resource_metrics if found else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


class Service:
    """A model that answers or fails as told; its key is a secret."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)

    async def complete(self, request):
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return await outcome(request) if callable(outcome) else outcome

    async def stream(self, _request):
        for outcome in self.outcomes.pop(0):
            if isinstance(outcome, BaseException):
                raise outcome
            yield await outcome() if callable(outcome) else outcome


class ServiceOptions(Options):
    api_key: SecretStr
    model: str = "m"


class Plugin:
    def __init__(self, watch, **services):
        self.watch = watch
        self.services = services

    @hookimpl
    def pegboard_observers(self):
        return [self.watch.observer]

    @hookimpl
    def pegboard_llm_providers(self):
        return [
            LLMProvider(
                name=name,
                factory=lambda _options, _context, service=service: service,
                options=ServiceOptions,
                contracts={"ChatModel": 1, "StreamingChat": 1},
                capabilities=frozenset(get_args(Capability)),
            )
            for name, service in self.services.items()
        ]


def board_of(watch, **services):
    """Return a board with each service as a provider and as the llm of its name."""
    settings = {
        "llm": {name: {"provider": name, "api_key": KEY} for name in services},
        "policy": {"backoff": 0},
    }
    return Pegboard.isolated(settings, plugins=[Plugin(watch, **services)])


async def completed(watch, *outcomes, prompt="Hello.", **parameters):
    """Ask a service with *outcomes* once; return the reply, or the error."""
    async with board_of(watch, acme=Service(*outcomes)) as board:
        try:
            return await board.llm("acme").complete(prompt, **parameters)
        except Exception as error:
            return error


async def streamed(watch, *items):
    """Read the whole stream of *items*; return the error, if there was one."""
    async with board_of(watch, acme=Service(items)) as board:
        try:
            async with board.llm("acme").stream("Hello.") as stream:
                async for _ in stream:
                    pass
        except Exception as error:
            return error


def governed(method, watch, *, streams=False, **policy):
    """Return *method* as an operation of an integration."""
    target = Target("integrations.x", Policy(**policy), "x", "p", (), (watch.observer,))
    return govern(method, Operation("send", False, streams, method), target)  # noqa: FBT003


@pytest.fixture
def watch():
    """Return a watch with the settings that are the default."""
    return Watch()


# --- spans of answers ---


async def test_call_is_one_span(watch):
    """A call to a model is a CLIENT span, named by operation and model."""
    await completed(watch, REPLY)

    assert watch.span.name == "chat m"
    assert watch.span.kind is SpanKind.CLIENT
    assert watch.span.parent is None
    assert watch.span.instrumentation_scope.name == "pegboard"
    assert watch.span.instrumentation_scope.schema_url.endswith("/schemas/1.41.0")


async def test_span_tells_what_was_asked_and_how_it_went(watch):
    """The attributes are those of the conventions, and where the call went."""
    tool = Tool("look", "Look.", {"type": "object"})
    await completed(
        watch,
        REPLY,
        model="m-large",
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        seed=4,
        stop=["END"],
        tools=[tool],
    )

    assert watch.span.name == "chat m-large"
    assert dict(watch.span.attributes) == {
        "pegboard.address": "llm.acme",
        "pegboard.operation": "complete",
        "pegboard.provider": "acme",
        "pegboard.attempts": 1,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "acme",
        "gen_ai.request.model": "m-large",
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.seed": 4,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.response.model": "m-2026",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 20,
        "gen_ai.usage.cache_creation.input_tokens": 3,
        "gen_ai.usage.output_tokens": 10,
        "gen_ai.usage.reasoning.output_tokens": 6,
    }


async def test_schema_asks_for_json(watch):
    """A reply that has to fit a schema is of type json."""
    reply = Reply(parts=(Text("{}"),), finish_reason="stop", usage=USAGE, model="m")
    await completed(watch, reply, schema={"type": "object"})

    assert watch.span.attributes["gen_ai.output.type"] == "json"


async def test_tokens_that_nobody_counted_are_left_out(watch):
    """An estimate is not passed off as what the service said."""
    uncounted = Usage(estimated=True)
    reply = Reply(parts=(), finish_reason="stop", usage=uncounted, model="")
    await completed(watch, reply)

    assert not [name for name in watch.span.attributes if "usage" in name]
    assert "gen_ai.response.model" not in watch.span.attributes
    assert watch.points("gen_ai.client.token.usage") == []


async def test_older_conventions_have_other_names():
    """Settings choose the version; 1.36 knows no caches and no provider.name."""
    watch = Watch(conventions="1.36")
    await streamed(watch, DONE)

    assert dict(watch.span.attributes) == {
        "pegboard.address": "llm.acme",
        "pegboard.operation": "stream",
        "pegboard.provider": "acme",
        "pegboard.attempts": 1,
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "acme",
        "gen_ai.request.model": "m",
        "gen_ai.response.model": "m-2026",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 30,
        "gen_ai.usage.output_tokens": 10,
    }
    assert watch.span.instrumentation_scope.schema_url.endswith("/schemas/1.36.0")
    assert watch.points("gen_ai.client.operation.time_to_first_chunk") == []


def test_call_to_no_model_is_named_by_its_address(watch):
    """An integration has no model and nothing of the conventions for generative AI."""

    async def send(_channel):
        return "sent"

    run_virtual(governed(send, watch)("#ops"))

    assert watch.span.name == "send integrations.x"
    assert dict(watch.span.attributes) == {
        "pegboard.address": "integrations.x",
        "pegboard.operation": "send",
        "pegboard.provider": "x",
        "pegboard.attempts": 1,
    }
    assert watch.points("gen_ai.client.operation.duration") == []


@pytest.mark.parametrize(
    "name", ["well_known", lambda options: f"well_{type(options).__name__}"]
)
async def test_provider_has_the_name_that_tools_know(name):
    """A descriptor says what the conventions call its service, or its options do."""
    known = name if isinstance(name, str) else "well_ServiceOptions"

    class Known(Plugin):
        @hookimpl
        def pegboard_llm_providers(self):
            (offer,) = super().pegboard_llm_providers()
            return [replace(offer, telemetry_name=name)]

    watch = Watch()
    plugin = Known(watch, acme=Service(REPLY))
    settings = {"llm": {"default": {"provider": "acme", "api_key": KEY}}}
    async with Pegboard.isolated(settings, plugins=[plugin]) as board:
        await board.llm().complete("Hello.")

    assert watch.span.attributes["gen_ai.provider.name"] == known
    assert watch.span.attributes["pegboard.provider"] == "acme"
    (point,) = watch.points("gen_ai.client.operation.duration")
    assert point.attributes["gen_ai.provider.name"] == known


async def test_embeddings_are_an_operation_of_the_conventions(watch):
    """They have a name of their own, and no words."""
    settings = {"llm": {"default": {"provider": "fake"}}}
    async with Pegboard.isolated(settings, plugins=[Plugin(watch)]) as board:
        await board.llm().embed("Hello.", dimensions=8)

    assert watch.span.name == "embeddings fake"
    assert watch.span.attributes["gen_ai.operation.name"] == "embeddings"
    assert watch.span.attributes["gen_ai.embeddings.dimension.count"] == 8
    assert watch.span.attributes["gen_ai.usage.input_tokens"] > 0
    assert len(watch.points("gen_ai.client.operation.duration")) == 1


async def test_pictures_are_an_operation_of_the_conventions(watch):
    """What comes out is told as its kind."""
    settings = {"llm": {"default": {"provider": "fake"}}}
    async with Pegboard.isolated(settings, plugins=[Plugin(watch)]) as board:
        await board.llm().generate_images("A dog.")

    assert watch.span.attributes["gen_ai.operation.name"] == "generate_content"
    assert watch.span.attributes["gen_ai.output.type"] == "image"


async def test_counting_tokens_is_no_chat(watch):
    """It is traced, but not as something that a model was asked."""
    settings = {"llm": {"default": {"provider": "fake"}}}
    async with Pegboard.isolated(settings, plugins=[Plugin(watch)]) as board:
        await board.llm().count_tokens("Hello.")

    assert watch.span.name == "count_tokens llm.default"
    assert "gen_ai.operation.name" not in watch.span.attributes


# --- failures ---


async def test_retries_are_events_of_the_one_span(watch):
    """The span covers all attempts; each that failed says why and what came next."""
    limited = errors.RateLimited(f"slow down, {KEY}", retry_after=0.0)
    await completed(watch, limited, errors.Unavailable("away"), REPLY)

    first, second = watch.span.events
    assert first.name == "pegboard.retry"
    assert dict(first.attributes) == {
        "error.type": "RateLimited",
        "error.message": "slow down, ***",
        "pegboard.attempt": 1,
        "pegboard.wait": 0.0,
    }
    assert second.attributes["error.type"] == "Unavailable"
    assert watch.span.attributes["pegboard.attempts"] == 3
    assert watch.span.status.status_code is StatusCode.UNSET


async def test_failure_is_the_status_of_the_span(watch):
    """A call that fails for good ends its span with the error, and what to do."""
    error = await completed(watch, errors.Authentication("the key is wrong"))

    assert watch.span.status.status_code is StatusCode.ERROR
    assert watch.span.status.description == str(error)
    assert watch.span.attributes["error.type"] == "Authentication"
    assert watch.span.attributes["pegboard.attempts"] == 1


async def test_reply_that_is_no_good_has_tokens(watch):
    """It was paid for, though the call failed."""

    def refuse(_reply):
        msg = "is too short"
        raise ValueError(msg)

    section = {"provider": "acme", "api_key": KEY, "validate_reply": refuse}
    settings = {"llm": {"default": section}, "policy": {"attempts": 1}}
    plugin = Plugin(watch, acme=Service(REPLY))
    async with Pegboard.isolated(settings, plugins=[plugin]) as board:
        with pytest.raises(errors.InvalidReply):
            await board.llm().complete("Hello.")

    assert watch.span.attributes["error.type"] == "InvalidReply"
    assert watch.span.attributes["gen_ai.usage.output_tokens"] == 10
    assert len(watch.points("gen_ai.client.token.usage")) == 2


async def test_no_secret_is_told():
    """Neither what a plugin lets through nor captured content shows a secret."""
    watch = Watch(capture_content=True)
    await completed(
        watch,
        errors.Unavailable(f"away: {KEY}"),
        KeyError(f"boom {KEY}"),
    )

    assert watch.span.status.status_code is StatusCode.ERROR
    assert KEY not in watch.span.to_json()


async def test_cancelled_call_is_no_error(watch):
    """A call that the program gives up ends its span, which says so."""
    began = asyncio.Event()

    async def forever(_request):
        began.set()
        await asyncio.Event().wait()

    async with board_of(watch, acme=Service(forever)) as board:
        task = asyncio.create_task(board.llm("acme").complete("Hello."))
        await began.wait()
        task.cancel()
        await asyncio.wait([task])

    assert watch.span.status.status_code is StatusCode.UNSET
    assert watch.span.attributes["error.type"] == "CancelledError"


# --- streams ---


async def test_stream_is_a_span_to_its_end(watch):
    """The span ends with the stream and has what its last event says."""
    await streamed(watch, TextDelta("Hi."), DONE)

    attributes = watch.span.attributes
    assert watch.span.name == "chat m"
    assert attributes["gen_ai.request.stream"] is True
    assert attributes["gen_ai.response.time_to_first_chunk"] >= 0
    assert attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert attributes["gen_ai.usage.input_tokens"] == 30
    assert watch.span.status.status_code is StatusCode.UNSET


async def test_stream_that_is_left_is_no_error(watch):
    """Leaving ends the span at once, with the tokens told up to there."""
    so_far = UsageSoFar(Usage(input=5, output=2))
    service = Service([TextDelta("Hi"), so_far, TextDelta("."), DONE])
    async with board_of(watch, acme=service) as board:
        async with board.llm("acme").stream("Hello.") as stream:
            async for event in stream:
                if event == TextDelta("."):
                    break
        assert len(watch.spans) == 1

    attributes = watch.span.attributes
    assert watch.span.status.status_code is StatusCode.UNSET
    assert attributes["gen_ai.usage.output_tokens"] == 2
    assert "error.type" not in attributes
    assert "gen_ai.response.finish_reasons" not in attributes


async def test_stream_that_breaks_is_an_error(watch):
    """A stream that fails on its way ends its span with the error."""
    so_far = UsageSoFar(Usage(input=5, output=2))
    broke = errors.ConnectionFailed("broke")
    error = await streamed(watch, so_far, TextDelta("Hi"), broke)

    assert watch.span.status.status_code is StatusCode.ERROR
    assert watch.span.status.description == str(error)
    assert watch.span.attributes["error.type"] == "ConnectionFailed"
    assert watch.span.attributes["gen_ai.usage.output_tokens"] == 2
    assert "gen_ai.response.time_to_first_chunk" in watch.span.attributes


async def test_stream_that_is_cancelled_is_no_error(watch):
    """A stream whose reader is cancelled ends its span, which says so."""
    waits = asyncio.Event()

    async def forever():
        waits.set()
        await asyncio.Event().wait()

    async def read(board):
        async with board.llm("acme").stream("Hello.") as stream:
            async for _ in stream:
                pass

    async with board_of(watch, acme=Service([TextDelta("Hi"), forever])) as board:
        task = asyncio.create_task(read(board))
        await waits.wait()
        task.cancel()
        await asyncio.wait([task])

    assert watch.span.status.status_code is StatusCode.UNSET
    assert watch.span.attributes["error.type"] == "CancelledError"


async def test_span_ends_wherever_a_call_is_cancelled(watch):
    """Cancelled at any point, a call or a stream ends its span and leaves it."""

    async def pause(_request=None):
        await asyncio.sleep(0)
        return REPLY

    async def ask():
        outcomes = [errors.Unavailable("away"), pause, [pause, pause, DONE]]
        async with board_of(watch, acme=Service(*outcomes)) as board:
            await board.llm("acme").complete("Hello.")
            async with board.llm("acme").stream("Hello.") as stream:
                async for _ in stream:
                    await asyncio.sleep(0)

    def check():
        assert watch.running.spans == set()
        assert trace.get_current_span() is trace.INVALID_SPAN

    assert await cancel_at_every_await(ask, check) >= 5


# --- what is within ---


async def test_what_a_call_does_is_within_its_span(watch):
    """Spans that are made meanwhile, such as those of an SDK, are its children."""

    async def ask(_request):
        with watch.tracer.start_as_current_span("POST"):
            return REPLY

    with watch.tracer.start_as_current_span("request") as outer:
        await completed(watch, errors.Unavailable("away"), ask)

    post, call, request = watch.spans
    assert post.parent.span_id == call.context.span_id
    assert call.parent.span_id == request.context.span_id == outer.context.span_id


async def test_call_within_a_call_is_its_child(watch):
    """A model that asks another is the parent of what the other does."""
    service = Service()
    board = board_of(watch, front=service, back=Service(REPLY))
    service.outcomes = [lambda _: board.llm("back").complete("Hello.")]
    async with board:
        await board.llm("front").complete("Hello.")

    back, front = watch.spans
    assert back.attributes["pegboard.address"] == "llm.back"
    assert back.parent.span_id == front.context.span_id
    assert back.context.trace_id == front.context.trace_id


async def test_fallback_and_its_targets_are_one_trace():
    """Each model that a fallback asks is a span of its own within it."""
    watch = Watch()
    plugin = Plugin(
        watch, bad=Service(errors.Authentication("no")), good=Service(REPLY)
    )
    settings = {
        "llm": {
            "default": {"provider": "fallback", "targets": ["bad", "good"]},
            "bad": {"provider": "bad", "api_key": KEY},
            "good": {"provider": "good", "api_key": KEY},
        }
    }
    async with Pegboard.isolated(settings, plugins=[plugin]) as board:
        await board.llm().complete("Hello.")

    bad, good, whole = watch.spans
    assert [one.attributes["pegboard.address"] for one in watch.spans] == [
        "llm.bad",
        "llm.good",
        "llm.default",
    ]
    assert bad.parent.span_id == good.parent.span_id == whole.context.span_id
    assert whole.kind is SpanKind.INTERNAL
    assert bad.status.status_code is StatusCode.ERROR
    assert whole.status.status_code is StatusCode.UNSET


async def test_tokens_of_a_fallback_are_counted_once():
    """What sums up spans or metrics must not meet the same tokens twice."""
    watch = Watch(capture_content=True)
    settings = {
        "llm": {
            "default": {"provider": "fallback", "targets": ["acme"]},
            "acme": {"provider": "acme", "api_key": KEY},
        }
    }
    plugin = Plugin(watch, acme=Service(REPLY))
    async with Pegboard.isolated(settings, plugins=[plugin]) as board:
        await board.llm().complete("Hello.")

    _, whole = watch.spans
    assert whole.name == "complete llm.default"
    assert not [name for name in whole.attributes if name.startswith("gen_ai.")]
    assert len(watch.points("gen_ai.client.token.usage")) == 2
    (duration,) = watch.points("gen_ai.client.operation.duration")
    assert duration.attributes["pegboard.address"] == "llm.acme"


def test_blocking_call_is_within_the_span_of_its_thread(watch):
    """A program without async is the parent of its calls, too."""
    plugin = Plugin(watch, acme=Service(REPLY, [TextDelta("Hi."), DONE]))
    settings = {"llm": {"default": {"provider": "acme", "api_key": KEY}}}
    with (
        blocking.Pegboard.isolated(settings, plugins=[plugin]) as board,
        watch.tracer.start_as_current_span("request") as request,
    ):
        board.llm().complete("Hello.")
        with board.llm().stream("Hello.") as stream:
            seen = [trace.get_current_span() for _ in stream]

    assert seen == [request, request]
    assert [span.name for span in watch.spans] == ["chat m", "chat m", "request"]
    assert {s.parent.span_id for s in watch.spans[:2]} == {request.context.span_id}


async def test_items_are_made_within_the_span(watch):
    """What a stream does for each of its items is within its span."""

    async def read():
        with watch.tracer.start_as_current_span("read"):
            return TextDelta("Hi.")

    await streamed(watch, TextDelta("Oh."), read, DONE)

    inner, call = watch.spans
    assert inner.parent.span_id == call.context.span_id


async def test_span_of_a_stream_is_not_that_of_its_reader(watch):
    """Between two items the reader is where it was before."""
    seen = []
    with watch.tracer.start_as_current_span("reader") as reader:
        service = Service([TextDelta("a"), TextDelta("b"), DONE])
        async with (
            board_of(watch, acme=service) as board,
            board.llm("acme").stream("Hello.") as stream,
        ):
            seen.extend([trace.get_current_span() async for _ in stream])
        seen.append(trace.get_current_span())

    assert seen == [reader] * 4


async def test_streams_read_in_turn_keep_their_own_spans(watch):
    """Two streams that one task reads by turns do not mix."""

    def pieces(name):
        async def piece():
            with watch.tracer.start_as_current_span(name):
                return TextDelta(name)

        return [piece, piece, DONE]

    services = {name: Service(pieces(name)) for name in ("one", "two")}
    async with board_of(watch, **services) as board:
        chats = [board.llm(name)._model.handle for name in services]
        async with (
            aclosing(chats[0].stream(None)) as one,
            aclosing(chats[1].stream(None)) as two,
        ):
            for _ in range(3):
                await anext(one)
                await anext(two)

    calls = {s.attributes.get("pegboard.address"): s for s in watch.spans}
    for name in services:
        within = [span for span in watch.spans if span.name == name]
        parents = {span.parent.span_id for span in within}
        assert len(within) == 2
        assert parents == {calls[f"llm.{name}"].context.span_id}


# --- metrics ---


async def test_duration_is_measured(watch):
    """How long calls take is told apart by model, provider and address."""
    await completed(watch, REPLY)

    (point,) = watch.points("gen_ai.client.operation.duration")
    assert point.count == 1
    assert point.explicit_bounds[:3] == (0.01, 0.02, 0.04)
    assert dict(point.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "acme",
        "gen_ai.request.model": "m",
        "gen_ai.response.model": "m-2026",
        "pegboard.address": "llm.acme",
    }


async def test_failure_is_measured_apart(watch):
    """Calls that failed have the error's name in their measurements."""
    await completed(watch, errors.Authentication("no"))

    (point,) = watch.points("gen_ai.client.operation.duration")
    assert point.attributes["error.type"] == "Authentication"


async def test_tokens_are_measured(watch):
    """Tokens read and tokens written are two measurements."""
    await completed(watch, REPLY)

    points = watch.points("gen_ai.client.token.usage")
    assert {p.attributes["gen_ai.token.type"]: p.sum for p in points} == {
        "input": 30,
        "output": 10,
    }
    assert points[0].explicit_bounds[:3] == (1, 4, 16)


async def test_first_chunk_is_measured(watch):
    """Of streams, and only of them, the time to the first event is measured."""
    await completed(watch, REPLY)
    assert watch.points("gen_ai.client.operation.time_to_first_chunk") == []

    await streamed(watch, DONE)
    (point,) = watch.points("gen_ai.client.operation.time_to_first_chunk")
    assert point.count == 1


# --- content ---


async def test_words_are_not_told_unless_settings_ask(watch):
    """By default no span has what was asked or said."""
    reply = Reply(
        parts=(Text("a private answer"),), finish_reason="stop", usage=USAGE, model="m"
    )
    await completed(watch, reply, system="a private order")

    assert "private" not in watch.span.to_json()
    assert "Hello." not in watch.span.to_json()


async def test_content_has_the_shape_of_the_conventions():
    """Every kind of part is there; of bytes there is only how many."""
    watch = Watch(capture_content=True)
    reply = Reply(
        parts=(Reasoning("Hm."), ToolCall("c2", "look", {"at": "you"})),
        finish_reason="tool_calls",
        usage=USAGE,
        model="m",
    )
    asked = [
        Message("user", (Text("See:"), Image(b"1234"), File("https://a.example/b"))),
        Message("assistant", (ToolCall("c1", "look", {"at": "me"}),)),
        Message("tool", (ToolResult("c1", "look", "seen"),)),
    ]
    tool = Tool("look", "Look.", {"type": "object"})
    await completed(watch, reply, prompt=asked, tools=[tool])

    attributes = watch.span.attributes
    assert json.loads(attributes["gen_ai.input.messages"]) == [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "See:"},
                {
                    "type": "blob",
                    "modality": "image",
                    "mime_type": "image/png",
                    "size": 4,
                },
                {
                    "type": "uri",
                    "modality": "file",
                    "mime_type": "application/pdf",
                    "uri": "https://a.example/b",
                },
            ],
        },
        {
            "role": "assistant",
            "parts": [
                {
                    "type": "tool_call",
                    "id": "c1",
                    "name": "look",
                    "arguments": {"at": "me"},
                }
            ],
        },
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": "c1", "response": "seen"}],
        },
    ]
    assert json.loads(attributes["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Hm."},
                {
                    "type": "tool_call",
                    "id": "c2",
                    "name": "look",
                    "arguments": {"at": "you"},
                },
            ],
            "finish_reason": "tool_call",
        }
    ]
    assert json.loads(attributes["gen_ai.tool.definitions"]) == [
        {
            "type": "function",
            "name": "look",
            "description": "Look.",
            "parameters": {"type": "object"},
        }
    ]


async def test_content_of_a_stream_is_put_together():
    """What came in pieces is told as one."""
    watch = Watch(capture_content=True)
    await streamed(watch, TextDelta("Hi"), TextDelta("."), DONE)

    assert json.loads(watch.span.attributes["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": "Hi."}],
            "finish_reason": "stop",
        }
    ]


async def test_content_of_a_failed_stream_is_what_was_asked():
    """A call without an answer has none."""
    watch = Watch(capture_content=True)
    await streamed(watch, errors.Authentication("no"))

    assert "gen_ai.input.messages" in watch.span.attributes
    assert "gen_ai.output.messages" not in watch.span.attributes


def without_names(request):
    """Return *request* with the name hidden."""
    return replace(request, messages=(Message.of("user", "I am N."),))


@pytest.mark.parametrize("streams", [False, True])
async def test_content_is_what_was_sent(streams):
    """What filter_request takes out is in no span either."""
    watch = Watch(capture_content=True)
    service = Service([DONE] if streams else REPLY)
    section = {"provider": "acme", "api_key": KEY, "filter_request": without_names}
    settings = {"llm": {"default": section}}
    plugin = Plugin(watch, acme=service)
    async with Pegboard.isolated(settings, plugins=[plugin]) as board:
        if streams:
            async with board.llm().stream("I am Ada.") as stream:
                assert [event async for event in stream] == [DONE]
        else:
            await board.llm().complete("I am Ada.")

    assert "I am N." in watch.span.attributes["gen_ai.input.messages"]
    assert "Ada" not in watch.span.to_json()


@pytest.mark.parametrize("streams", [False, True])
async def test_request_that_is_not_sent_is_in_no_span(streams):
    """A filter that fails cannot say what was private: nothing is told."""

    def refuse(request):
        raise ValueError(request)

    watch = Watch(capture_content=True)
    section = {"provider": "acme", "api_key": KEY, "filter_request": refuse}
    settings = {"llm": {"default": section}}
    plugin = Plugin(watch, acme=Service())
    async with Pegboard.isolated(settings, plugins=[plugin]) as board:
        with pytest.raises(errors.InvalidRequest, match="Nothing was sent") as caught:
            if streams:
                async for _ in board.llm().stream("I am Ada."):
                    pass
            else:
                await board.llm().complete("I am Ada.")

    assert caught.value.address == "llm.default"
    assert watch.span.attributes["error.type"] == "InvalidRequest"
    assert "Ada" not in watch.span.to_json()


def test_older_conventions_hold_no_content():
    """Where 1.36 would put words is not supported, which is said at once."""
    tracing = {"capture_content": True, "conventions": "1.36"}

    with pytest.raises(errors.SettingsError, match="capture_content needs conventions"):
        Pegboard.isolated({"tracing": tracing})


# --- a program ---

PROGRAM = """
import asyncio, json, sys
from pegboard import Pegboard
settings = json.loads(sys.argv[1])
async def main():
    async with Pegboard.isolated(settings) as board:
        await board.llm().complete("Hello.")
def ask():
    asyncio.run(main())
def tell(**facts):
    print(json.dumps(facts))
"""
SETTINGS = {"llm": {"default": {"provider": "fake"}}}
TRACED = SETTINGS | {"tracing": {"enabled": True}}


def told_by(program, settings):
    """Run *program* in a process of its own and return what it tells."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + program, json.dumps(settings)],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def test_nothing_is_imported_unless_settings_ask():
    """A program that does not trace does not pay for OpenTelemetry."""
    program = """
ask()
tell(loaded=[name for name in sys.modules if name.startswith("opentelemetry")])
"""
    assert told_by(program, SETTINGS) == {"loaded": []}


def test_settings_turn_it_on_for_what_the_program_has_set_up():
    """Spans and measurements go to the providers that the program has set."""
    program = """
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
tracers = TracerProvider()
tracers.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(tracers)
metrics.set_meter_provider(MeterProvider([reader]))
ask()
(scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
tell(
    spans=[span.name for span in spans.get_finished_spans()],
    metrics=[metric.name for metric in scope.metrics],
    same=trace.get_tracer_provider() is tracers,
)
"""
    assert told_by(program, TRACED) == {
        "spans": ["chat fake"],
        "metrics": ["gen_ai.client.operation.duration", "gen_ai.client.token.usage"],
        "same": True,
    }


def test_global_providers_are_left_alone():
    """A library does not decide where a program's telemetry goes."""
    program = """
ask()
from opentelemetry import metrics, trace
tell(
    trace=type(trace.get_tracer_provider()).__name__,
    metrics=type(metrics.get_meter_provider()).__name__,
)
"""
    assert told_by(program, TRACED) == {
        "trace": "ProxyTracerProvider",
        "metrics": "_ProxyMeterProvider",
    }
