"""Values by key in a table of DynamoDB."""

from __future__ import annotations

import math
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pegboard.contracts.key_value import (
    HIGHEST_SUM,
    LOWEST_SUM,
    Entry,
    KeyPage,
    checked_condition,
    checked_key,
    checked_keys,
    checked_limit,
    checked_sum,
    checked_ttl,
    conflict,
    decode,
    encode,
    encode_all,
    new_version,
    page,
    scan_start,
)

from ._documents import DynamoDocuments
from ._errors import NotMetError
from ._expiry import ALIVE, THERE, expires, expiry, is_as, is_at, is_gone
from ._item import (
    LONGEST_KEY,
    Item,
    Place,
    Value,
    body_of,
    checked_item,
    checked_place,
    json_of,
    number,
    text,
    upper,
)
from ._requests import Requests
from ._table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pegboard import Context

    from .options import DynamoOptions

COUNTED = f"{ALIVE} AND attribute_type(body, :number) AND body BETWEEN :low AND :high"
COUNT = "SET body = body + :by, version = :version"
REPLACE = "SET body = :body, version = :version"
PROLONG = "SET expires_at = :expires_at, purge_at = :purge_at"
KEEP = "REMOVE expires_at, purge_at"
MOST_ADDED = 2**64
"""What is more than this cannot be added to any sum of 64 bits and stay one."""


class DynamoKeyValue:
    """
    Values by key in a table of DynamoDB.

    Each is an item; all are in one partition, where they are in order. Each change is
    one request that holds its own condition. What has expired is there until DynamoDB
    removes it, which takes days, and is passed over until then.
    """

    def __init__(self, options: DynamoOptions, context: Context) -> None:
        self._address = context.address
        self._clock = context.clock
        self._ttl = options.ttl
        self._requests = Requests(options, context)
        self._table = Table(self._requests)
        self._partition = f"{quote(options.prefix, '')}/values"
        documents = DynamoDocuments(self._table, options.prefix, context.address)
        self.parts = dict.fromkeys(("DocumentCollections", "DocumentStore"), documents)

    async def ping(self) -> str | None:
        """Read from the table."""
        return await self._requests.ping()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._requests.aclose()

    async def get(self, key: str, default: Any = None) -> Any:
        """Return the value of *key*, or *default* if there is none."""
        item = await self._find(key)
        return default if item is None else decode(key, json_of(item))

    async def get_entry(self, key: str) -> Entry | None:
        """Return the value of *key* with its version, or None if there is none."""
        item = await self._find(key)
        if item is None:
            return None
        return Entry(decode(key, json_of(item)), item["version"]["S"])

    async def set(
        self,
        key: str,
        value: Any,
        *,
        ttl: float | None = None,
        if_version: str | None = None,
        if_absent: bool = False,
    ) -> str:
        """Store *value* under *key* and return its new version."""
        checked_condition(if_version, if_absent=if_absent)
        item = self._item(key, encode(checked_key(key), value), self._expiry(ttl))
        condition = None
        if if_version is not None:
            condition = is_at(if_version, self._clock())
        elif if_absent:
            condition = is_gone(self._clock())
        try:
            await self._table.settle(item, self._table.put(item, condition))
        except NotMetError:
            raise conflict(self._address, "set", key) from None
        return str(item["version"]["S"])

    async def delete(self, key: str, *, if_version: str | None = None) -> bool:
        """Remove *key*; return whether it was there."""
        now = self._clock()
        condition = None if if_version is None else is_at(if_version, now)
        try:
            item = await self._table.delete(self._place(key), condition)
        except NotMetError:
            raise conflict(self._address, "delete", key) from None
        return self._alive(item) is not None

    async def exists(self, key: str) -> bool:
        """Return whether *key* has a value."""
        return await self._find(key) is not None

    async def touch(self, key: str, *, ttl: float | None = None) -> bool:
        """Give *key* a new expiry; return whether it exists."""
        new = {f":{name}": value for name, value in self._expiry(ttl).items()}
        values = {**new, ":now": number(self._clock())}
        try:
            await self._table.update(
                self._place(key), PROLONG if new else KEEP, values, THERE
            )
        except NotMetError:
            return False
        return True

    async def ttl(self, key: str) -> float | None:
        """Return the seconds until *key* expires, if it does; 0 if it is not there."""
        item = await self._find(key)
        if item is None:
            return 0.0
        ends = expires(item)
        return None if ends == math.inf else max(0.0, ends - self._clock())

    async def incr(self, key: str, by: int = 1, *, ttl: float | None = None) -> int:
        """Add *by* to the whole number under *key* and return the sum."""
        place, ending = self._place(key), self._expiry(ttl)
        while True:  # until nobody came in between
            try:
                return await self._count(place, by)
            except NotMetError as refusal:
                held = self._alive(refusal.item)
            total = checked_sum(key, None if held is None else json_of(held), by)
            item = self._item(key, encode(key, total), ending)
            try:
                await self._replace(place, held, item)
            except NotMetError:
                continue
            return total

    async def get_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return the values of those *keys* that exist, all as of one moment."""
        found = await self._find_many(checked_keys(keys))
        return {key: decode(key, json_of(item)) for key, item in found.items()}

    async def set_many(
        self, values: Mapping[str, Any], *, ttl: float | None = None
    ) -> dict[str, str]:
        """Store all *values* under their keys, or none; return their new versions."""
        texts, ending = encode_all(values), self._expiry(ttl)
        items = {key: self._item(key, texts[key], ending) for key in texts}
        if items:
            puts = [(item, None) for item in items.values()]
            await self._table.change_all(puts, token=new_version())
        return {key: item["version"]["S"] for key, item in items.items()}

    async def delete_many(self, keys: Sequence[str]) -> int:
        """Remove all of *keys* at once; return how many were there."""
        names = checked_keys(keys)
        while True:  # until nobody came in between
            found = await self._find_many(names)
            now = self._clock()
            deletes = [(self._place(key), is_as(found.get(key), now)) for key in names]
            try:
                if deletes:
                    await self._table.change_all([], deletes, token=new_version())
            except NotMetError:
                continue
            return len(found)

    async def scan(
        self, prefix: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> KeyPage:
        """Return up to *limit* keys that begin with *prefix*, in order."""
        limit, start = checked_limit(limit), scan_start(prefix, cursor)
        if len(start.encode()) > LONGEST_KEY + 1:  # where no key can be
            return KeyPage((), None)
        keys: list[str] = []
        bounds = (start or "\0", upper(prefix))
        found = self._table.items(self._partition, bounds, limit=limit + 1)
        async with aclosing(found) as items:
            async for item in items:
                if self._alive(item):
                    keys.append(item["sk"]["S"])
                if len(keys) > limit:
                    break
        return page(keys, limit)

    def _place(self, key: str) -> Place:
        return checked_place(self._partition, checked_key(key))

    def _item(self, key: str, json: str, ending: Item) -> Item:
        item = {
            **self._place(key).names,
            "body": body_of(json),
            "version": text(new_version()),
        }
        return checked_item(key, {**item, **ending})

    def _expiry(self, ttl: float | None) -> Item:
        """Return what an item says of when it expires."""
        return expiry(checked_ttl(ttl, self._ttl), self._clock())

    def _alive(self, item: Item | None) -> Item | None:
        """Return *item* unless it has expired."""
        return None if item is None or expires(item) <= self._clock() else item

    async def _count(self, place: Place, by: int) -> int:
        """Add *by* to the number at *place*, if there is one that stays in bounds."""
        if type(by) is not int or abs(by) > MOST_ADDED:
            raise NotMetError(await self._table.get(place))
        values: dict[str, Value] = {
            ":by": number(by),
            ":high": number(HIGHEST_SUM - by),
            ":low": number(LOWEST_SUM - by),
            ":number": text("N"),
            ":now": number(self._clock()),
            ":version": text(new_version()),
        }
        item = await self._table.update(place, COUNT, values, COUNTED, told="ALL_NEW")
        return int(item["body"]["N"])

    async def _replace(self, place: Place, held: Item | None, item: Item) -> None:
        """Store *item* where nothing is, or only its value where *held* is."""
        now = self._clock()
        if held is None:
            await self._table.put(item, is_gone(now))
            return
        values = {
            ":body": item["body"],
            ":held": held["version"],
            ":now": number(now),
            ":version": item["version"],
        }
        await self._table.update(place, REPLACE, values, f"version = :held AND {ALIVE}")

    async def _find(self, key: str) -> Item | None:
        return self._alive(await self._table.get(self._place(key)))

    async def _find_many(self, keys: Sequence[str]) -> dict[str, Item]:
        places = [self._place(key) for key in keys]
        found = await self._table.snapshot(places) if places else {}
        return {place.key: item for place, item in found.items() if self._alive(item)}
