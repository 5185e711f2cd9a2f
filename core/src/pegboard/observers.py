"""Observers: objects that are told what happens to calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from .contracts.chat import ChatRequest, Usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from .errors import CallError

BreakerState = Literal["closed", "open", "half-open"]
TargetName = Literal["availability", "error_rate", "p95", "p99"]

NOT_COUNTED = Usage(estimated=True)


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
    """
    What was asked, where the operation takes one thing: of a model a request.

    It is what was sent: what ``filter_request`` leaves of what the program asked.
    """
    model: str | None = None
    """The model that the settings name; the request may name another."""
    telemetry_name: str = ""
    """What traces and metrics call the provider."""
    is_composite: bool = False
    """Whether it is done by calls to other instances, each of which is told of."""
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
    batched: dict[str, Usage] | None = None
    """What the replies in results of a batch took, by model."""
    joined: bool = False
    """Whether it made no attempt, but got what an equal call got."""
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
    """What it was in the window; of durations, seconds."""
    goal: float
    slo: str
    """The name of the section: ``[slo.NAME]``."""
    window: float
    """Seconds over which it was measured."""
    burn_rate: float | None = None
    """How many times more calls were bad than the goal allows; None of durations."""


@dataclass(frozen=True, slots=True)
class TargetMet:
    """A target that was missed is met again."""

    address: str
    target: TargetName
    measured: float
    """What it was in the window; of durations, seconds."""
    goal: float
    slo: str
    """The name of the section: ``[slo.NAME]``."""
    window: float
    """Seconds over which it was measured."""


@dataclass(slots=True)
class Activity:
    """What is done around calls to a language model: a run of tools, or one tool."""

    kind: Literal["run", "tool"]
    name: str
    """The tool's; of a run its address."""
    address: str
    """The language model that it is done for."""
    provider: str
    subject: Any = None
    """Of a tool the call that asks for it."""
    scopes: tuple[Callable[[], AbstractContextManager[object]], ...] = ()
    """What makes contexts for what happens within; see ``Call.scopes``."""


@dataclass(frozen=True, slots=True)
class ActivityStarted:
    """A run or a tool begins."""

    activity: Activity


@dataclass(frozen=True, slots=True)
class ActivityEnded:
    """A run or a tool ended."""

    activity: Activity
    elapsed: float
    error: BaseException | None
    """Why it failed or was stopped; None when it went well."""


Event = (
    CallStarted
    | CallRetried
    | CallFinished
    | CallSlow
    | CallFailed
    | BreakerChanged
    | TargetMissed
    | TargetMet
    | ActivityStarted
    | ActivityEnded
)
"""What observers are told. There will be more kinds: ignore those you do not know."""


def usage_of(call: Call, result: object) -> Usage | None:
    """
    Return the tokens that *call* with *result* used; None if nobody told.

    Whatever has a ``usage`` tells it: a reply, embeddings, the last event of a stream.
    """
    if call.joined:
        return None
    if call.batched:
        return sum(call.batched.values(), Usage())
    told = getattr(result, "usage", None)
    if isinstance(told, Usage) and _is_counted(told):
        return told
    return call.usage if call.usage and _is_counted(call.usage) else None


def _is_counted(usage: Usage) -> bool:
    return not usage.estimated or usage != NOT_COUNTED


def partial_of(error: BaseException) -> object:
    """Return what a call that failed with *error* brought, such as a bad reply."""
    return getattr(error, "partial", None)


def model_of(call: Call, result: object) -> str | None:
    """Return the model that answered *call* with *result*, or was asked to."""
    if call.batched:
        return next(iter(call.batched)) if len(call.batched) == 1 else None
    return getattr(result, "model", None) or asked_model_of(call)


def asked_model_of(call: Call) -> str | None:
    """Return the model that the request of *call* names, or else the settings."""
    named = getattr(call.request, "model", None)
    return named if isinstance(named, str) else call.model


def may_use_tokens(call: Call, result: object) -> bool:
    """Return whether *call* is one that uses tokens, be they told or not."""
    if call.joined:
        return False
    if call.streams:
        return isinstance(call.request, ChatRequest) or call.batched is not None
    return hasattr(result, "usage")


class Observer(Protocol):
    """
    Something that is told of every governed call.

    It is told in order, on the event loop, and must not block. An error that it
    raises is logged and changes nothing for the call.
    """

    def notify(self, event: Event) -> None:
        """Be told that *event* happened."""
        ...
