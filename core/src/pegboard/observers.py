"""Observers: objects that are told what happens to calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from .contracts.chat import Usage
    from .errors import CallError

BreakerState = Literal["closed", "open", "half-open"]
TargetName = Literal["availability", "error_rate", "p95"]


@dataclass(slots=True)
class Call:
    """One logical call, with all its attempts."""

    address: str
    operation: str
    provider: str
    started: float
    """Seconds on the event loop's clock."""
    ends_at: float
    """The deadline, on the same clock."""
    clock: Callable[[], float] = field(repr=False)
    """The event loop's clock."""
    request: Any = None
    """What was asked, where the operation takes one thing: of a model a request."""
    model: str | None = None
    """The model that the settings name; the request may name another."""
    attempts: int = 0
    streams: bool = False
    """Whether it yields items."""
    first_item: float | None = None
    """Seconds until the first item of a stream."""
    scopes: tuple[Callable[[], AbstractContextManager[object]], ...] = ()
    """
    What makes a context for each attempt, and for each item of a stream.

    An observer adds its own when the call starts, to be the parent of what happens
    within, as a tracer must.
    """
    items: list[Any] | None = None
    """All items of a stream, if an observer put a list here when the call started."""
    usage: Usage | None = None
    """What a stream has told of its tokens so far."""
    at_end: list[Callable[[BaseException | None, Any], None]] = field(
        default_factory=list, repr=False
    )
    """The policy's own: what comes back when a stream has ended."""


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A call begins."""

    call: Call


@dataclass(frozen=True, slots=True)
class CallRetried:
    """An attempt failed, and the call goes on in *wait* seconds."""

    call: Call
    error: CallError
    wait: float


@dataclass(frozen=True, slots=True)
class CallFinished:
    """A call succeeded; a stream when it ended or was left."""

    call: Call
    elapsed: float
    result: Any
    """What was returned; of a stream its last item, None if there was none."""


@dataclass(frozen=True, slots=True)
class CallSlow:
    """A call succeeded, but took as long as ``slow_call`` of its breaker, or longer."""

    call: Call
    elapsed: float
    limit: float


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A call failed for good or was cancelled."""

    call: Call
    error: BaseException
    elapsed: float


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """The breaker of an instance is in another state."""

    address: str
    before: BreakerState
    after: BreakerState
    part: str | None = None
    """What of the instance it watches, such as a model; None for all the rest."""


@dataclass(frozen=True, slots=True)
class TargetMissed:
    """The calls of an address are worse than ``[slo]`` of the settings asks."""

    address: str
    target: TargetName
    measured: float
    """What it was in the window; of p95, seconds."""
    goal: float


@dataclass(frozen=True, slots=True)
class TargetMet:
    """A target that was missed is met again."""

    address: str
    target: TargetName
    measured: float
    """What it was in the window; of p95, seconds."""
    goal: float


Event = (
    CallStarted
    | CallRetried
    | CallFinished
    | CallSlow
    | CallFailed
    | BreakerChanged
    | TargetMissed
    | TargetMet
)
"""What observers are told. There will be more kinds: ignore those you do not know."""


class Observer(Protocol):
    """
    Something that is told of every governed call.

    It is told in order, on the event loop, and must not block. An error that it
    raises is logged and changes nothing for the call.
    """

    def notify(self, event: Event) -> None:
        """Be told that *event* happened."""
        ...
