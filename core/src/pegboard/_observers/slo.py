"""
Service levels: what the settings ask of an address, held against its calls.

They are measured from calls that were made. What an address costs in memory does not
depend on how often it is called: a window is cut into slices, as a breaker's is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from pegboard._policy.accounts import Histogram
from pegboard._policy.breaker import SLICES, Recent
from pegboard._policy.guards import outcome_of
from pegboard._policy.telling import tell
from pegboard.errors import CallError
from pegboard.observers import (
    CallFailed,
    CallFinished,
    TargetMet,
    TargetMissed,
    TargetName,
)
from pegboard.stats import Latency

from .burn import Burn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pegboard._settings.settings import SloSettings
    from pegboard.observers import Event, Observer

    Ended = CallFinished | CallFailed
    Change = TargetMet | TargetMissed

SLOW_SHARES: Mapping[TargetName, float] = {"p95": 0.05, "p99": 0.01}
"""Of the calls, so many may take longer than a percentile."""
ROUNDING = 1e-9


class ServiceLevels:
    """An observer that tells those that *find* returns of targets missed and met."""

    def __init__(
        self,
        settings: Mapping[str, SloSettings],
        find: Callable[[], tuple[Observer, ...]],
    ) -> None:
        self._find = find
        self._targets: dict[str, list[Share | Slowness]] = {}
        for name, one in settings.items():
            self._targets.setdefault(one.address, []).extend(_targets(name, one))

    def notify(self, event: Event) -> None:
        """Count the call that *event* ends, if its address has targets."""
        if not isinstance(event, CallFinished | CallFailed):
            return
        for target in self._targets.get(event.call.address, ()):
            change = target.count(event)
            if change is not None:
                tell(self._find(), change, change.address)


class Goal(NamedTuple):
    """What is asked, where, and in which section of the settings."""

    address: str
    target: TargetName
    goal: float
    slo: str

    def missed(
        self, measured: float, window: float, burn_rate: float | None = None
    ) -> TargetMissed:
        """Return that it is missed, as *measured* over *window* seconds."""
        address, target, goal, slo = self
        return TargetMissed(address, target, measured, goal, slo, window, burn_rate)

    def met(self, measured: float, window: float) -> TargetMet:
        """Return that it is met again."""
        address, target, goal, slo = self
        return TargetMet(address, target, measured, goal, slo, window)


class Share:
    """
    A share of calls that may be bad. Threads may share it.

    It is missed when one of two rules finds that bad calls come too fast, and met
    again when neither does and the shortest window is as good as asked for.
    """

    def __init__(self, goal: Goal, settings: SloSettings, allowed: float) -> None:
        self._goal = goal
        self._allowed = allowed
        self._burns = tuple(
            Burn(one, allowed, settings.minimum_calls)
            for one in (settings.fast, settings.slow)
        )
        self._lock = Lock()
        self._is_missed = False

    def count(self, event: Ended) -> Change | None:
        """Count a call that has ended, and return what it changed."""
        is_bad = _is_bad(self._goal.target, event)
        if is_bad is None:
            return None
        with self._lock:
            for burn in self._burns:
                burn.add(event.call.clock(), is_bad=is_bad)
            return self._met() if self._is_missed else self._missed()

    def _missed(self) -> Change | None:
        burning = next((burn for burn in self._burns if burn.is_too_fast()), None)
        if burning is None:
            return None
        self._is_missed = True
        share = burning.share
        measured = self._measured(share)
        return self._goal.missed(measured, burning.window, share / self._allowed)

    def _met(self) -> Change | None:
        shortest = self._burns[0]
        is_good = shortest.share <= self._allowed + ROUNDING
        if not is_good or any(burn.is_too_fast() for burn in self._burns):
            return None
        self._is_missed = False
        return self._goal.met(self._measured(shortest.share), shortest.window)

    def _measured(self, share: float) -> float:
        return 1 - share if self._goal.target == "availability" else share


class Slowness:
    """A duration that all but a few calls must not exceed. Threads may share it."""

    def __init__(self, goal: Goal, settings: SloSettings) -> None:
        self._goal = goal
        self._window = settings.window
        self._minimum_calls = settings.minimum_calls
        self._lock = Lock()
        self._recent = Recent(settings.window)
        self._latency = RecentLatency(settings.window)
        self._is_missed = False

    def count(self, event: Ended) -> Change | None:
        """Count a call that has succeeded, and return what it changed."""
        if not isinstance(event, CallFinished):
            return None
        now = event.call.clock()
        with self._lock:
            self._recent.add(now, is_bad=event.elapsed > self._goal.goal)
            self._latency.add(now, event.elapsed)
            if self._recent.calls < self._minimum_calls:
                return None
            return self._turn(is_missed=self._is_too_bad())

    def _is_too_bad(self) -> bool:
        allowed = SLOW_SHARES[self._goal.target] * self._recent.calls
        return self._recent.bad > allowed + ROUNDING

    def _turn(self, *, is_missed: bool) -> Change | None:
        if is_missed == self._is_missed:
            return None
        self._is_missed = is_missed
        # Buckets are coarse, but on which side of the goal it is was counted exactly.
        measured = getattr(self._latency.latency(), self._goal.target)
        goal = self._goal.goal
        if is_missed:
            return self._goal.missed(max(measured, goal), self._window)
        return self._goal.met(min(measured, goal), self._window)


class RecentLatency:
    """The durations within a window of time, by slices of it."""

    def __init__(self, window: float) -> None:
        self._slice = window / SLICES
        self._slices: deque[tuple[int, Histogram]] = deque()

    def add(self, now: float, seconds: float) -> None:
        """Count a call that ended *now*, and forget those out of the window."""
        number = int(now / self._slice)
        while self._slices and self._slices[0][0] <= number - SLICES:
            self._slices.popleft()
        if not self._slices or self._slices[-1][0] != number:
            self._slices.append((number, Histogram()))
        self._slices[-1][1].add(seconds)

    def latency(self) -> Latency:
        """Return what is in the window, summed up."""
        return sum((part.latency() for _, part in self._slices), Latency())


def _targets(name: str, settings: SloSettings) -> Iterator[Share | Slowness]:
    address = settings.address
    if (goal := settings.availability) is not None:
        yield Share(Goal(address, "availability", goal, name), settings, 1 - goal)
    if (goal := settings.error_rate) is not None:
        yield Share(Goal(address, "error_rate", goal, name), settings, goal)
    if (goal := settings.p95) is not None:
        yield Slowness(Goal(address, "p95", goal, name), settings)
    if (goal := settings.p99) is not None:
        yield Slowness(Goal(address, "p99", goal, name), settings)


def _is_bad(target: TargetName, event: Ended) -> bool | None:
    """Return whether a call was bad for a *target*, None if it tells nothing."""
    if isinstance(event, CallFinished):
        return False
    if not isinstance(event.error, CallError):
        return None  # who gives a call up says nothing of the service
    if target == "error_rate":
        return True
    outcome = outcome_of(event.error)
    return None if outcome == "neutral" else outcome == "failure"
