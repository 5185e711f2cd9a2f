"""Secrets of a store far away, kept for a while so that it is not asked each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from pydantic import SecretStr

    Fetch = Callable[[str], Coroutine[object, object, SecretStr]]


class SecretCache:
    """
    What a provider of a ``SecretStore`` keeps between it and its service.

    A secret is fetched again when it is older than the time that it is kept for, so a
    new one is seen then at the latest. Who asks while it is being fetched waits for
    the same answer. No error is kept, and an old value never stands in for one.
    Threads and event loops may share it.
    """

    def __init__(self, fetch: Fetch, *, ttl: float, clock: Callable[[], float]) -> None:
        """
        Keep what *fetch* returns.

        Args:
            fetch: Asks the service for a secret by its name.
            ttl: Seconds for which a secret is kept; with 0 each is fetched each time.
            clock: The time of day, such as ``context.clock``.

        """
        self._fetch = fetch
        self._ttl = ttl
        self._clock = clock
        self._kept: dict[str, tuple[float, SecretStr]] = {}
        self._writes: dict[str, int] = {}
        self._flights = SingleFlight()

    async def get(self, name: str) -> SecretStr:
        """Return the secret *name*, as it was no longer ago than it may be."""
        kept = self._kept.get(name)
        # A clock that was set back must not keep it for ever.
        if kept is not None and 0 <= self._clock() - kept[0] < self._ttl:
            return kept[1]
        key = (name, self._writes.get(name, 0))  # none that was begun before a write
        return await self._flights.do(key, lambda: self._fetched(name))

    def forget(self, name: str) -> None:
        """Have *name* fetched anew: after it was written, whatever came of that."""
        self._writes[name] = self._writes.get(name, 0) + 1
        self._kept.pop(name, None)

    async def _fetched(self, name: str) -> SecretStr:
        asked, writes = self._clock(), self._writes.get(name, 0)
        secret = await self._fetch(name)
        if self._ttl and writes == self._writes.get(name, 0):
            self._kept[name] = (asked, secret)
        return secret
