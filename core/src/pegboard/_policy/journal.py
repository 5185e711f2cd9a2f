"""
The journal: calls that begin and end well, as lines of the log at level DEBUG.

What fails is logged where it fails. What was asked and said is not logged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegboard._log import logger_of

if TYPE_CHECKING:
    from pegboard.observers import Call


def begin(call: Call) -> None:
    """Write down that *call* begins."""
    _write(call, "{operation} started.")


def finish(call: Call, elapsed: float, result: object) -> None:
    """Write down that *call* succeeded with *result*, whose tokens are told."""
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


def give_up(call: Call, elapsed: float) -> None:
    """Write down that the program gave *call* up."""
    _write(call, "{operation} was given up after {elapsed:.3g} s.", elapsed=elapsed)


def _write(call: Call, message: str, **fields: Any) -> None:
    fields |= {"operation": call.operation, "provider": call.provider}
    logger_of(call.address).debug(message, **fields)
