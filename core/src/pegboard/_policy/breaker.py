"""
The circuit breaker: a target that keeps failing is left alone for a while.

It has three states. *Closed*: calls pass, and their outcomes are counted. *Open*:
calls are refused at once. *Half-open*, after its time of being open: a few calls pass
as probes, and their outcomes decide.

What breakers often get wrong, this one does not: an outcome counts only for the state
that its call was made in (generations); a probe that is cancelled, or fails by the
caller's fault, gives its place to another, and so does one that is never heard of
again; no more probes run than there are places; time is monotonic.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from pegboard.observers import BreakerState
    from pegboard.policy import BreakerPolicy

    Changed = Callable[[BreakerState, BreakerState], None]

SLICES = 10
"""Into so many slices a window is cut: memory is bounded, time a tenth coarse."""
Outcome = Literal["success", "failure", "neutral"]


@dataclass(slots=True)
class Permit:
    """The right to make one call, to be given back with its outcome."""

    generation: int
    began: float
    is_settled: bool = False


class Recent:
    """The calls within a window of time, counted by slices of it."""

    def __init__(self, window: float) -> None:
        self._slice = window / SLICES
        self._counts: deque[list[int]] = deque()
        self._newest: int | None = None
        self.calls = 0
        self.bad = 0

    def add(self, now: float, *, is_bad: bool) -> None:
        """Count a call that ended *now*, and forget those out of the window."""
        number = int(now / self._slice)
        if number != self._newest:
            self._begin(number)
        newest = self._counts[-1]
        newest[1] += 1
        newest[2] += is_bad
        self.calls += 1
        self.bad += is_bad

    def _begin(self, number: int) -> None:
        """Begin another slice."""
        while self._counts and self._counts[0][0] <= number - SLICES:
            _, calls, bad = self._counts.popleft()
            self.calls -= calls
            self.bad -= bad
        self._counts.append([number, 0, 0])
        self._newest = number


class Breaker:
    """Watches the calls to one target. Threads may share it."""

    def __init__(self, policy: BreakerPolicy, changed: Changed) -> None:
        self._policy = policy
        self._changed = changed
        self._lock = Lock()
        self._state: BreakerState = "closed"
        self._since = 0.0
        self._generation = 0
        self._in_a_row = 0
        self._running = 0
        self._passed = 0
        self._recent = Recent(policy.window)

    @property
    def state(self) -> BreakerState:
        """The state that the last call left it in."""
        return self._state

    def wait(self, now: float) -> float:
        """Return the seconds until a refused call may pass as a probe."""
        return max(0.0, self._since + self._policy.open_for - now)

    def acquire(self, now: float) -> Permit | None:
        """Return the right to make a call, or None if none may be made."""
        if self._state == "closed":
            return Permit(self._generation, now)
        with self._lock:
            # A probe that never came back has had its time: places are dealt anew.
            if self._lacks_place() and self.wait(now) <= 0:
                self._become("half-open", now)
            if self._lacks_place():
                return None
            self._running += self._state == "half-open"
            return Permit(self._generation, now)

    def settle(self, permit: Permit, outcome: Outcome, now: float) -> None:
        """Take *permit* back with the *outcome* of its call; again does nothing."""
        with self._lock:
            is_stale = permit.is_settled or permit.generation != self._generation
            permit.is_settled = True
            if is_stale:
                return
            if self._state == "half-open":
                self._settle_probe(outcome, now)
            elif outcome != "neutral":
                is_slow = now - permit.began >= self._policy.slow_call
                self._count(now, failed=outcome == "failure", slow=is_slow)

    def learn(self, wait: float, now: float) -> None:
        """Open, or stay open, for *wait* seconds, since others know of an outage."""
        with self._lock:
            self._become("open", now)
            self._since = now + wait - self._policy.open_for

    def _lacks_place(self) -> bool:
        if self._state == "half-open":
            return self._running + self._passed >= self._policy.probes
        return self._state == "open"

    def _settle_probe(self, outcome: Outcome, now: float) -> None:
        self._running -= 1
        if outcome == "failure":
            self._become("open", now)
        elif outcome == "success":
            self._passed += 1
            if self._passed >= self._policy.probes:
                self._become("closed", now)

    def _count(self, now: float, *, failed: bool, slow: bool) -> None:
        self._in_a_row = self._in_a_row + 1 if failed else 0
        self._recent.add(now, is_bad=failed or slow)
        if self._recent.bad and self._is_too_bad():
            self._become("open", now)

    def _is_too_bad(self) -> bool:
        policy, recent = self._policy, self._recent
        if self._in_a_row >= policy.failures:
            return True
        is_enough = recent.calls >= policy.minimum_calls
        return is_enough and recent.bad >= policy.failure_rate * recent.calls

    def _become(self, state: BreakerState, now: float) -> None:
        before, self._state = self._state, state
        self._since = now
        self._generation += 1
        self._clear()
        if before != state:
            self._changed(before, state)

    def _clear(self) -> None:
        self._recent = Recent(self._policy.window)
        self._in_a_row = 0
        self._running = 0
        self._passed = 0
