"""The latest events in the memory of this process."""

from __future__ import annotations

import math
from collections import deque
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from pegboard.contracts.event_log import END, START, Event, EventPage
from pegboard.contracts.event_rules import (
    checked_after,
    checked_event,
    checked_reader,
    matcher,
    until_there_is_room,
)
from pegboard.contracts.queue_rules import checked_number, checked_seconds, unpacked

from ._bell import Bell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pegboard.contracts.event_rules import Matches, Overflow
    from pegboard.descriptors import Context


class _Kept(NamedTuple):
    number: int
    topic: str
    body: str
    published: float


class MemoryEvents:
    """The latest events in the memory of this process. Threads may share them."""

    def __init__(
        self,
        context: Context,
        *,
        keep: int,
        overflow: Overflow,
        block_timeout: float,
        reader_timeout: float,
    ) -> None:
        self._address = context.address
        self._clock = context.clock
        self._kept: deque[_Kept] = deque()
        self._keep = keep
        self._last = 0
        self._drops = overflow == "drop"
        self._block_timeout = block_timeout if overflow == "block" else 0.0
        self._reader_timeout = reader_timeout
        self._readers: dict[str, tuple[int, float]] = {}
        self._bell = Bell()
        self._lock = Lock()

    async def publish_event(self, topic: str, body: Any) -> str:
        """Add an event, and return its position."""
        text = checked_event(topic, body)

        async def attempt() -> str | None:
            return self._add(topic, text)

        position = self._add(topic, text) or await until_there_is_room(
            attempt, self._block_timeout, self._address
        )
        self._bell.ring()
        return position

    async def read_events(
        self,
        topics: Sequence[str] = ("**",),
        *,
        after: str = END,
        limit: int = 100,
        wait: float = 0.0,
        reader: str | None = None,
    ) -> EventPage:
        """Return up to *limit* events, as soon as there is one."""
        fits, most = matcher(topics), checked_number(limit)
        place, name = self._place(checked_after(after)), checked_reader(reader)
        seconds = checked_seconds("wait", wait)
        found: list[EventPage] = []

        async def look() -> tuple[list[EventPage], float]:
            self._note(name, place, seconds)
            found[:] = [self._read(fits, place, most)]
            return (found if found[0].events else []), math.inf

        await self._bell.until(look, seconds)
        return found[0]

    async def forget_reader(self, reader: str) -> None:
        """Keep nothing any more for *reader*."""
        name = checked_reader(reader)
        with self._lock:
            self._readers.pop(name or "", None)

    def _place(self, after: str | int) -> int:
        """Return the number of the last event that was read."""
        if after == END:
            return self._last
        if after == START or int(after) > self._last:
            return self._last - len(self._kept)
        return int(after)

    def _add(self, topic: str, text: str) -> str | None:
        """Return the position of the new event, or None while there is no room."""
        with self._lock:
            if len(self._kept) >= self._keep:
                if not self._drops and self._is_awaited(self._kept[0].number):
                    return None
                self._kept.popleft()
            self._last += 1
            self._kept.append(_Kept(self._last, topic, text, self._clock()))
            return str(self._last)

    def _is_awaited(self, number: int) -> bool:
        now = self._clock()
        self._readers = {n: r for n, r in self._readers.items() if r[1] > now}
        return any(read < number for read, _ in self._readers.values())

    def _note(self, name: str | None, place: int, wait: float) -> None:
        if name is not None:
            ends = self._clock() + wait + self._reader_timeout
            with self._lock:
                self._readers[name] = (place, ends)

    def _read(self, fits: Matches, place: int, most: int) -> EventPage:
        with self._lock:
            oldest = self._last - len(self._kept)  # the number before it
            later = list(islice(self._kept, max(place - oldest, 0), None))
        found = [kept for kept in later if fits(kept.topic)][:most]
        end = found[-1].number if len(found) == most else max(self._last, place)
        dropped = max(oldest - place, 0)
        return EventPage(tuple(map(_event, found)), str(end), dropped)


def _event(kept: _Kept) -> Event:
    return Event(kept.topic, unpacked(kept.body), str(kept.number), kept.published)
