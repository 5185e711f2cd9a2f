"""The observer that makes a span and measurements of every call."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode

from pegboard._content import conversation, offered, reply_of, words
from pegboard.contracts.chat import ChatRequest
from pegboard.errors import CallError
from pegboard.observers import (
    ActivityEnded,
    ActivityStarted,
    CallFailed,
    CallFinished,
    CallRetried,
    CallStarted,
    partial_of,
    usage_of,
)

from .activities import activity_attributes, activity_name
from .conventions import (
    Attributes,
    Conventions,
    answer_attributes,
    kind_of,
    place_attributes,
    request_attributes,
    span_name,
)
from .measures import Measures

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from pegboard._settings.settings import TracingSettings
    from pegboard.observers import Activity, Call, Event


class Tracing:
    """
    Tells OpenTelemetry of every call.

    A call is one span, whatever it took; the attempts that failed are events of it.
    What the provider does meanwhile is within the span: its own HTTP calls, and those
    to other instances. Providers default to those that the program has set.
    """

    def __init__(
        self,
        settings: TracingSettings,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self._captures = settings.capture_content
        self._conventions = conventions = Conventions(settings.conventions)
        scope = ("pegboard", version("pegboard"))
        self._tracer = trace.get_tracer(
            *scope, tracer_provider, schema_url=conventions.schema_url
        )
        meter = metrics.get_meter(
            *scope, meter_provider, schema_url=conventions.schema_url
        )
        self._measures = Measures(meter, conventions)

    def notify(self, event: Event) -> None:
        """Begin, note or end what stands for the call of *event*."""
        if isinstance(event, CallStarted):
            self._start(event.call)
        elif isinstance(event, CallRetried):
            _retry(event.call, event.error, event.wait)
        elif isinstance(event, CallFinished):
            self._finish(event.call, event.result, event.elapsed)
        elif isinstance(event, CallFailed):
            self._fail(event.call, event.error, event.elapsed)
        elif isinstance(event, ActivityStarted):
            self._begin(event.activity)
        elif isinstance(event, ActivityEnded):
            _end(_span_of(event.activity), event.error)

    def _start(self, call: Call) -> None:
        attributes = place_attributes(call)
        if (kind := kind_of(call)) is not None:
            attributes |= request_attributes(call, kind, self._conventions)
        if self._has_words(call):
            attributes |= _asked(call.request)
            call.items = [] if call.streams else None
        span = self._tracer.start_span(
            span_name(call),
            kind=SpanKind.INTERNAL if call.is_composite else SpanKind.CLIENT,
            attributes=attributes,
        )
        call.scopes += (Within(span),)

    def _begin(self, activity: Activity) -> None:
        attributes = activity_attributes(activity, self._conventions)
        span = self._tracer.start_span(activity_name(activity), attributes=attributes)
        activity.scopes += (Within(span),)

    def _finish(self, call: Call, result: Any, elapsed: float) -> None:
        span = _span_of(call)
        answer = answer_attributes(call, result, self._conventions)
        span.set_attributes(answer)
        if self._has_words(call) and (reply := reply_of(call, result)):
            span.set_attribute("gen_ai.output.messages", words(reply))
        span.end()
        self._measures.take(call, elapsed, answer, usage_of(call, result))

    def _fail(self, call: Call, error: BaseException, elapsed: float) -> None:
        span = _span_of(call)
        partial = partial_of(error)
        answer = answer_attributes(call, partial, self._conventions)
        answer["error.type"] = type(error).__name__
        span.set_attributes(answer)
        if not isinstance(error, asyncio.CancelledError):
            span.set_status(Status(StatusCode.ERROR, str(error)))
        span.end()
        self._measures.take(call, elapsed, answer, usage_of(call, partial))

    def _has_words(self, call: Call) -> bool:
        """Return whether the span of *call* is to hold what was asked and said."""
        is_chat = isinstance(call.request, ChatRequest) and kind_of(call) == "chat"
        return self._captures and is_chat


class Within:
    """Makes *span* the current one for a while, and does nothing else to it."""

    def __init__(self, span: Span) -> None:
        self.span = span

    def __call__(self) -> AbstractContextManager[object]:
        """Return the context within the span."""
        return trace.use_span(
            self.span, record_exception=False, set_status_on_exception=False
        )


def _span_of(told: Activity | Call) -> Span:
    spans = (scope.span for scope in told.scopes if isinstance(scope, Within))
    return next(spans, INVALID_SPAN)


def _end(span: Span, error: BaseException | None) -> None:
    """End *span*; the words of foreign errors may hold what nobody is to see."""
    if error is not None:
        span.set_attribute("error.type", type(error).__name__)
    if isinstance(error, Exception):
        known = str(error) if isinstance(error, CallError) else None
        span.set_status(Status(StatusCode.ERROR, known))
    span.end()


def _retry(call: Call, error: CallError, wait: float) -> None:
    event: Attributes = {
        "error.type": type(error).__name__,
        "error.message": error.message,
        "pegboard.attempt": call.attempts,
        "pegboard.wait": wait,
    }
    _span_of(call).add_event("pegboard.retry", event)


def _asked(request: ChatRequest) -> Attributes:
    found = {"gen_ai.input.messages": conversation(request)}
    if request.tools:
        found["gen_ai.tool.definitions"] = offered(request)
    return found
