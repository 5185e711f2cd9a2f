"""The journal: calls that begin and end well, as lines of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._log import is_enabled, logger_of
from .observers import CallFailed, CallFinished, CallStarted

if TYPE_CHECKING:
    from .observers import Call, Event


class Journal:
    """
    An observer that writes at level DEBUG, once logging is enabled.

    What fails is logged by the policy itself. What was asked and said is not logged.
    """

    def notify(self, event: Event) -> None:
        """Write down *event*, if anybody may read it."""
        if not is_enabled():
            return
        if isinstance(event, CallStarted):
            _write(event.call, "{operation} started.")
        elif isinstance(event, CallFinished):
            _finish(event.call, event.elapsed, event.result)
        elif isinstance(event, CallFailed) and not isinstance(event.error, Exception):
            _write(
                event.call,
                "{operation} was given up after {elapsed:.3g} s.",
                elapsed=event.elapsed,
            )


def _finish(call: Call, elapsed: float, result: Any) -> None:
    usage = getattr(result, "usage", None) or call.usage
    tokens = getattr(usage, "total", None)
    tail = ", {tokens} tokens" if tokens else ""
    _write(
        call,
        "{operation} finished in {elapsed:.3g} s, attempt {attempts}" + tail + ".",
        elapsed=elapsed,
        attempts=call.attempts,
        tokens=tokens,
    )


def _write(call: Call, message: str, **fields: Any) -> None:
    fields |= {"operation": call.operation, "provider": call.provider}
    logger_of(call.address).debug(message, **fields)
