"""Phoenix: a tracer provider of its own, and what it sends in the background."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from ._errors import not_sent
from ._exporter import PhoenixExporter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pegboard import Context

    from .options import PhoenixOptions

MILLISECONDS = 1000
MOST_AT_ONCE = 512


class Phoenix:
    """
    Spans for one project of a Phoenix server.

    Without an endpoint there is no tracer provider, no thread and no request. The
    provider is never made the global one: that is the program's.
    """

    def __init__(self, options: PhoenixOptions, context: Context) -> None:  # noqa: ARG002 - every factory is given both
        self._options = options
        self._provider: TracerProvider | None = None
        self.parts: Mapping[str, object] = {"Tracing": self}

    @property
    def tracer_provider(self) -> TracerProvider | None:
        """What makes tracers, and a thread that sends what they make, from now on."""
        if self._provider is None and self._options.endpoint:
            self._provider = _provider(self._options, self._exporter)
        return self._provider

    async def flush(self) -> None:
        """Send what has ended."""
        if self._provider is None:
            return
        failures = self._exporter.failures
        try:
            async with asyncio.timeout(self._options.send_timeout):
                await asyncio.to_thread(self._provider.force_flush)
        except TimeoutError as error:
            raise not_sent(self._options.endpoint or "") from error
        if self._exporter.failures > failures:
            raise not_sent(self._options.endpoint or "")

    async def ping(self) -> str:
        """Send no spans, which has to be accepted."""
        endpoint = self._options.endpoint
        if endpoint is None:
            return "off: no endpoint is set"
        result = await asyncio.to_thread(self._exporter.export, ())
        if result is not SpanExportResult.SUCCESS:
            raise not_sent(endpoint)
        return f"Phoenix at {endpoint} takes spans"

    async def aclose(self) -> None:
        """Send the rest, for as long as sending may take, and end the thread."""
        if self._provider is not None:
            # What flushes and shuts down takes no notice of its own time limits.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.send_timeout):
                    await asyncio.to_thread(self._provider.force_flush)
            self._exporter.shutdown()
            await asyncio.to_thread(self._provider.shutdown)
        elif "_exporter" in vars(self):
            self._exporter.shutdown()

    @cached_property
    def _exporter(self) -> PhoenixExporter:
        return PhoenixExporter(self._options)


def _provider(options: PhoenixOptions, exporter: PhoenixExporter) -> TracerProvider:
    resource = Resource.create({"openinference.project.name": options.project})
    provider = TracerProvider(resource=resource)
    waiting = BatchSpanProcessor(
        exporter,
        max_queue_size=options.queue,
        schedule_delay_millis=options.send_every * MILLISECONDS,
        max_export_batch_size=min(MOST_AT_ONCE, options.queue),
        export_timeout_millis=options.send_timeout * MILLISECONDS,
    )
    provider.add_span_processor(waiting)
    return provider
