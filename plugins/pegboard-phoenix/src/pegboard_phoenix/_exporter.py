"""The exporter: spans in Phoenix's words, on their way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from ._openinference import translated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .options import PhoenixOptions


class PhoenixExporter(SpanExporter):
    """Translates spans when they are sent, in the thread that sends them."""

    def __init__(self, options: PhoenixOptions) -> None:
        key = options.api_key
        proof = {"authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        self._sending = OTLPSpanExporter(
            endpoint=f"{(options.endpoint or '').rstrip('/')}/v1/traces",
            headers=proof,
            timeout=options.send_timeout,
        )
        self._is_over = False
        self.failures = 0
        """How often spans could not be sent: who sends them in batches never says."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send *spans*."""
        if self._is_over:
            return SpanExportResult.FAILURE
        result = self._sending.export([_translated(span) for span in spans])
        self.failures += result is not SpanExportResult.SUCCESS
        return result

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Return True: nothing waits in here."""
        return self._sending.force_flush(timeout_millis)

    def shutdown(self) -> None:
        """Close connections; what comes now is dropped. A second time does nothing."""
        if self._is_over:
            return
        self._is_over = True
        self._sending.shutdown()  # type: ignore[no-untyped-call]  # the SDK's


def _translated(span: ReadableSpan) -> ReadableSpan:
    """Return *span* as Phoenix is to see it. It has ended and is not to be changed."""
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=translated(span.attributes or {}),
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
