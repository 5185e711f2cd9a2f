"""A queue in a SQLite file, shared by all processes of a machine."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
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
    import sqlite3
    from collections.abc import Generator, Mapping, Sequence

    from pegboard.contracts.queue_rules import Packed
    from pegboard.descriptors import Context

    from ._sqlite_file import SqliteFile

NEVER = 2**62
"""Deliveries that no message gets to."""
LONGEST_PAUSE = 0.05
"""Seconds between two looks at what other processes may have put in."""

_MESSAGE = "id, body, attributes, sender_group, published"
QUEUE_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS queue_message (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL,
        body TEXT NOT NULL,
        attributes TEXT NOT NULL,
        sender_group TEXT,
        published REAL NOT NULL,
        due REAL NOT NULL,
        deliveries INTEGER NOT NULL DEFAULT 0,
        is_taken INTEGER NOT NULL DEFAULT 0,
        is_behind INTEGER NOT NULL DEFAULT 0
    )
    """,
    """
    CREATE INDEX IF NOT EXISTS queue_message_due ON queue_message (due)
    WHERE NOT is_behind
    """,
    """
    CREATE INDEX IF NOT EXISTS queue_message_taken ON queue_message (due)
    WHERE is_taken
    """,
    """
    CREATE INDEX IF NOT EXISTS queue_message_group
    ON queue_message (sender_group, position) WHERE sender_group IS NOT NULL
    """,
    """
    CREATE TRIGGER IF NOT EXISTS queue_message_comes AFTER INSERT ON queue_message
    WHEN NEW.sender_group IS NOT NULL AND EXISTS (
        SELECT 1 FROM queue_message
        WHERE sender_group = NEW.sender_group AND position < NEW.position
    )
    BEGIN
        UPDATE queue_message SET is_behind = 1 WHERE position = NEW.position;
    END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS queue_message_goes AFTER DELETE ON queue_message
    WHEN OLD.sender_group IS NOT NULL
    BEGIN
        UPDATE queue_message SET is_behind = 0 WHERE position = (
            SELECT min(position) FROM queue_message
            WHERE sender_group = OLD.sender_group
        );
    END
    """,
    """
    CREATE TABLE IF NOT EXISTS dead_letter (
        place INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL,
        body TEXT NOT NULL,
        attributes TEXT NOT NULL,
        sender_group TEXT,
        published REAL NOT NULL,
        deliveries INTEGER NOT NULL
    )
    """,
)
PUBLISH = f"""
    INSERT INTO queue_message ({_MESSAGE}, due) VALUES (?, ?, ?, ?, ?, ?)
"""  # noqa: S608 - names of our own
TAKE = f"""
    UPDATE queue_message
    SET deliveries = deliveries + 1, is_taken = 1, due = :until
    WHERE position IN (
        SELECT position FROM queue_message WHERE due <= :now AND NOT is_behind
        ORDER BY due, position LIMIT :most
    )
    RETURNING {_MESSAGE}, deliveries, position
"""  # noqa: S608 - names of our own
_IN_FLIGHT = "WHERE position = ? AND deliveries = ? AND is_taken"
ACK = f"DELETE FROM queue_message {_IN_FLIGHT}"  # noqa: S608 - as above
NACK = f"UPDATE queue_message SET is_taken = 0, due = ? {_IN_FLIGHT}"  # noqa: S608
EXTEND = f"UPDATE queue_message SET due = ? {_IN_FLIGHT}"  # noqa: S608
COUNT = """
    SELECT total(due <= :now), total(due > :now AND NOT is_taken),
    total(due > :now AND is_taken) FROM queue_message
"""
LAPSED = "WHERE is_taken AND due <= ? AND deliveries >= ?"
ONE_LAPSED = f"SELECT 1 FROM queue_message {LAPSED} LIMIT 1"  # noqa: S608
LOOK = f"""
    SELECT (SELECT min(due) FROM queue_message WHERE NOT is_behind),
    EXISTS ({ONE_LAPSED})
"""  # noqa: S608 - as above
LIST = f"""
    SELECT {_MESSAGE}, deliveries, place FROM dead_letter WHERE place > ?
    ORDER BY place LIMIT ?
"""  # noqa: S608 - names of our own
REDRIVE = f"""
    INSERT INTO queue_message ({_MESSAGE}, due)
    SELECT {_MESSAGE}, ? FROM dead_letter
"""  # noqa: S608 - names of our own
DISCARD = "DELETE FROM dead_letter"
CHOSEN = " WHERE id IN (SELECT value FROM json_each(?))"


class SqliteQueue:
    """
    A queue in a SQLite file.

    A message is due at a time: at first after its delay, and when it is in flight,
    after its visibility. Taking it is one statement that moves this time on. Of a
    group, all but the first are behind it, until it goes.
    """

    def __init__(
        self,
        file: SqliteFile,
        context: Context,
        *,
        visibility: float,
        max_deliveries: int | None,
    ) -> None:
        self._file = file
        self._clock = context.clock
        self._visibility = visibility
        self._allowed = NEVER if max_deliveries is None else max_deliveries
        self._bell = Bell()

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
        row = self._row(message)
        await self._file.run(_changed, PUBLISH, row)
        self._bell.ring()
        return str(row[0])

    async def publish_many(self, messages: Sequence[NewMessage]) -> Sequence[Published]:
        """Put *messages* into the queue and return what became of each."""
        rows = [self._row(message) for message in all_packed(messages)]
        await self._file.run(_put, rows)
        self._bell.ring()
        return [Published(id=str(row[0])) for row in rows]

    async def receive(
        self, *, limit: int = 1, wait: float = 0.0, visibility: float | None = None
    ) -> Sequence[Delivery]:
        """Take up to *limit* messages, as soon as there is one."""
        most = checked_number(limit)
        hidden = checked_visibility(visibility, self._visibility)

        async def look() -> tuple[list[Delivery], float]:
            now = self._clock()
            values = {"now": now, "until": now + hidden, "most": most}
            rows, due = await self._file.run(_take, values, (now, self._allowed))
            found = [_delivery(*row) for row in rows]
            return found, min(LONGEST_PAUSE, LONGEST_PAUSE if due <= now else due - now)

        return await self._bell.until(look, checked_seconds("wait", wait))

    async def ack(self, receipt: str) -> bool:
        """Remove a message for good; return whether it was still the receiver's."""
        had = await self._file.run(_changed, ACK, delivery_of(receipt))
        self._bell.ring()  # the next one of its group may be due
        return had > 0

    async def nack(self, receipt: str, *, delay: float = 0.0) -> bool:
        """Give a message back; return whether it was still the receiver's."""
        due = self._clock() + checked_seconds("delay", delay)
        position, deliveries = delivery_of(receipt)
        values: tuple[object, ...] = (position, deliveries)
        if deliveries >= self._allowed:
            had = await self._file.run(_bury, _IN_FLIGHT, values)
        else:
            had = await self._file.run(_changed, NACK, (due, *values))
        self._bell.ring()
        return had > 0

    async def extend(self, receipt: str, *, visibility: float | None = None) -> bool:
        """Keep a message for *visibility* seconds; return whether one had it."""
        due = self._clock() + checked_visibility(visibility, self._visibility)
        values = (due, *delivery_of(receipt))
        return await self._file.run(_changed, EXTEND, values) > 0

    async def count(self) -> QueueCounts:
        """Return how many messages there are."""
        now = self._clock()
        await self._bury_lapsed(now)
        (row,) = await self._file.run(_rows, COUNT, {"now": now})
        return QueueCounts(*map(int, row))

    async def list_dead_letters(
        self, *, limit: int = 100, cursor: str | None = None
    ) -> DeadLetterPage:
        """Return up to *limit* messages that were delivered too often."""
        limit, after = checked_number(limit), checked_place(cursor)
        await self._bury_lapsed(self._clock())
        rows = await self._file.run(_rows, LIST, (after, limit + 1))
        letters = tuple(DeadLetter(**_described(*row[:-1])) for row in rows[:limit])
        more = len(rows) > limit
        return DeadLetterPage(letters, str(rows[limit - 1][-1]) if more else None)

    async def redrive(self, ids: Sequence[str] | None = None) -> int:
        """Put dead letters back at the end of the queue; return how many."""
        chosen, now = _chosen(checked_ids(ids)), self._clock()
        await self._bury_lapsed(now)
        moved = await self._file.run(_redrive, now, *chosen)
        self._bell.ring()
        return moved

    async def discard(self, ids: Sequence[str] | None = None) -> int:
        """Remove dead letters for good; return how many there were."""
        where, values = _chosen(checked_ids(ids))
        await self._bury_lapsed(self._clock())
        return await self._file.run(_changed, DISCARD + where, values)

    def _row(self, message: Packed) -> tuple[object, ...]:
        now = self._clock()
        attributes = json.dumps(message.attributes) if message.attributes else "{}"
        due = now + message.delay
        return (new_version(), message.body, attributes, message.group, now, due)

    async def _bury_lapsed(self, now: float) -> None:
        """Move to the dead letters what its last receiver has forgotten."""
        values = (now, self._allowed)
        if await self._file.run(_rows, ONE_LAPSED, values):
            await self._file.run(_bury, LAPSED, values)


@contextmanager
def together(connection: sqlite3.Connection) -> Generator[None]:
    """Have all statements of the block be done, or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _rows(connection: sqlite3.Connection, sql: str, values: Any) -> list[Any]:
    return connection.execute(sql, values).fetchall()


def _changed(
    connection: sqlite3.Connection, sql: str, values: tuple[object, ...]
) -> int:
    return connection.execute(sql, values).rowcount


def _put(connection: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
    with together(connection):
        connection.executemany(PUBLISH, rows)


def _take(
    connection: sqlite3.Connection,
    values: Mapping[str, float],
    lapsed: tuple[object, ...],
) -> tuple[list[tuple[Any, ...]], float]:
    """Return the messages, and when the next one is due if there is none."""
    # Without a lock, which writing needs.
    due, is_one_lapsed = connection.execute(LOOK, lapsed).fetchone()
    if is_one_lapsed:
        _bury(connection, LAPSED, lapsed)
    if due is None or due > values["now"]:
        return [], math.inf if due is None else due
    rows = _rows(connection, TAKE, values)
    return sorted(rows, key=lambda row: row[-1]), due


def _bury(
    connection: sqlite3.Connection, where: str, values: tuple[object, ...]
) -> int:
    with together(connection):
        bury = f"""
            INSERT INTO dead_letter ({_MESSAGE}, deliveries)
            SELECT {_MESSAGE}, deliveries FROM queue_message {where} ORDER BY due
        """  # noqa: S608 - conditions of our own
        connection.execute(bury, values)
        delete = f"DELETE FROM queue_message {where}"  # noqa: S608
        return _changed(connection, delete, values)


def _redrive(
    connection: sqlite3.Connection, now: float, where: str, values: tuple[object, ...]
) -> int:
    with together(connection):
        connection.execute(f"{REDRIVE}{where} ORDER BY place", (now, *values))
        return _changed(connection, DISCARD + where, values)


def _chosen(ids: list[str] | None) -> tuple[str, tuple[object, ...]]:
    return ("", ()) if ids is None else (CHOSEN, (json.dumps(ids),))


def _delivery(*row: Any) -> Delivery:
    *described, position = row
    return Delivery(
        receipt=receipt_of(position, described[-1]), **_described(*described)
    )


def _described(*row: Any) -> dict[str, Any]:
    name, body, attributes, group, published, deliveries = row
    return {
        "id": name,
        "body": unpacked(body),
        "attributes": json.loads(attributes),
        "group": group,
        "deliveries": deliveries,
        "published": published,
    }
