"""
The accounts of a board: what happened to its calls, by address.

They are always kept, so they are cheap: sums, and counts in buckets. What an address
costs in memory does not depend on how often it is called.
"""

from __future__ import annotations

import time
from collections import Counter
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple

from pegboard.contracts.chat import Usage
from pegboard.errors import CallError, Conflict, InvalidRequest, NotFound
from pegboard.observers import may_use_tokens, model_of, partial_of, usage_of
from pegboard.stats import STATES, Latency, Spending, Stats, bucket_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pegboard.observers import BreakerState, Call

UNUSED = Stats()
SIZE = 4000
"""Calls are kept apart by tokens read: price lists change at multiples of this."""
MOST_KINDS = 1000
CALLERS_FAULT = (Conflict, InvalidRequest, NotFound)
"""Errors of a service that works."""


class Accounts:
    """The accounts of all addresses."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._accounts: dict[str, Account] = {}

    def of(self, address: str) -> Account:
        """Return the account of *address*."""
        account = self._accounts.get(address)
        if account is None:  # setdefault, since another thread may be as far
            account = self._accounts.setdefault(address, Account(self._clock))
        return account

    def stats(self) -> dict[str, Stats]:
        """Return what every address that was called has had so far."""
        stats = {
            address: account.stats()
            for address, account in sorted(self._accounts.copy().items())
        }
        return {address: one for address, one in stats.items() if one != UNUSED}


class Account:
    """
    What happened to the calls of one address.

    The policy writes here itself, past the observers: on the way of every call, making
    an event costs more than entering it.

    Loops in several threads may share it: whoever writes or reads holds its lock, for
    a microsecond. It can be taken again, so that a signal handler may ask for stats.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = RLock()
        self._calls = 0
        self._attempts = 0
        self._retried: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._cancelled = 0
        self._breakers: dict[str | None, BreakerState] = {}
        self._trips = 0
        self._last_success: float | None = None
        self._last_failure: float | None = None
        self._last_answer: float | None = None
        self._last_error: str | None = None
        self._latency = Histogram()
        self._first_item = Histogram()
        self._spent: dict[Kind, Spent] = {}
        self._unknown_usage = 0

    def finish(self, call: Call, elapsed: float, result: object) -> None:
        """Enter *call*, which succeeded just now."""
        with self._lock:
            self._calls += 1
            self._attempts += call.attempts
            self._last_success = self._last_answer = self._clock()
            self._latency.add(elapsed)
            if call.first_item is not None:
                self._first_item.add(call.first_item)
            if may_use_tokens(call, result):
                self._use(call, result)

    def fail(self, call: Call, error: BaseException) -> None:
        """Enter *call*, which failed with *error* or was given up just now."""
        with self._lock:
            self._calls += 1
            self._attempts += call.attempts
            if call.first_item is not None:
                self._first_item.add(call.first_item)
            partial = partial_of(error)
            has_begun = call.first_item is not None or partial is not None
            if has_begun and may_use_tokens(call, partial):
                self._use(call, partial)
            if not isinstance(error, CallError):
                self._cancelled += 1
                return
            self._failures[type(error).__name__] += 1
            self._last_failure = self._clock()
            if isinstance(error, CALLERS_FAULT):
                self._last_answer = self._last_failure
            self._last_error = error.message

    def retry(self, error: CallError) -> None:
        """Enter an attempt that failed with *error* and is made again."""
        with self._lock:
            self._retried[type(error).__name__] += 1

    def turn(self, part: str | None, state: BreakerState) -> None:
        """Enter that the breaker of *part* is in another *state*."""
        with self._lock:
            self._breakers[part] = state
            self._trips += state == "open"

    def stats(self) -> Stats:
        """Return the sums so far."""
        with self._lock:
            return Stats(
                calls=self._calls,
                attempts=self._attempts,
                retries=self._retried.total(),
                retried=dict(self._retried),
                failures=dict(self._failures),
                cancelled=self._cancelled,
                breaker=max(
                    self._breakers.values(), key=STATES.index, default="closed"
                ),
                trips=self._trips,
                last_success=self._last_success,
                last_failure=self._last_failure,
                last_answer=self._last_answer,
                last_error=self._last_error,
                latency=self._latency.latency(),
                first_item=self._first_item.latency(),
                usage=sum((spent.usage() for spent in self._spent.values()), Usage()),
                unknown_usage=self._unknown_usage,
                spent=tuple(
                    Spending(
                        provider=kind.provider,
                        model=kind.model,
                        calls=spent.calls,
                        usage=spent.usage(),
                        in_batches=kind.in_batches,
                    )
                    for kind, spent in self._spent.items()
                ),
            )

    def _use(self, call: Call, result: object) -> None:
        """Enter the tokens of *result*: a reply, or the last event of a stream."""
        usage = usage_of(call, result)
        if usage is None:
            self._unknown_usage += 1
        elif call.batched:
            for model, spent in call.batched.items():
                self._spend(Kind(call.provider, model, in_batches=True), spent)
        else:
            read = usage.input + usage.cache_read + usage.cache_write
            model = model_of(call, result) or ""
            self._spend(Kind(call.provider, model, read // SIZE), usage)

    def _spend(self, kind: Kind, usage: Usage) -> None:
        if usage.cost is not None:
            kind = kind._replace(is_told=True)
        spent = self._spent.get(kind)
        if spent is None:
            if len(self._spent) >= MOST_KINDS:
                # No price is better than a wrong one.
                kind = Kind(kind.provider, is_told=kind.is_told)
            spent = self._spent.setdefault(kind, Spent())
        spent.add(usage)


class Kind(NamedTuple):
    """Calls whose tokens are summed up together, as what they cost is found alike."""

    provider: str
    model: str = ""
    size: int = 0
    in_batches: bool = False
    is_told: bool = False
    """Whether the service says what they cost."""


class Spent:
    """Tokens, summed up without making a value for each call."""

    __slots__ = (
        *("cache_read", "cache_write", "calls", "cost", "estimated"),
        *("input", "output", "reasoning"),
    )

    def __init__(self) -> None:
        self.calls = 0
        self.input = 0
        self.cache_read = 0
        self.cache_write = 0
        self.output = 0
        self.reasoning = 0
        self.estimated = False
        self.cost: float | None = None

    def add(self, usage: Usage) -> None:
        """Add what one call has used."""
        self.calls += 1
        self.input += usage.input
        self.cache_read += usage.cache_read
        self.cache_write += usage.cache_write
        self.output += usage.output
        self.reasoning += usage.reasoning
        self.estimated = self.estimated or usage.estimated
        if usage.cost is not None:
            self.cost = (self.cost or 0.0) + usage.cost

    def usage(self) -> Usage:
        """Return the sum."""
        return Usage(
            input=self.input,
            cache_read=self.cache_read,
            cache_write=self.cache_write,
            output=self.output,
            reasoning=self.reasoning,
            estimated=self.estimated,
            cost=self.cost,
        )


class Histogram:
    """Durations, counted in buckets whose bounds grow by the same factor."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._longest = 0.0

    def add(self, seconds: float) -> None:
        """Count one more."""
        bucket = bucket_of(seconds)
        counts = self._counts
        counts[bucket] = counts.get(bucket, 0) + 1
        if seconds > self._longest:  # noqa: PLR1730 - max() doubles the time of this
            self._longest = seconds

    def latency(self) -> Latency:
        """Return what was counted, summed up."""
        if not self._counts:
            return Latency()
        return Latency(buckets=self._counts.copy(), longest=self._longest)
