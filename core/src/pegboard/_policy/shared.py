"""
An outage that one process has found is known to all.

Processes that share a storage tell each other there when their breaker for a target
opens, so that twenty workers need not each find out for themselves; and of those that
wait for it to end, one at a time sends a probe. The storage only carries news: where it
fails, each process goes by what it sees itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegboard._log import logger_of
from pegboard.errors import CallError, Conflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from pegboard.contracts.key_value import KeyValue
    from pegboard.observers import BreakerState, Call

    from .breaker import Breaker
    from .target import Step

LOOK_EVERY = 1.0
"""Seconds between two looks at what others know."""


class News:
    """What processes tell each other of one target."""

    def __init__(
        self, store: KeyValue, address: str, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._address = address
        self._clock = clock
        self._looked_at: float | None = None
        self._untold: BreakerState | None = None

    def changed(self, state: BreakerState) -> None:
        """Remember to tell that the breaker is now in *state*."""
        if state != "half-open":
            self._untold = state

    async def ask(self, breaker: Breaker, now: float) -> None:
        """Let *breaker* know what others know, and whether one of them is probing."""
        if breaker.state == "closed" and not self._is_time_to_look(now):
            return
        if breaker.state != "closed" and breaker.wait(now) > 0:
            return
        wait = await self._outage()
        if wait <= 0 and breaker.state != "closed" and not await self._may_probe():
            wait = LOOK_EVERY
        if wait > 0:
            breaker.learn(wait, now)
            self._untold = None  # they know

    async def tell(self, breaker: Breaker, now: float) -> None:
        """Let others know what *breaker* has found, if that is new."""
        if self._untold is None:
            return
        is_open, self._untold = self._untold == "open", None
        wait = breaker.wait(now)
        try:
            if is_open and wait > 0:
                until = self._clock() + wait
                await self._store.set(self._key("outage"), until, ttl=wait)
            else:
                await self._store.delete(self._key("outage"))
            await self._store.delete(self._key("probe"))
        except CallError as error:
            self._complain(error)

    async def _may_probe(self) -> bool:
        try:
            await self._store.set(self._key("probe"), 1, ttl=LOOK_EVERY, if_absent=True)
        except Conflict:
            return False
        except CallError as error:
            self._complain(error)
        return True

    async def _outage(self) -> float:
        """Return the seconds that others leave the target alone."""
        try:
            until = await self._store.get(self._key("outage"))
        except CallError as error:
            self._complain(error)
            return 0.0
        return until - self._clock() if isinstance(until, (int, float)) else 0.0

    def _is_time_to_look(self, now: float) -> bool:
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY:
            return False
        self._looked_at = now
        return True

    def _key(self, what: str) -> str:
        return f"pegboard/breaker/{self._address}/{what}"

    def _complain(self, error: CallError) -> None:
        logger_of(self._address).warning("The breaker cannot be shared: {}", error)


def share_outage(inner: Step, breaker: Breaker, news: News) -> Step:
    """Return *inner*, whose *breaker* exchanges *news* with other processes."""

    async def step(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # What a stream found out at its end is told by the next call.
        await news.tell(breaker, call.clock())
        await news.ask(breaker, call.clock())
        try:
            result = await inner(call, args, kwargs)
        except CallError:
            await news.tell(breaker, call.clock())
            raise
        await news.tell(breaker, call.clock())
        return result

    return step
