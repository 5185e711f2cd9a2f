"""
How fast bad calls use up what a target allows.

A target such as 99.9 % allows one bad call in a thousand. The *burn rate* is how many
times faster than that they come. A rule looks at it in two windows: the long one tells
that it is worth waking somebody, the short one that it still goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard._policy.breaker import Recent

if TYPE_CHECKING:
    from pegboard._settings.settings import BurnSettings

ROUNDING = 1e-9


class Burn:
    """One rule. Whoever uses it holds a lock."""

    def __init__(
        self, settings: BurnSettings, allowed: float, minimum_calls: int
    ) -> None:
        self._most = settings.rate * allowed
        self._minimum_calls = minimum_calls
        self._long = Recent(settings.window)
        self._short = Recent(settings.short_window)
        self.window = settings.short_window

    def add(self, now: float, *, is_bad: bool) -> None:
        """Count a call that ended *now*."""
        self._long.add(now, is_bad=is_bad)
        self._short.add(now, is_bad=is_bad)

    @property
    def share(self) -> float:
        """The share of bad calls in the short window, which has one at least."""
        return self._short.bad / self._short.calls

    def is_too_fast(self) -> bool:
        """Return whether both windows burn faster than the rule allows."""
        return (
            self._long.calls >= self._minimum_calls
            and self._exceeds(self._long)
            and self._exceeds(self._short)
        )

    def _exceeds(self, recent: Recent) -> bool:
        return recent.bad > self._most * recent.calls + ROUNDING
