"""
The retry quota: repeats are paid for, so an outage is not answered by a storm.

The rules and numbers are those of the AWS SDKs' standard retry mode: a bucket of 500,
from which a repeat takes 14, after throttling 5. A repeat that succeeds gives back
what it took, a call that succeeds at once gives 1.
"""

from __future__ import annotations

from pegboard.errors import RateLimited

TRANSIENT_COST = 14
THROTTLED_COST = 5
REWARD = 1


class RetryQuota:
    """What a target may still spend on repeats."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._left = capacity

    @property
    def left(self) -> int:
        """What is left to spend."""
        return self._left

    def take(self, error: BaseException | None) -> int:
        """Pay for a repeat after *error*; return what it cost, 0 for not enough."""
        cost = THROTTLED_COST if isinstance(error, RateLimited) else TRANSIENT_COST
        if cost > self._left:
            return 0
        self._left -= cost
        return cost

    def give(self, amount: int = REWARD) -> None:
        """Add *amount* for a success, up to the capacity."""
        if self._left < self._capacity:
            self._left = min(self._capacity, self._left + amount)
