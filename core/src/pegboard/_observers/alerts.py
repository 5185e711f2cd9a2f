"""
Alerts: messages to people when calls go wrong.

Calls do not wait for them: they are posted by a task of their own, which
ends when there is nothing left to post.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context
from threading import Lock
from typing import TYPE_CHECKING, Any

from pegboard._log import logger_of
from pegboard.observers import BreakerChanged, CallSlow, TargetMet, TargetMissed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pegboard._settings.settings import AlertSettings
    from pegboard.contracts.messenger import Messenger
    from pegboard.observers import Event

MOST_WAITING = 100
OPEN = "{}: the circuit breaker has opened. Calls fail at once until it answers again."
CLOSED = "{}: the circuit breaker has closed. Calls succeed again."
MISSED = "{}: {} was {:.4g} in the last {:g} s. The goal of {:.4g} is missed{}."
TIMES = ", with {:.3g} times as many bad calls as it allows"
MET = "{}: {} was {:.4g} in the last {:g} s. The goal of {:.4g} is met again."
SLOW = "{}: {} took {:.3g} s. From {:g} s on, it is slow."


class Alerts:
    """An observer that has messages posted by the messenger that *find* returns."""

    def __init__(
        self,
        settings: AlertSettings,
        clock: Callable[[], float],
        find: Callable[[], Messenger],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._find = find
        self._lock = Lock()
        self._waiting: deque[str] = deque()
        self._posted: dict[tuple[str, str], float] = {}
        self._left_out = 0
        self._posting: asyncio.Task[None] | None = None
        self._is_closed = False

    def notify(self, event: Event) -> None:
        """Have a message about *event* posted, if there is to be one."""
        told = _told(event)
        if told is None:
            return
        kind, address, text = told
        if kind not in self._settings.on:
            return
        if address == f"integrations.{self._settings.to}":
            return  # it would tell of its own failures by failing again
        with self._lock:
            if not self._is_closed and self._is_due(kind, _subject(event, address)):
                self._take(text)

    async def aclose(self) -> None:
        """Wait until what is waiting is posted; whoever cancels this gives it up."""
        with self._lock:
            self._is_closed = True
            posting = self._posting
        if posting is None or posting.done():
            return
        if posting.get_loop() is not asyncio.get_running_loop():
            return  # it ends with its own loop
        try:
            await asyncio.shield(posting)
        except asyncio.CancelledError:
            posting.cancel()
            await asyncio.wait({posting})
            raise

    def _is_due(self, kind: str, subject: str) -> bool:
        """Return whether the same was not posted just now."""
        now, last = self._clock(), self._posted.get((kind, subject))
        if last is not None and now - last < self._settings.suppress:
            self._left_out += 1
            return False
        self._posted[kind, subject] = now
        return True

    def _take(self, text: str) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._left_out += 1
            return
        self._waiting.append(text)
        if self._posting is None or _is_over(self._posting):
            loop = asyncio.get_running_loop()
            # A context of its own: the deadline of the call that failed is not its.
            self._posting = loop.create_task(self._post_all(), context=Context())

    async def _post_all(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._posting = None
                    return
                text = self._waiting.popleft()
                if self._left_out:
                    text += f" ({self._left_out} other alerts were left out.)"
                    self._left_out = 0
            await self._post(text)

    async def _post(self, text: str) -> None:
        try:
            await self._find().post_message(self._settings.channel, text)
        except Exception as error:  # noqa: BLE001 - an alert must not disturb calls
            logger_of("alerts").error("Not posted: {} Reason: {}", text, error)


def _told(event: Event) -> tuple[str, str, str] | None:
    """Return of what kind *event* is, what address it is about, and a text."""
    if isinstance(event, BreakerChanged):
        place = f"{event.address} {event.part}" if event.part else event.address
        if event.after == "open":
            return "breaker_open", event.address, OPEN.format(place)
        if event.after == "closed":
            return "breaker_closed", event.address, CLOSED.format(place)
    elif isinstance(event, CallSlow):
        call = event.call
        text = SLOW.format(call.address, call.operation, event.elapsed, event.limit)
        return "slow", call.address, text
    elif isinstance(event, TargetMissed):
        return "target_missed", event.address, _missed(event)
    elif isinstance(event, TargetMet):
        return "target_met", event.address, MET.format(*_measured(event))
    return None


def _missed(event: TargetMissed) -> str:
    times = "" if event.burn_rate is None else TIMES.format(event.burn_rate)
    return MISSED.format(*_measured(event), times)


def _measured(event: TargetMissed | TargetMet) -> tuple[Any, ...]:
    return event.address, event.target, event.measured, event.window, event.goal


def _subject(event: Event, address: str) -> str:
    """Return what *event* is about: that of which it is a repeat if it comes again."""
    if isinstance(event, TargetMissed | TargetMet):
        return f"{address} {event.target} of {event.slo}"
    part = event.part if isinstance(event, BreakerChanged) else None
    return f"{address} {part}" if part else address


def _is_over(task: asyncio.Task[None]) -> bool:
    return task.done() or task.get_loop().is_closed()
