"""The latest events in a SQLite file, for all processes of a machine."""

from __future__ import annotations

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

from ._bell import Bell
from ._sqlite_queue import LONGEST_PAUSE, together

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from pegboard.contracts.event_rules import Matches, Overflow
    from pegboard.descriptors import Context

    from ._sqlite_file import SqliteFile

EVENT_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS event (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        topic TEXT NOT NULL,
        body TEXT NOT NULL,
        published REAL NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS event_reader (
        name TEXT PRIMARY KEY,
        number INTEGER NOT NULL,
        expires REAL NOT NULL
    ) WITHOUT ROWID
    """,
)
ADD = "INSERT INTO event (topic, body, published) VALUES (?, ?, ?) RETURNING number"
TRIM = "DELETE FROM event WHERE number <= ?"
# Each alone is found at an end of the table; both at once would read all of it.
BOUNDS = """
    SELECT (SELECT min(number) FROM event), (SELECT max(number) FROM event)
"""
AWAITED = "SELECT 1 FROM event_reader WHERE number < ? AND expires > ? LIMIT 1"
READ = """
    SELECT number, topic, body, published FROM event WHERE number > ? ORDER BY number
"""
NOTE = """
    INSERT INTO event_reader (name, number, expires) VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE
    SET number = excluded.number, expires = excluded.expires
"""
FORGET = "DELETE FROM event_reader WHERE name = ? OR expires <= ?"


class SqliteEvents:
    """
    The latest events in a SQLite file.

    Their numbers have no gaps, so that what was dropped can be counted. Readers write
    down how far they are only where nothing may be dropped.
    """

    def __init__(  # noqa: PLR0913 - as the settings have it
        self,
        file: SqliteFile,
        context: Context,
        *,
        keep: int,
        overflow: Overflow,
        block_timeout: float,
        reader_timeout: float,
    ) -> None:
        self._file = file
        self._address = context.address
        self._clock = context.clock
        self._keep = keep
        self._drops = overflow == "drop"
        self._block_timeout = block_timeout if overflow == "block" else 0.0
        self._reader_timeout = reader_timeout
        self._bell = Bell()

    async def publish_event(self, topic: str, body: Any) -> str:
        """Add an event, and return its position."""
        text = checked_event(topic, body)

        async def attempt() -> str | None:
            values = (topic, text, self._clock())
            return await self._file.run(_add, values, self._keep, self._drops)

        position = await attempt() or await until_there_is_room(
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
        place = await self._file.run(_place, checked_after(after))
        name, seconds = checked_reader(reader), checked_seconds("wait", wait)
        if name and not self._drops:
            ends = self._clock() + seconds + self._reader_timeout
            await self._file.run(_change, NOTE, (name, place, ends))
        found: list[EventPage] = []

        async def look() -> tuple[list[EventPage], float]:
            found[:] = [await self._file.run(_read, fits, place, most)]
            return (found if found[0].events else []), LONGEST_PAUSE

        await self._bell.until(look, seconds)
        return found[0]

    async def forget_reader(self, reader: str) -> None:
        """Keep nothing any more for *reader*, and for those that were not heard of."""
        values = (checked_reader(reader), self._clock())
        if not self._drops:
            await self._file.run(_change, FORGET, values)


def _change(
    connection: sqlite3.Connection, sql: str, values: tuple[object, ...]
) -> None:
    connection.execute(sql, values)


def _bounds(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the numbers before the oldest event and of the newest."""
    oldest, newest = connection.execute(BOUNDS).fetchone()
    return (0, 0) if newest is None else (oldest - 1, newest)


def _place(connection: sqlite3.Connection, after: str | int) -> int:
    """Return the number of the last event that was read."""
    oldest, newest = _bounds(connection)
    if after == END:
        return newest
    return oldest if after == START or int(after) > newest else int(after)


def _add(
    connection: sqlite3.Connection,
    values: tuple[str, str, float],
    keep: int,
    drops: bool,  # noqa: FBT001 - a setting
) -> str | None:
    """Return the position of the new event, or None while there is no room."""
    with together(connection):
        if not drops and _is_awaited(connection, keep, values[-1]):
            return None
        ((number,),) = connection.execute(ADD, values).fetchall()
        connection.execute(TRIM, (number - keep,))
        return str(number)


def _is_awaited(connection: sqlite3.Connection, keep: int, now: float) -> bool:
    """Tell whether the oldest event would have to go, and somebody has not read it."""
    oldest, newest = _bounds(connection)
    if newest - oldest < keep:
        return False
    behind = connection.execute(AWAITED, (oldest + 1, now)).fetchone()
    return behind is not None


def _read(
    connection: sqlite3.Connection, fits: Matches, place: int, most: int
) -> EventPage:
    connection.execute("BEGIN")  # so that the bounds are those of what is read
    try:
        oldest, newest = _bounds(connection)
        rows = connection.execute(READ, (place,))
        found = _fitting(rows, fits, most)
    finally:
        connection.execute("COMMIT")
    end = int(found[-1].position) if len(found) == most else max(newest, place)
    return EventPage(tuple(found), str(end), max(oldest - place, 0))


def _fitting(rows: sqlite3.Cursor, fits: Matches, most: int) -> list[Event]:
    found = []
    for number, topic, body, published in rows:
        if fits(topic):
            found.append(Event(topic, unpacked(body), str(number), published))
            if len(found) == most:
                break
    rows.close()
    return found
