"""Values that are carried from one storage to another."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Iterable

from pegboard._gather import gather
from pegboard.contracts.key_value import MOST_AT_ONCE, MOST_KEYS, KeyValue, encode

from .carrying import Item, Items, some_at_a_time


class CarriedValues:
    """The values of *store* whose keys begin with *prefix*."""

    def __init__(self, store: KeyValue, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    async def pages(self) -> AsyncGenerator[Items, None]:
        """Yield all of them, some at a time."""
        async for page in self._keys():
            for keys in some_at_a_time(page, MOST_AT_ONCE):
                yield await self.find(keys)

    async def count(self) -> int:
        """Return how many there are."""
        return sum([len(keys) async for keys in self._keys()])

    async def find(self, names: Iterable[str]) -> Items:
        """Return those with these *names* that exist."""
        found = await self._store.get_many(list(names))
        outcomes = await gather(self._store.ttl, found, at_once=MOST_AT_ONCE)
        left = {outcome.item: outcome.result for outcome in outcomes}
        return {
            key: Item(((encode(key, value), left[key] is None),), value, left[key])
            for key, value in found.items()
            if left[key] != 0
        }

    async def read(self, names: Iterable[str]) -> Items:
        """Return the same."""
        return await self.find(names)

    async def store(self, items: Items, there: Items) -> None:  # noqa: ARG002 - it is replaced
        """Store *items*, each with the time that it has left."""
        lasting = {key: one.content for key, one in items.items() if one.ttl is None}
        await self._store.set_many(lasting, ttl=math.inf)
        ending = [(key, one) for key, one in items.items() if one.ttl is not None]
        for outcome in await gather(self._set, ending, at_once=MOST_AT_ONCE):
            outcome.result  # noqa: B018 - raises what went wrong

    async def _set(self, item: tuple[str, Item]) -> str:
        key, one = item
        return await self._store.set(key, one.content, ttl=one.ttl)

    async def _keys(self) -> AsyncGenerator[tuple[str, ...], None]:
        cursor = None
        while True:
            page = await self._store.scan(self._prefix, limit=MOST_KEYS, cursor=cursor)
            yield page.keys
            if (cursor := page.cursor) is None:
                return
