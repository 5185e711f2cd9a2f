"""What calls took and how they ended, summed up by address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .contracts.chat import Usage
from .prices import price

if TYPE_CHECKING:
    from decimal import Decimal

    from .observers import BreakerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """
    How long things took, in seconds; None where there was nothing to measure.

    Percentiles are within 3 % of the true ones, the longest is exact.
    """

    count: int = 0
    """How many were measured."""
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    longest: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Calls of about the same size, whose tokens have the same price."""

    provider: str
    model: str
    """Empty where nobody told."""
    calls: int
    usage: Usage

    @property
    def cost(self) -> Decimal | None:
        """What the calls cost in US dollars; None if that is unknown."""
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
