"""Sessions of users, over any store of values."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pegboard._log import Log
from pegboard.contracts.declare import built_on
from pegboard.contracts.key_value import Entry, KeyPage, KeyValue, checked_ttl
from pegboard.errors import Conflict, InvalidReply, InvalidRequest

from .namespace import Namespace

MOST_TRIES = 100
"""How often an update begins anew because others were faster."""


@built_on(KeyValue)
class Sessions:
    """
    What is kept of users between requests: ``board.storage("sessions", Sessions)``.

    A session ends *ttl* seconds after it was last read or written. What cannot be read
    counts as no session, and is logged: a user who has to log in again is better off
    than one who sees an error.
    """

    def __init__(
        self,
        store: KeyValue,
        *,
        ttl: float = 1800,
        namespace: str = "session",
        clock: Callable[[], float] = time.time,
    ) -> None:
        checked_ttl(ttl, None)
        self._store = store
        self._ttl = ttl
        self._keys = Namespace(namespace)
        self._clock = clock
        self._log = Log(namespace)

    async def get(self, session_id: str) -> dict[str, Any] | None:
        """Return what the session holds, or None if there is none; it lives on."""
        key = self._keys.key(session_id)
        found = await self._read(key, session_id)
        if found is None:
            return None
        await self._store.touch(key, ttl=_ttl_of(found))
        values: dict[str, Any] = found["values"]
        return values

    async def set(
        self, session_id: str, values: Mapping[str, Any], *, ttl: float | None = None
    ) -> None:
        """
        Replace what the session holds, made if there is none.

        ``last_activity`` is the time of now unless *values* have one. *ttl* holds for
        this session, also when it lives on; ``math.inf`` is for ever.

        Raises:
            InvalidRequest: The id, the values or the ttl cannot be stored.

        """
        kept = self._kept(session_id, values, self._ttl if ttl is None else ttl)
        await self._store.set(self._keys.key(session_id), kept, ttl=_ttl_of(kept))

    async def update(
        self, session_id: str, changes: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """
        Change some of what the session holds; return all of it, or None if it is gone.

        Nothing is lost where several do that at once. ``last_activity`` is the time of
        now unless *changes* have one.

        Raises:
            Conflict: Others were faster each time.

        """
        key = self._keys.key(session_id)
        for _ in range(MOST_TRIES):
            entry = await self._entry(key, session_id)
            found = self._readable(entry and entry.value, session_id)
            if entry is None or found is None:
                return None
            old = {n: v for n, v in found["values"].items() if n != "last_activity"}
            kept = self._kept(session_id, {**old, **changes}, _ttl_of(found))
            try:
                await self._store.set(
                    key, kept, ttl=_ttl_of(kept), if_version=entry.version
                )
            except Conflict:
                continue
            values: dict[str, Any] = kept["values"]
            return values
        msg = f"Others changed the session in between, {MOST_TRIES} times. Try again."
        raise Conflict(msg)

    async def delete(self, session_id: str) -> bool:
        """End the session; return whether there was one."""
        return await self._store.delete(self._keys.key(session_id))

    async def exists(self, session_id: str) -> bool:
        """Return whether there is such a session; it does not live on for that."""
        return await self._store.exists(self._keys.key(session_id))

    async def touch(self, session_id: str, *, ttl: float | None = None) -> bool:
        """
        Let the session live *ttl* seconds from now; return whether there is one.

        Without *ttl* they are those that it was made with. It does not change how long
        it lives after the next request.
        """
        key = self._keys.key(session_id)
        found = await self._read(key, session_id)
        if found is None:
            return False
        return await self._store.touch(key, ttl=_ttl_of(found) if ttl is None else ttl)

    async def scan(self, *, limit: int = 100, cursor: str | None = None) -> KeyPage:
        """Return up to *limit* ids in order; pass the page's cursor for the next."""
        return await self._keys.scan(self._store, limit=limit, cursor=cursor)

    async def _read(self, key: str, session_id: str) -> dict[str, Any] | None:
        entry = await self._entry(key, session_id)
        return self._readable(entry and entry.value, session_id)

    async def _entry(self, key: str, session_id: str) -> Entry | None:
        try:
            return await self._store.get_entry(key)
        except InvalidReply as error:
            self._complain(session_id, type(error).__name__)
            return None

    def _readable(self, kept: Any, session_id: str) -> dict[str, Any] | None:
        if kept is None:
            return None
        if isinstance(kept, dict) and isinstance(kept.get("values"), dict):
            return kept
        self._complain(session_id, f"it is a {type(kept).__name__} of another form")
        return None

    def _complain(self, session_id: str, reason: str) -> None:
        # Who knows an id has the session, so logs do not hold it.
        digest = hashlib.sha256(session_id.encode()).hexdigest()[:12]
        text = "The session with the SHA-256 {}... cannot be read, as if none: {}."
        self._log.warning(text, digest, reason)

    def _kept(
        self, session_id: str, values: Mapping[str, Any], ttl: float
    ) -> dict[str, Any]:
        if not isinstance(values, Mapping):
            msg = f"A session holds values by name, not a {type(values).__name__}."
            raise InvalidRequest(msg, request_sent="no")
        checked_ttl(ttl, None)
        self._keys.key(session_id)
        now = datetime.fromtimestamp(self._clock(), UTC).isoformat()
        stamped = {"last_activity": now, **values}
        return {"values": stamped, "ttl": None if ttl == math.inf else ttl}


def _ttl_of(kept: Mapping[str, Any]) -> float:
    ttl = kept.get("ttl")
    return ttl if isinstance(ttl, int | float) else math.inf
