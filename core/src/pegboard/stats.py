"""What calls took and how they ended, summed up by address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log2
from typing import TYPE_CHECKING, TypeVar

from .contracts.chat import Usage
from .observers import BreakerState
from .prices import price

if TYPE_CHECKING:
    from decimal import Decimal

Key = TypeVar("Key")


STEPS = 16
"""Buckets from one power of two to the next: each is 4.4 % wide."""
SHORTEST = 1e-6
STATES: tuple[BreakerState, ...] = ("closed", "half-open", "open")
"""What breakers do, the worst last."""


def bucket_of(seconds: float) -> int:
    """Return the number of the bucket that counts what took *seconds*."""
    return int(log2(seconds / SHORTEST) * STEPS) if seconds > SHORTEST else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """
    How long things took, in seconds; None where there was nothing to measure.

    Percentiles are within 3 % of the true ones, the longest is exact. Added up, those
    of several processes are the percentiles of all calls together.
    """

    buckets: Mapping[int, int] = field(default_factory=dict, repr=False)
    """How many were measured, by :func:`bucket_of`."""
    longest: float | None = None

    @property
    def count(self) -> int:
        """How many were measured."""
        return sum(self.buckets.values())

    @property
    def p50(self) -> float | None:
        """What half of them did not exceed."""
        return self._percentile(0.50)

    @property
    def p95(self) -> float | None:
        """What 95 of 100 did not exceed."""
        return self._percentile(0.95)

    @property
    def p99(self) -> float | None:
        """What 99 of 100 did not exceed."""
        return self._percentile(0.99)

    def __add__(self, other: Latency) -> Latency:
        return Latency(
            buckets=_sum_of(self.buckets, other.buckets),
            longest=_latest(self.longest, other.longest),
        )

    def _percentile(self, share: float) -> float | None:
        """Return the duration that *share* of those counted do not exceed."""
        if self.longest is None:
            return None
        rank, seen = share * self.count, 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= rank:
                return min(SHORTEST * 2 ** ((bucket + 0.5) / STEPS), self.longest)
        return self.longest


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Calls of about the same size, whose tokens have the same price."""

    provider: str
    model: str
    """Empty where nobody told."""
    calls: int
    usage: Usage
    in_batches: bool = False
    """Whether they were answered in batches, for which there is no price list."""

    @property
    def cost(self) -> Decimal | None:
        """What the calls cost in US dollars; None if that is unknown."""
        if self.in_batches and self.usage.cost is None:
            return None
        return price(self.usage, self.provider, self.model, self.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """
    What has happened to the calls of one address since the board was made.

    Of a call within a call, such as that of a fallback to its target, each address
    counts its own.
    """

    calls: int = 0
    """Calls that ended, however they did."""
    attempts: int = 0
    """How often they were tried."""
    retries: int = 0
    """How many attempts failed and were made again."""
    retried: Mapping[str, int] = field(default_factory=dict)
    """What those attempts failed with, by the error's name."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """Calls that failed for good, by the error's name."""
    cancelled: int = 0
    """Calls that the program gave up before they ended."""
    breaker: BreakerState = "closed"
    """What the circuit breaker does with calls now; of several, the worst."""
    trips: int = 0
    """How often the circuit breaker has opened."""
    last_success: float | None = None
    """When a call last succeeded: the time of day on the board's clock."""
    last_failure: float | None = None
    """When a call last failed for good."""
    last_answer: float | None = None
    """When the service last showed that it works, be it by refusing a wrong call."""
    last_error: str | None = None
    """What the error said that a call last failed with."""
    latency: Latency = field(default_factory=Latency)
    """Of calls that succeeded; of streams until they ended or were left."""
    first_item: Latency = field(default_factory=Latency)
    """Of streams, until their first item."""
    usage: Usage = field(default_factory=Usage)
    """Tokens, as far as services told them."""
    unknown_usage: int = 0
    """Calls to models that may have used tokens which nobody told."""
    spent: tuple[Spending, ...] = ()
    """The tokens by model and by size of the call, as prices depend on both."""

    def __add__(self, other: Stats) -> Stats:
        return Stats(
            calls=self.calls + other.calls,
            attempts=self.attempts + other.attempts,
            retries=self.retries + other.retries,
            retried=_sum_of(self.retried, other.retried),
            failures=_sum_of(self.failures, other.failures),
            cancelled=self.cancelled + other.cancelled,
            breaker=max(self.breaker, other.breaker, key=STATES.index),
            trips=self.trips + other.trips,
            last_success=_latest(self.last_success, other.last_success),
            last_failure=_latest(self.last_failure, other.last_failure),
            last_answer=_latest(self.last_answer, other.last_answer),
            last_error=_last_error(self, other),
            latency=self.latency + other.latency,
            first_item=self.first_item + other.first_item,
            usage=self.usage + other.usage,
            unknown_usage=self.unknown_usage + other.unknown_usage,
            spent=self.spent + other.spent,
        )

    @property
    def succeeded(self) -> int:
        """Calls that succeeded."""
        return self.calls - self.failed - self.cancelled

    @property
    def failed(self) -> int:
        """Calls that failed for good."""
        return sum(self.failures.values())

    @property
    def cost(self) -> Decimal | None:
        """
        What the tokens with a known price cost in US dollars; None if none has one.

        Takes the price list of ``pip install 'pegboard[prices]'``, and half a second
        the first time.
        """
        known = [cost for one in self.spent if (cost := one.cost) is not None]
        return sum(known[1:], known[0]) if known else None

    @property
    def unpriced(self) -> int:
        """Calls whose tokens have no known price, so that ``cost`` leaves them out."""
        return sum(one.calls for one in self.spent if one.cost is None)


def _sum_of(one: Mapping[Key, int], other: Mapping[Key, int]) -> dict[Key, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


def _latest(one: float | None, other: float | None) -> float | None:
    return max((time for time in (one, other) if time is not None), default=None)


def _last_error(one: Stats, other: Stats) -> str | None:
    """Return what the error said that came last."""
    return max(one, other, key=lambda stats: stats.last_failure or 0.0).last_error
