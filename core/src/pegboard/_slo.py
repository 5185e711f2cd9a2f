"""
Service levels: what the settings ask of an address, held against its calls.

They are measured from calls that were made. What an address costs in memory does not
depend on how often it is called: a window is cut into slices, as a breaker's is.
"""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import TYPE_CHECKING

from ._accounts import Histogram
from ._policy.breaker import SLICES, Recent
from ._policy.guards import outcome_of
from ._policy.telling import tell
from .errors import CallError
from .observers import CallFailed, CallFinished, TargetMet, TargetMissed
from .stats import Latency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ._settings.settings import SloSettings
    from .observers import Event, Observer, TargetName

    Ended = CallFinished | CallFailed
    Change = TargetMet | TargetMissed

SLOW_SHARE = 0.05
"""Of the calls, so many may take longer than their 95th percentile."""
ROUNDING = 1e-9


class ServiceLevels:
    """An observer that tells those that *find* returns of targets missed and met."""

    def __init__(
        self,
        settings: Iterable[SloSettings],
        find: Callable[[], tuple[Observer, ...]],
    ) -> None:
        self._find = find
        self._targets: dict[str, list[Target]] = {}
        for one in settings:
            self._targets.setdefault(one.address, []).extend(_targets(one))

    def notify(self, event: Event) -> None:
        """Count the call that *event* ends, if its address has targets."""
        if not isinstance(event, CallFinished | CallFailed):
            return
        for target in self._targets.get(event.call.address, ()):
            change = target.count(event)
            if change is not None:
                tell(self._find(), change, change.address)


class Target:
    """A share of calls that may be bad, in a window. Threads may share it."""

    def __init__(
        self, name: TargetName, settings: SloSettings, goal: float, allowed: float
    ) -> None:
        self._name = name
        self._address = settings.address
        self._minimum_calls = settings.minimum_calls
        self._goal = goal
        self._allowed = allowed
        self._lock = Lock()
        self._recent = Recent(settings.window)
        self._latency = RecentLatency(settings.window)
        self._is_missed = False

    def count(self, event: Ended) -> Change | None:
        """Count a call that has ended, and return what it changed."""
        is_bad = _is_bad(self._name, self._goal, event)
        if is_bad is None:
            return None
        now = event.call.clock()
        with self._lock:
            self._recent.add(now, is_bad=is_bad)
            if self._name == "p95":
                self._latency.add(now, event.elapsed)
            if self._recent.calls < self._minimum_calls:
                return None
            return self._turn(is_missed=self._is_too_bad())

    def _is_too_bad(self) -> bool:
        return self._recent.bad > self._allowed * self._recent.calls + ROUNDING

    def _turn(self, *, is_missed: bool) -> Change | None:
        if is_missed == self._is_missed:
            return None
        self._is_missed = is_missed
        kind = TargetMissed if is_missed else TargetMet
        return kind(self._address, self._name, self._measured(), self._goal)

    def _measured(self) -> float:
        share = self._recent.bad / self._recent.calls
        if self._name == "availability":
            return 1 - share
        if self._name == "error_rate":
            return share
        # Buckets are coarse, but on which side of the goal it is was counted exactly.
        bound = max if self._is_missed else min
        return bound(self._latency.p95(), self._goal)


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

    def p95(self) -> float:
        """Return the 95th percentile of what is in the window."""
        parts = (part.latency() for _, part in self._slices)
        return sum(parts, Latency()).p95 or 0.0


def _targets(settings: SloSettings) -> Iterator[Target]:
    if (goal := settings.availability) is not None:
        yield Target("availability", settings, goal, allowed=1 - goal)
    if (goal := settings.error_rate) is not None:
        yield Target("error_rate", settings, goal, allowed=goal)
    if (goal := settings.p95) is not None:
        yield Target("p95", settings, goal, allowed=SLOW_SHARE)


def _is_bad(name: TargetName, goal: float, event: Ended) -> bool | None:
    """Return whether a call was bad for the target *name*, None if it tells nothing."""
    if isinstance(event, CallFinished):
        return name == "p95" and event.elapsed > goal
    if name == "p95" or not isinstance(event.error, CallError):
        return None  # who gives a call up says nothing of the service
    if name == "error_rate":
        return True
    outcome = outcome_of(event.error)
    return None if outcome == "neutral" else outcome == "failure"
