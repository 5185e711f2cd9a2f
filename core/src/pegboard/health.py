"""
Health: whether what is configured can be reached now.

It is measured each time it is asked for, and nothing of it is kept. A provider may
offer ``async def ping(self) -> str | None``: something that costs next to nothing,
changes nothing, raises a ``CallError`` if calls would fail, and may say what it found.
A provider without that is judged by the calls that it got lately, and one that is made
of others by their health.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .deadline import ends_at
from .errors import CallError, hide

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from .descriptors import Needs
    from .observers import BreakerState
    from .stats import Stats

    Ping = Callable[[], Awaitable[Any]]

Status = Literal["up", "down", "unknown"]
RECENT = 300.0
"""Seconds for which the outcome of a call tells something about now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether an instance can be reached."""

    status: Status
    reason: str
    elapsed: float | None = None
    """Seconds that the check took; None where there is none."""
    breaker: BreakerState = "closed"
    """What the circuit breaker does with calls now."""


async def measured(
    ping: Ping, longest: float, stats: Stats, secrets: tuple[str, ...] = ()
) -> Health:
    """Return what *ping* says within *longest* seconds, showing no *secrets*."""
    clock = asyncio.get_running_loop().time
    start = clock()
    status: Status = "down"
    try:
        async with asyncio.timeout(longest):
            ends_at.set(start + longest)  # health checks run in tasks of their own
            reason = await ping() or "answered"
            status = "up"
    except TimeoutError:
        reason = f"no answer within {longest:g} s"
    except CallError as error:
        reason = f"{type(error).__name__}: {error.message}"
    except Exception as error:  # noqa: BLE001 - plugins are foreign code
        reason = f"{type(error).__name__}: {error}"
    return Health(
        status=status,
        reason=hide(reason, secrets),
        elapsed=clock() - start,
        breaker=stats.breaker,
    )


def judged(stats: Stats, now: float) -> Health:
    """Return what the calls say that were made lately; *now* is the time of day."""
    answered = _ago(stats.last_answer, now)
    failed = _ago(stats.last_failure, now)
    status: Status
    if stats.breaker == "open":
        status, reason = "down", f"the breaker is open: {stats.last_error}"
    elif min(answered, failed) > RECENT:
        status, reason = "unknown", "it has no check, and there was no call lately"
    elif answered <= failed:
        status, reason = "up", f"a call was answered {answered:.0f} s ago"
    else:
        status, reason = "down", f"a call failed {failed:.0f} s ago: {stats.last_error}"
    return Health(status=status, reason=reason, breaker=stats.breaker)


def composed(targets: Mapping[str, Health], needs: Needs, stats: Stats) -> Health:
    """Return the health of what is made of *targets*, of which it *needs* so many."""
    needed = list(targets.items())[: 1 if needs == "first" else None]
    found = {health.status for _, health in needed}
    decisive: Status = "up" if needs == "any" else "down"
    status: Status = found.pop() if len(found) == 1 else "unknown"
    reason = ", ".join(f"{address} is {health.status}" for address, health in needed)
    if decisive in found:
        status = decisive
    if stats.breaker == "open":
        status, reason = "down", f"the breaker is open: {stats.last_error}"
    return Health(status=status, reason=reason, breaker=stats.breaker)


def _ago(time: float | None, now: float) -> float:
    return float("inf") if time is None else now - time
