"""What takes long to make, kept for a while, in any store of values."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from pegboard._log import Log
from pegboard._single_flight import SingleFlight
from pegboard.contracts.declare import built_on
from pegboard.contracts.key_value import KeyValue, checked_ttl, decode, encode
from pegboard.errors import CallError, InvalidRequest

from .namespace import Namespace


@built_on(KeyValue)
class Cache:
    """
    Values that take long to make: ``board.storage("cache", Cache)``.

    A value is kept for *ttl* seconds. Those who want the same at the same time have it
    made once. A store that fails is logged and counts as empty: a cache makes programs
    faster, and must not make them fail.
    """

    def __init__(
        self, store: KeyValue, *, ttl: float = 300, namespace: str = "cache"
    ) -> None:
        checked_ttl(ttl, None)
        self._store = store
        self._ttl = ttl
        self._keys = Namespace(namespace)
        self._flights = SingleFlight()
        self._log = Log(namespace)

    async def get(self, name: str, default: Any = None) -> Any:
        """Return what is kept under *name*, or *default* if there is nothing."""
        try:
            return await self._store.get(self._keys.key(name), default)
        except InvalidRequest:
            raise
        except CallError as error:
            self._log.warning("{!r} cannot be read, as if not kept: {}", name, error)
            return default

    async def get_or_make(
        self,
        name: str,
        make: Callable[[], Coroutine[Any, Any, Any]],
        *,
        ttl: float | None = None,
    ) -> Any:
        """
        Return what is kept under *name*, or what *make* returns, which is kept then.

        It is JSON, and a copy, in both cases. What *make* raises is not kept; all who
        wait for it get it.

        Raises:
            InvalidRequest: What *make* returned has no JSON.

        """
        seconds = self._ttl if ttl is None else ttl
        checked_ttl(seconds, None)
        key = self._keys.key(name)

        async def find() -> str:
            missing = object()
            found = await self.get(name, missing)
            if found is not missing:
                return encode(name, found)
            text = encode(name, await make())
            await self._keep(name, decode(name, text), seconds)
            return text

        return decode(name, await self._flights.do(key, find))

    async def delete(self, name: str) -> bool:
        """Forget what is kept under *name*; return whether anything was."""
        return await self._store.delete(self._keys.key(name))

    async def _keep(self, name: str, value: Any, ttl: float) -> None:
        try:
            await self._store.set(self._keys.key(name), value, ttl=ttl)
        except CallError as error:
            self._log.warning("{!r} cannot be kept: {}", name, error)
