"""A queue on a Redis or Valkey server."""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pegboard.contracts.queue import (
    DeadLetter,
    DeadLetterPage,
    Delivery,
    NewMessage,
    Published,
    QueueCounts,
)
from pegboard.contracts.queue_rules import (
    all_packed,
    checked_ids,
    checked_number,
    checked_place,
    checked_receipt,
    checked_seconds,
    checked_visibility,
    packed,
    unpacked,
)
from pegboard.errors import InvalidRequest

from ._queue_scripts import (
    ACK,
    COUNT,
    DISCARD,
    EXTEND,
    LETTERS,
    NACK,
    NONE,
    PUBLISH,
    RECEIVE,
    REDRIVE,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pegboard.contracts.queue_rules import Packed

    from ._bell import Bell
    from ._client import Client
    from ._connection import Part
    from ._scripts import Script

RECEIPT = re.compile(r"(\d+-[0-9a-f]+)\.(\d+)\.(\d+)", re.ASCII)
MOST_AT_ONCE = 100
"""Messages of one script, for nobody else is served meanwhile."""


class RedisQueue:
    """
    A queue on a Redis or Valkey server.

    Each change is one script, so that nobody comes in between. Times are those of the
    server's clock.
    """

    def __init__(
        self,
        client: Client,
        bell: Bell,
        base: bytes,
        *,
        visibility: float,
        max_deliveries: int | None,
    ) -> None:
        self._client = client
        self._bell = bell
        self._base = base
        self._visibility = visibility
        self._most: Part = NONE if max_deliveries is None else max_deliveries

    async def publish(
        self,
        body: Any,
        *,
        attributes: Mapping[str, str] | None = None,
        delay: float = 0.0,
        group: str | None = None,
    ) -> str:
        """Put a message into the queue and return its id."""
        message = packed(
            NewMessage(body=body, attributes=attributes, delay=delay, group=group)
        )
        (published,) = await self._put([message])
        return published

    async def publish_many(self, messages: Sequence[NewMessage]) -> Sequence[Published]:
        """Put *messages* into the queue and return what became of each."""
        found = all_packed(messages)
        ids: list[str] = []
        for start in range(0, len(found), MOST_AT_ONCE):
            ids += await self._put(found[start : start + MOST_AT_ONCE])
        return [Published(id=one) for one in ids]

    async def receive(
        self, *, limit: int = 1, wait: float = 0.0, visibility: float | None = None
    ) -> Sequence[Delivery]:
        """Take up to *limit* messages, as soon as there is one."""
        hidden = _milliseconds(checked_visibility(visibility, self._visibility))
        values = (checked_number(limit), hidden, self._most)
        time = asyncio.get_running_loop().time
        ends = time() + checked_seconds("wait", wait)
        while True:
            rows, due, seen = await self._run(RECEIVE, *values)
            left = ends - time()
            if rows or left <= 0:
                return [_delivery(*row) for row in rows]
            pause = max(int(due), 1) / 1000 if due else math.inf
            await self._bell.wait(seen, min(left, pause))

    async def ack(self, receipt: str) -> bool:
        """Remove a message for good; return whether it was still the receiver's."""
        return bool(await self._run(ACK, *_parts(receipt)))

    async def nack(self, receipt: str, *, delay: float = 0.0) -> bool:
        """Give a message back; return whether it was still the receiver's."""
        later = _milliseconds(checked_seconds("delay", delay))
        return bool(await self._run(NACK, *_parts(receipt), later, self._most))

    async def extend(self, receipt: str, *, visibility: float | None = None) -> bool:
        """Keep a message for *visibility* seconds; return whether one had it."""
        hidden = _milliseconds(checked_visibility(visibility, self._visibility))
        return bool(await self._run(EXTEND, *_parts(receipt), hidden))

    async def count(self) -> QueueCounts:
        """Return how many messages there are."""
        return QueueCounts(*await self._run(COUNT, self._most))

    async def list_dead_letters(
        self, *, limit: int = 100, cursor: str | None = None
    ) -> DeadLetterPage:
        """Return up to *limit* messages that were delivered too often."""
        limit, after = checked_number(limit), checked_place(cursor)
        found = await self._letters(after, limit + 1)
        letters = tuple(letter for letter, _ in found[:limit])
        more = len(found) > limit
        return DeadLetterPage(letters, str(found[limit - 1][1]) if more else None)

    async def redrive(self, ids: Sequence[str] | None = None) -> int:
        """Put dead letters back at the end of the queue; return how many."""
        letters = await self._chosen(checked_ids(ids))
        return await self._in_parts(
            REDRIVE, [(one.id, one.group or NONE) for one in letters]
        )

    async def discard(self, ids: Sequence[str] | None = None) -> int:
        """Remove dead letters for good; return how many there were."""
        letters = await self._chosen(checked_ids(ids))
        return await self._in_parts(DISCARD, [(one.id,) for one in letters])

    async def _put(self, messages: Sequence[Packed]) -> list[str]:
        parts: list[Part] = [os.urandom(4).hex()]
        for message in messages:
            text = json.dumps([message.body, message.attributes, message.group])
            parts += [text, _milliseconds(message.delay), message.group or NONE]
        ids: list[str] = await self._run(PUBLISH, *parts)
        return ids

    async def _letters(self, after: int, limit: int) -> list[tuple[DeadLetter, int]]:
        rows = await self._run(LETTERS, after, limit, self._most)
        return [
            (DeadLetter(**_described(name, text, deliveries, published)), int(place))
            for name, text, deliveries, published, place in rows
        ]

    async def _chosen(self, ids: list[str] | None) -> list[DeadLetter]:
        found: list[DeadLetter] = []
        after = -1
        while page := await self._letters(after, MOST_AT_ONCE):
            found += [one for one, _ in page if ids is None or one.id in ids]
            after = page[-1][1]
        return found

    async def _in_parts(self, script: Script, rows: list[tuple[Part, ...]]) -> int:
        changed = 0
        for start in range(0, len(rows), MOST_AT_ONCE):
            part = rows[start : start + MOST_AT_ONCE]
            changed += await self._run(
                script, *(value for row in part for value in row)
            )
        return changed

    async def _run(self, script: Script, *values: Part) -> Any:
        return await self._client.run(script, (self._base,), *values)


class _Receipt(NamedTuple):
    id: str
    generation: str
    deliveries: str


def _parts(receipt: str) -> _Receipt:
    found = RECEIPT.fullmatch(checked_receipt(receipt))
    if found is None:
        msg = f"{receipt!r} is no receipt of this queue. Pass it on as it came."
        raise InvalidRequest(msg, request_sent="no")
    return _Receipt(*found.groups())


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)


def _delivery(
    name: str, text: str, generation: str, deliveries: str, published: str
) -> Delivery:
    receipt = f"{name}.{generation}.{deliveries}"
    return Delivery(receipt=receipt, **_described(name, text, deliveries, published))


def _described(name: str, text: str, deliveries: str, published: str) -> dict[str, Any]:
    body, attributes, group = json.loads(text)
    return {
        "id": name,
        "body": unpacked(body),
        "attributes": attributes,
        "group": group,
        "deliveries": int(deliveries),
        "published": int(published) / 1000,
    }
