"""The latest events on a Redis or Valkey server."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from pegboard.contracts.event_log import END, START, Event, EventPage
from pegboard.contracts.event_rules import (
    checked_after,
    checked_event,
    checked_reader,
    matcher,
    until_there_is_room,
)
from pegboard.contracts.queue_rules import checked_number, checked_seconds, unpacked

from ._scripts import Script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pegboard.contracts.event_rules import Matches, Overflow

    from ._bell import Bell
    from ._client import Client

MOST_AT_ONCE = 1000
"""Events of one answer, for nobody else is served meanwhile."""

NAMES = """
local log, last, readers, leases = KEYS[1], KEYS[1]..'last', KEYS[1]..'readers',
  KEYS[1]..'leases'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function number_of(entry)
  return entry and tonumber(string.match(entry[1], '^%d+')) or nil
end
local newest = tonumber(redis.call('GET', last) or '0')
local oldest = number_of(redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1])
"""
PUBLISH = Script.of(
    NAMES,
    """
local keep = tonumber(ARGV[3])
if ARGV[4] == '' and redis.call('XLEN', log) >= keep then
  local past = string.format('%.0f', now)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', past)) do
    redis.call('ZREM', leases, name)
    redis.call('ZREM', readers, name)
  end
  local behind = redis.call('ZRANGE', readers, 0, 0, 'WITHSCORES')[2]
  if behind and tonumber(behind) < oldest then
    return false
  end
end
local number = string.format('%.0f', redis.call('INCR', last))
local published = string.format('%.0f', now)
redis.call('XADD', log, 'MAXLEN', keep, number..'-0',
  't', ARGV[1], 'b', ARGV[2], 'p', published)
return number
""",
)
"""Topic, body, keep, whether to drop: returns the number, or nothing without room."""
PLACE = Script.of(
    NAMES,
    """
return {string.format('%.0f', oldest and oldest - 1 or newest),
  string.format('%.0f', newest)}
""",
)
"""Returns the numbers before the oldest event, and of the newest."""
READ = Script.of(
    NAMES,
    """
local place, before = ARGV[1], oldest and oldest - 1 or newest
if tonumber(place) > newest then
  place = string.format('%.0f', before)
end
if ARGV[3] ~= '' then
  redis.call('ZADD', readers, place, ARGV[3])
  redis.call('ZADD', leases, string.format('%.0f', now + ARGV[4]), ARGV[3])
end
local found = redis.call('XRANGE', log, '('..place..'-0', '+', 'COUNT', ARGV[2])
return {found, place, string.format('%.0f', before)}
""",
)
"""
Place, limit, reader, for how long: returns events, the place, which is another one if
the log was begun anew, and the number before the oldest event.
"""


class RedisEvents:
    """
    The latest events on a Redis or Valkey server, in a stream.

    Their numbers have no gaps, so that what was dropped can be counted. Readers are
    written down only where nothing may be dropped.
    """

    def __init__(  # noqa: PLR0913 - as the settings have it
        self,
        client: Client,
        bell: Bell,
        key: bytes,
        *,
        address: str,
        keep: int,
        overflow: Overflow,
        block_timeout: float,
        reader_timeout: float,
    ) -> None:
        self._client = client
        self._bell = bell
        self._key = key
        self._address = address
        self._keep = keep
        self._drops = overflow == "drop"
        self._block_timeout = block_timeout if overflow == "block" else 0.0
        self._reader_timeout = reader_timeout

    async def publish_event(self, topic: str, body: Any) -> str:
        """Add an event, and return its position."""
        values = (topic, checked_event(topic, body), self._keep)

        async def attempt() -> str | None:
            drop = "drop" if self._drops else ""
            position: str | None = await self._run(PUBLISH, *values, drop)
            return position

        return await attempt() or await until_there_is_room(
            attempt, self._block_timeout, self._address
        )

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
        name, seconds = checked_reader(reader), checked_seconds("wait", wait)
        place = await self._place(checked_after(after))
        lease = math.ceil((seconds + self._reader_timeout) * 1000)
        noted = ("" if name is None or self._drops else name, lease)
        time = asyncio.get_running_loop().time
        ends, dropped = time() + seconds, 0
        while True:
            page, is_whole = await self._read(fits, place, most, noted)
            place, dropped = int(page.position), dropped + page.dropped
            left = ends - time()
            if page.events or (is_whole and left <= 0):
                return EventPage(page.events, page.position, dropped)
            if is_whole:
                await self._bell.wait(f"{place}-0", left)

    async def forget_reader(self, reader: str) -> None:
        """Keep nothing any more for *reader*."""
        name = checked_reader(reader) or ""
        for key in (b"readers", b"leases"):
            await self._client.call("ZREM", self._key + key, name)

    async def _place(self, after: str | int) -> int:
        """Return the number of the last event that was read."""
        if isinstance(after, int):
            return after
        oldest, newest = await self._run(PLACE)
        return int(oldest if after == START else newest)

    async def _read(
        self, fits: Matches, place: int, most: int, noted: tuple[str, int]
    ) -> tuple[EventPage, bool]:
        """Return some events, and whether these were all that there are."""
        rows, read, oldest = await self._run(READ, place, MOST_AT_ONCE, *noted)
        place = int(read)
        dropped = max(int(oldest) - place, 0)
        found: list[Event] = []
        for entry, fields in rows:
            place = int(entry.partition("-")[0])
            if fits(fields[1]):
                found.append(_event(place, *fields[1::2]))
            if len(found) == most:
                break
        is_whole = len(rows) < MOST_AT_ONCE
        place = max(place, int(oldest))
        return EventPage(tuple(found), str(place), dropped), is_whole

    async def _run(self, script: Script, *values: Any) -> Any:
        return await self._client.run(script, (self._key,), *values)


def _event(number: int, topic: str, body: str, published: str) -> Event:
    return Event(topic, unpacked(body), str(number), int(published) / 1000)
