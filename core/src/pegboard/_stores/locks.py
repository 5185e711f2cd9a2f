"""Locks that processes and machines share, over any store of values."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

from pegboard._waiting import wait_for
from pegboard.contracts.declare import built_on
from pegboard.contracts.key_value import KeyValue, checked_ttl, new_version
from pegboard.errors import CallError, Conflict, InvalidRequest, Timeout

from .namespace import Namespace


class Lease:
    """A lock that is held, until it is released or its time is over."""

    def __init__(self, store: KeyValue, key: str, *, name: str, ttl: float) -> None:
        self.name = name
        self.token = 0
        """
        Higher than that of all who held the lock before. Locks count together.

        Send it along with what you do under the lock: who has seen a higher one can
        tell that this lease is over, whatever its holder believes.
        """
        self._store = store
        self._key = key
        self._ttl = ttl
        self._mark = new_version()
        """What tells this lease from all others, even where a reply was lost."""
        self._version: str | None = None

    def __repr__(self) -> str:
        return f"<Lease of {self.name!r}, token {self.token}>"

    async def renew(self) -> None:
        """
        Hold the lock for its full time from now.

        Raises:
            Conflict: The time was over before, so someone else may hold it.

        """
        self._version = await self._store.set(
            self._key,
            [self._mark, self.token],
            ttl=self._ttl,
            if_version=self._version,
            if_absent=self._version is None,
        )

    async def release(self) -> bool:
        """Let others have the lock; return whether it was held until now."""
        entry = await self._store.get_entry(self._key)
        if entry is None or not self._is_behind(entry.value):
            return False
        try:
            return await self._store.delete(self._key, if_version=entry.version)
        except Conflict:
            return False

    def _is_behind(self, kept: Any) -> bool:
        """Tell whether this lease wrote what is *kept*, with whatever token."""
        return isinstance(kept, list) and kept[:1] == [self._mark]


@built_on(KeyValue)
class Locks:
    """
    Locks by name: ``board.storage("locks", Locks)``.

    A lock is held for *ttl* seconds at most, so that a process that dies holds nobody
    up for ever. Work that takes longer renews its lease.
    """

    def __init__(
        self, store: KeyValue, *, ttl: float = 30.0, namespace: str = "lock"
    ) -> None:
        self._store = store
        self._ttl = _finite(ttl)
        self._held = Namespace(namespace)
        # One for all names: with one for each, every name would leave one for ever.
        self._counter = f"{namespace}-token"

    @asynccontextmanager
    async def hold(
        self, name: str, *, wait: float = 30.0, ttl: float | None = None
    ) -> AsyncGenerator[Lease]:
        """
        Hold the lock *name* in an ``async with`` block.

        Raises:
            Timeout: Others held it for *wait* seconds.
            Conflict: The block is done, but its lease was over before that.

        """
        lease = await self.acquire(name, wait=wait, ttl=ttl)
        try:
            yield lease
        except BaseException:
            await _give_back(lease)
            raise
        if not await asyncio.shield(lease.release()):
            msg = (
                f"The lease of {name!r} was over before the work was done, so others "
                "may have worked at the same time. Renew it, or give it more ttl."
            )
            raise Conflict(msg)

    async def acquire(
        self, name: str, *, wait: float = 30.0, ttl: float | None = None
    ) -> Lease:
        """
        Return the lease of the lock *name*, which the caller releases.

        Raises:
            Timeout: Others held it for *wait* seconds.

        """
        seconds = self._ttl if ttl is None else _finite(ttl)
        lease = await wait_for(lambda: self._attempt(name, seconds), wait)
        if lease is None:
            msg = f"Others held the lock {name!r} for {wait:g} s. Wait longer."
            raise Timeout(msg, request_sent="no")
        return lease

    async def _attempt(self, name: str, ttl: float) -> Lease | None:
        lease = Lease(self._store, self._held.key(name), name=name, ttl=ttl)
        try:
            await lease.renew()
            # Counted while the lock is held, and only used if it still is then: so
            # tokens grow from holder to holder, however long anyone was asleep.
            lease.token = await self._store.incr(self._counter, ttl=math.inf)
            await lease.renew()
        except Conflict:
            return None
        except BaseException:
            # It may be held without our knowing: cancelled, or the reply was lost.
            await _give_back(lease)
            raise
        return lease


async def _give_back(lease: Lease) -> None:
    """Release *lease* even if that is cancelled; it ends by itself where that fails."""
    with suppress(CallError):
        await asyncio.shield(lease.release())


def _finite(ttl: float) -> float:
    if checked_ttl(ttl, None) is None:
        msg = "A lock that is held for ever is never free again. Give it a ttl."
        raise InvalidRequest(msg, request_sent="no")
    return ttl
