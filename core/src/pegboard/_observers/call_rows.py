"""
The table of calls: a SQLite file that several processes write and read.

It is opened anew for every batch of rows, so that nothing is held between them and a
process may fork when it likes.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

VERSION = 1
LONGEST_WAIT = 5.0
"""Seconds for which a batch waits until others have written theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """One call to a model. ``None``: nobody told."""

    began: float
    """Seconds since 1970."""
    address: str
    operation: str
    provider: str
    model: str | None
    outcome: str
    """``ok``, ``cancelled``, or the name of the error."""
    attempts: int
    latency: float
    """Seconds."""
    first_item: float | None = None
    """Seconds until the first item of a stream."""
    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output: int | None = None
    reasoning: int | None = None
    cost: float | None = None
    """US dollars, as the service says, or else by the price list of that day."""
    asked: str | None = None
    """The conversation as JSON, if the settings have it kept."""
    said: str | None = None


COLUMNS = tuple(field.name for field in fields(CallRow))
CREATE = f"""
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY AUTOINCREMENT, {", ".join(COLUMNS)}
)
"""
INSERT = (
    f"INSERT INTO calls ({', '.join(COLUMNS)}) "  # noqa: S608 - our own names
    f"VALUES ({', '.join('?' * len(COLUMNS))})"
)
PRUNE = (
    "DELETE FROM calls WHERE began < ?",
    "DELETE FROM calls WHERE id <= (SELECT max(id) FROM calls) - ?",
)


class UnknownFormatError(Exception):
    """The file was written by another version of pegboard."""


def write(path: Path, rows: Sequence[CallRow], *, oldest: float, most: int) -> None:
    """
    Add *rows*, and remove those from before *oldest* and all but the last *most*.

    Raises:
        UnknownFormatError: The file has another format.
        sqlite3.Error: It cannot be written.
        OSError: Its folder cannot be made.

    """
    _make_file(path)
    with closing(_opened(path)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        _make_table(connection)
        connection.executemany(INSERT, map(astuple, rows))
        for statement, bound in zip(PRUNE, (oldest, most), strict=True):
            connection.execute(statement, (bound,))


def read(
    path: Path, conditions: Iterable[tuple[str, object]], most: int
) -> list[CallRow]:
    """
    Return the newest *most* rows that meet all *conditions*, the oldest first.

    A condition is a piece of SQL such as ``address = ?``, and its value.

    Raises:
        UnknownFormatError: The file has another format.
        sqlite3.Error: It cannot be read.

    """
    texts, values = zip(("id > ?", 0), *conditions, strict=True)
    statement = (
        f"SELECT {', '.join(COLUMNS)} FROM calls "  # noqa: S608 - our own words
        f"WHERE {' AND '.join(texts)} ORDER BY id DESC LIMIT ?"
    )
    with closing(_opened(path)) as connection:
        _check_version(connection)
        found = connection.execute(statement, (*values, most)).fetchall()
    return [CallRow(**dict(zip(COLUMNS, row, strict=True))) for row in reversed(found)]


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=LONGEST_WAIT, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _make_file(path: Path) -> None:
    """Make the file, out of sight of git and of other users: it may be private."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / ".gitignore").write_text("*\n", "utf-8")
    path.touch(mode=0o600)
    with closing(_opened(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def _make_table(connection: sqlite3.Connection) -> None:
    if _version(connection) == 0:
        connection.execute(CREATE)
        connection.execute("CREATE INDEX IF NOT EXISTS calls_began ON calls (began)")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    _check_version(connection)


def _check_version(connection: sqlite3.Connection) -> None:
    version = _version(connection)
    if version != VERSION:
        msg = f"its format is {version}, not {VERSION}: move it away to begin anew"
        raise UnknownFormatError(msg)


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
