"""A queue in the memory of this process."""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass
from itertools import count, islice
from threading import RLock
from typing import TYPE_CHECKING, Any

from pegboard.contracts.key_value import new_version
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
    checked_seconds,
    checked_visibility,
    delivery_of,
    packed,
    receipt_of,
    unpacked,
)

from ._bell import Bell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pegboard.contracts.queue_rules import Packed
    from pegboard.descriptors import Context

MOST_FALSE = 64
"""Entries of the heap, beyond one for each message."""


@dataclass(slots=True)
class _Held:
    """A message, and how far it is."""

    message: Packed
    id: str
    published: float
    due: float
    """When it may be delivered; while it is in flight, delivered again."""
    deliveries: int = 0
    is_taken: bool = False


class MemoryQueue:
    """
    A queue in the memory of this process. Threads may share it.

    Messages lie in a heap by the time at which they are due. An entry of it that is no
    longer true is dropped when it comes up. Of a group, only the first one is there.
    """

    def __init__(
        self, context: Context, *, visibility: float, max_deliveries: int | None
    ) -> None:
        self._clock = context.clock
        self._visibility = visibility
        self._most = math.inf if max_deliveries is None else max_deliveries
        self._positions = count()
        self._held: dict[int, _Held] = {}
        self._due: list[tuple[float, int]] = []
        self._groups: dict[str, deque[int]] = {}
        self._dead: dict[int, _Held] = {}
        self._bell = Bell()
        self._lock = RLock()

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
        (published,) = self._put([message])
        return published

    async def publish_many(self, messages: Sequence[NewMessage]) -> Sequence[Published]:
        """Put *messages* into the queue and return what became of each."""
        return [Published(id=one) for one in self._put(all_packed(messages))]

    async def receive(
        self, *, limit: int = 1, wait: float = 0.0, visibility: float | None = None
    ) -> Sequence[Delivery]:
        """Take up to *limit* messages, as soon as there is one."""
        most = checked_number(limit)
        hidden = checked_visibility(visibility, self._visibility)

        async def look() -> tuple[list[Delivery], float]:
            return self._take(most, hidden)

        return await self._bell.until(look, checked_seconds("wait", wait))

    async def ack(self, receipt: str) -> bool:
        """Remove a message for good; return whether it was still the receiver's."""
        with self._lock:
            position, held = self._in_flight(receipt)
            if held:
                self._remove(position)
        return held is not None

    async def nack(self, receipt: str, *, delay: float = 0.0) -> bool:
        """Give a message back; return whether it was still the receiver's."""
        due = self._clock() + checked_seconds("delay", delay)
        with self._lock:
            position, held = self._in_flight(receipt)
            if held and held.deliveries >= self._most:
                self._bury(position)
            elif held:
                held.is_taken = False
                self._schedule(position, due)
        self._bell.ring()
        return held is not None

    async def extend(self, receipt: str, *, visibility: float | None = None) -> bool:
        """Keep a message for *visibility* seconds; return whether one had it."""
        due = self._clock() + checked_visibility(visibility, self._visibility)
        with self._lock:
            position, held = self._in_flight(receipt)
            if held:
                self._schedule(position, due)
        return held is not None

    async def count(self) -> QueueCounts:
        """Return how many messages there are."""
        with self._lock:
            self._bury_lapsed()
            now = self._clock()
            late = [held.is_taken for held in self._held.values() if held.due > now]
            in_flight = sum(late)
            ready = len(self._held) - len(late)
            return QueueCounts(ready, len(late) - in_flight, in_flight)

    async def list_dead_letters(
        self, *, limit: int = 100, cursor: str | None = None
    ) -> DeadLetterPage:
        """Return up to *limit* messages that were delivered too often."""
        limit, after = checked_number(limit), checked_place(cursor)
        with self._lock:
            self._bury_lapsed()
            later = ((n, held) for n, held in self._dead.items() if n > after)
            found = list(islice(later, limit + 1))
        letters = tuple(_letter(held) for _, held in found[:limit])
        more = len(found) > limit
        return DeadLetterPage(letters, str(found[limit - 1][0]) if more else None)

    async def redrive(self, ids: Sequence[str] | None = None) -> int:
        """Put dead letters back at the end of the queue; return how many."""
        with self._lock:
            found = self._exhumed(checked_ids(ids))
            for held in found:
                self._add(held.message, held.id, held.published, self._clock())
        self._bell.ring()
        return len(found)

    async def discard(self, ids: Sequence[str] | None = None) -> int:
        """Remove dead letters for good; return how many there were."""
        with self._lock:
            return len(self._exhumed(checked_ids(ids)))

    def _put(self, messages: Sequence[Packed]) -> list[str]:
        now = self._clock()
        ids = [new_version() for _ in messages]
        with self._lock:
            for message, name in zip(messages, ids, strict=True):
                self._add(message, name, now, now + message.delay)
        self._bell.ring()
        return ids

    def _add(self, message: Packed, name: str, published: float, due: float) -> None:
        position = next(self._positions)
        self._held[position] = _Held(message, name, published, due)
        if message.group is not None:
            self._groups.setdefault(message.group, deque()).append(position)
        self._schedule(position, due)

    def _schedule(self, position: int, due: float) -> None:
        held = self._held[position]
        held.due = due
        group = held.message.group
        if group is None or self._groups[group][0] == position:
            heapq.heappush(self._due, (due, position))
        if len(self._due) > 2 * len(self._held) + MOST_FALSE:
            self._drop_false()

    def _drop_false(self) -> None:
        """Keep the entries that are true; so rarely that each costs next to nothing."""
        true = {
            (due, position)
            for due, position in self._due
            if position in self._held and self._held[position].due == due
        }
        self._due = sorted(true)

    def _take(self, most: int, hidden: float) -> tuple[list[Delivery], float]:
        """Return messages, and the seconds until there may be others."""
        now = self._clock()
        found: list[Delivery] = []
        with self._lock:
            while self._due and self._due[0][0] <= now and len(found) < most:
                due, position = heapq.heappop(self._due)
                held = self._held.get(position)
                if held is None or held.due != due:
                    continue
                if held.deliveries >= self._most:
                    self._bury(position)
                else:
                    found.append(self._deliver(position, held, now + hidden))
            return found, self._due[0][0] - now if self._due else math.inf

    def _deliver(self, position: int, held: _Held, until: float) -> Delivery:
        held.deliveries += 1
        held.is_taken = True
        self._schedule(position, until)
        return Delivery(
            receipt=receipt_of(position, held.deliveries), **_described(held)
        )

    def _in_flight(self, receipt: str) -> tuple[int, _Held | None]:
        position, deliveries = delivery_of(receipt)
        held = self._held.get(position)
        if held and held.is_taken and held.deliveries == deliveries:
            return position, held
        return position, None

    def _remove(self, position: int) -> _Held:
        held = self._held.pop(position)
        group = held.message.group
        if group is not None:
            self._follow_up(group)
        return held

    def _follow_up(self, group: str) -> None:
        """Have the next message of *group* come up, after its first one is gone."""
        waiting = self._groups[group]
        waiting.popleft()
        if waiting:
            self._schedule(waiting[0], self._held[waiting[0]].due)
            self._bell.ring()
        else:
            del self._groups[group]

    def _bury(self, position: int) -> None:
        self._dead[next(self._positions)] = self._remove(position)

    def _bury_lapsed(self) -> None:
        now = self._clock()
        for position, held in list(self._held.items()):
            if held.is_taken and held.due <= now and held.deliveries >= self._most:
                self._bury(position)

    def _exhumed(self, ids: list[str] | None) -> list[_Held]:
        self._bury_lapsed()
        wanted = None if ids is None else set(ids)
        chosen = [n for n, h in self._dead.items() if wanted is None or h.id in wanted]
        return [self._dead.pop(number) for number in chosen]


def _letter(held: _Held) -> DeadLetter:
    return DeadLetter(**_described(held))


def _described(held: _Held) -> dict[str, Any]:
    return {
        "id": held.id,
        "body": unpacked(held.message.body),
        "attributes": dict(held.message.attributes),
        "group": held.message.group,
        "deliveries": held.deliveries,
        "published": held.published,
    }
