"""Prove that an SDK does not trace the calls that pegboard traces."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def no_spans() -> Iterator[None]:
    """
    Assert that nobody makes a span of OpenTelemetry in the block.

    Seen are spans that go to the global provider, as those of an SDK do that traces
    itself. Call the provider's own object within, not a board that traces.

    Raises:
        AssertionError: There were spans; the message lists them.

    """
    watching = _Watching()
    before = trace._TRACER_PROVIDER  # noqa: SLF001 - it can be set once, and never back
    trace._TRACER_PROVIDER = watching  # noqa: SLF001 - the same
    try:
        yield
    finally:
        watching.is_on = False
        trace._TRACER_PROVIDER = before  # noqa: SLF001 - the same
    if watching.made:
        msg = (
            "Spans besides those of the board, so that every call is there twice. "
            "Switch off that the SDK traces itself: "
        )
        raise AssertionError(msg + ", ".join(watching.made))


class _Watching(trace.TracerProvider):
    """Notes every span, and makes none."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.is_on = True

    def get_tracer(self, instrumenting_module_name: str, *_: Any, **__: Any) -> _Tracer:
        return _Tracer(self, instrumenting_module_name)


class _Tracer(trace.NoOpTracer):
    """Whoever keeps it after the block has one of whatever provider there is then."""

    def __init__(self, watching: _Watching, scope: str) -> None:
        self._watching = watching
        self._scope = scope

    def start_span(self, name: str, *args: Any, **kwargs: Any) -> trace.Span:
        if self._watching.is_on:
            self._watching.made.append(f"{name!r} of {self._scope}")
            return trace.INVALID_SPAN
        return trace.get_tracer(self._scope).start_span(name, *args, **kwargs)

    @contextmanager
    def start_as_current_span(  # type: ignore[override]  # its decorator is private
        self, name: str, *args: Any, end_on_exit: bool = True, **kwargs: Any
    ) -> Iterator[trace.Span]:
        span = self.start_span(name, *args, **kwargs)
        with trace.use_span(span, end_on_exit=end_on_exit):
            yield span
