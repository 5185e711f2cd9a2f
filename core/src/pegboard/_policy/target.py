"""What the layers of the policy know of the instance that they govern."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pegboard._log import is_enabled, logger_of
from pegboard._policy.accounts import Account
from pegboard.deadline import ends_at
from pegboard.errors import (
    CallError,
    DeadlineExceeded,
    RetryQuotaExhausted,
    Timeout,
    hide,
)
from pegboard.observers import (
    BreakerChanged,
    Call,
    CallFailed,
    CallFinished,
    CallRetried,
    CallSlow,
    CallStarted,
)

from . import journal
from .breaker import Breaker
from .limits import Bulkhead, Rate
from .quota import RetryQuota
from .telling import tell
from .time_limit import TimeLimits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pegboard.contracts.declare import Operation
    from pegboard.errors import RequestSent
    from pegboard.observers import BreakerState, Event, Observer
    from pegboard.policy import Policy

    from .shared import News

    Method = Callable[..., Any]
    Step = Callable[[Call, tuple[Any, ...], dict[str, Any]], Awaitable[Any]]

Made = TypeVar("Made")
MOST_PARTS = 64
"""Breakers of one target. What programs name is not bounded; memory is."""


@dataclass(slots=True)
class Target:
    """An instance that calls go to."""

    address: str
    policy: Policy
    provider: str
    distribution: str
    """The package that offers the provider."""
    secrets: tuple[str, ...] = ()
    """Texts that no error may show."""
    observers: tuple[Observer, ...] = ()
    account: Account = field(default_factory=Account)
    """What sums up its calls."""
    model: str | None = None
    """The model that the settings name."""
    news: News | None = None
    """What other processes know of it, where they share that."""
    apart: Callable[[Any], str | None] | None = None
    """What of a request fails apart from the rest, such as the model it names."""
    filter: Callable[[Any], Any] | None = None
    """The user's function from a request to what is left of it."""
    telemetry_name: str = ""
    """What traces and metrics call the provider."""
    is_composite: bool = False
    """Whether it does its work by calls to other instances."""
    quota: RetryQuota = field(init=False)
    breaker: Breaker = field(init=False)
    _parts: dict[str, Breaker] = field(init=False, default_factory=dict)
    requests: Rate | None = field(init=False)
    tokens: Rate | None = field(init=False)
    bulkhead: Bulkhead | None = field(init=False)
    time_limits: TimeLimits = field(init=False, default_factory=TimeLimits)

    def __post_init__(self) -> None:
        policy = self.policy
        self.quota = RetryQuota(policy.retry_quota)
        self.breaker = Breaker(policy.breaker, partial(self._breaker_changed, None))
        self.requests = _made(Rate, policy.requests_per_minute)
        self.tokens = _made(Rate, policy.tokens_per_minute)
        self.bulkhead = _made(Bulkhead, policy.concurrency)

    @property
    def section(self) -> str:
        """The settings that say how calls to it behave."""
        return f"[{self.address}.policy]"

    def breaker_of(self, request: object) -> Breaker:
        """Return the breaker that watches over *request*."""
        part = None if self.apart is None else self.apart(request)
        if part is None:
            return self.breaker
        if part not in self._parts and len(self._parts) == MOST_PARTS:
            return self.breaker
        changed = partial(self._breaker_changed, part)
        return self._parts.setdefault(part, Breaker(self.policy.breaker, changed))

    def begin(self, operation: Operation, request: object = None) -> Call:
        """Return a new call, whose deadline is no later than that of the outer one."""
        clock = asyncio.get_running_loop().time
        now = clock()
        end = min(ends_at.get(), now + self.policy.deadline)
        call = Call(
            self.address, operation.name, self.provider, now, end, clock, request
        )
        call.streams = operation.streams
        call.model = self.model
        if is_enabled():
            journal.begin(call)
        if self.observers:
            call.telemetry_name = self.telemetry_name
            call.is_composite = self.is_composite
            self.tell(CallStarted(call))
        return call

    def retry(self, call: Call, error: CallError, wait: float) -> None:
        """Say that *call* goes on after *error* in *wait* seconds."""
        self._place(call, error)
        logger_of(self.address).info("{} Trying again in {:.3g} s.", error, wait)
        self.account.retry(error)
        self.tell(CallRetried(call, error, wait))

    def finish(self, call: Call, result: object) -> None:
        """Say that *call* succeeded with *result*."""
        elapsed = _elapsed(call)
        self.account.finish(call, elapsed, result)
        if is_enabled():
            journal.finish(call, elapsed, result)
        if self.observers:
            limit = self.policy.breaker.slow_call
            self.tell(CallFinished(call, elapsed, result))
            if elapsed >= limit:
                self.tell(CallSlow(call, elapsed, limit))

    def fail(self, call: Call, error: BaseException) -> None:
        """Say that *call* failed; a ``CallError`` learns where and when."""
        if isinstance(error, CallError):
            self._place(call, error)
            logger_of(self.address).warning("{}", error)
        elif not isinstance(error, Exception) and is_enabled():
            journal.give_up(call, _elapsed(call))
        self.account.fail(call, error)
        self.tell(CallFailed(call, error, _elapsed(call)))

    def tell(self, event: Event) -> None:
        """Tell the observers of *event*."""
        tell(self.observers, event, self.address)

    def classified(self, error: Exception) -> CallError:
        """Return the error that stands for one that the plugin let through."""
        msg = (
            f"{type(error).__name__}: {hide(str(error), self.secrets)} "
            f"(not one of pegboard's errors; please tell {self.distribution})"
        )
        return CallError(msg)

    def overdue(self, call: Call, request_sent: RequestSent = "maybe") -> Timeout:
        """Return the error of *call*, whose time is over."""
        if call.clock() >= call.ends_at:
            msg = f"took longer than its deadline. Raise deadline in {self.section}."
            return DeadlineExceeded(msg, request_sent=request_sent)
        name = "attempt_timeout" if call.first_item is None else "idle_timeout"
        limit = f"{getattr(self.policy, name):g} s"
        return Timeout(f"took longer than {limit}. Raise {name} in {self.section}.")

    def broke(self) -> CallError:
        """Return the error of a call that was not repeated for want of quota."""
        msg = (
            "failed and was not tried again: too many calls were, lately. "
            f"See retry_quota in {self.section}."
        )
        return RetryQuotaExhausted(msg)

    def _breaker_changed(
        self, part: str | None, before: BreakerState, after: BreakerState
    ) -> None:
        of = f" of {part}" if part else ""
        logger_of(self.address).warning("The breaker{} is {}.", of, after)
        self.account.turn(part, after)
        self.tell(BreakerChanged(self.address, before, after, part))
        if self.news is not None and part is None:
            self.news.changed(after)

    def _place(self, call: Call, error: CallError) -> None:
        error.address = call.address
        error.operation = call.operation
        error.attempts = call.attempts
        error.elapsed = _elapsed(call)
        error.redact(self.secrets)


def _made(kind: Callable[[Any], Made], limit: float | None) -> Made | None:
    return None if limit is None else kind(limit)


def _elapsed(call: Call) -> float:
    return call.clock() - call.started
