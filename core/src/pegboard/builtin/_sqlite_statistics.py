"""What SQLite knows of how rare values are: without it, it takes the wrong index."""

from __future__ import annotations

import sqlite3
from contextlib import suppress

FEW, GROWTH = 100, 10
"""Rows that need no counting, and how many times as many need it anew."""
HIGHEST = "SELECT coalesce(max(rowid), 0) FROM {table}"
ROWS = "SELECT count(*) FROM {table}"
HAS_COUNTS = "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'"
COUNTED = "SELECT max(CAST(stat AS INTEGER)) FROM sqlite_stat1 WHERE tbl = ?"
LOOK_AT_SOME = "PRAGMA analysis_limit = 400"


def count_anew(
    connection: sqlite3.Connection, table: str, *, has_new_index: bool = False
) -> None:
    """Count *table*, a little of each index, if it has grown or has another index."""
    known = 0 if has_new_index else _counted(connection, table)
    enough = max(FEW, GROWTH * known)
    # The first number costs nothing, and is too high where rows were deleted.
    for sql in (HIGHEST, ROWS):
        (rows,) = connection.execute(sql.format(table=table)).fetchone()
        if rows < enough:
            return
    with suppress(sqlite3.OperationalError):  # who finds it locked leaves it to others
        connection.execute(LOOK_AT_SOME)
        connection.execute(f"ANALYZE {table}")


def _counted(connection: sqlite3.Connection, table: str) -> int:
    if not connection.execute(HAS_COUNTS).fetchall():
        return 0
    (rows,) = connection.execute(COUNTED, (table,)).fetchone()
    return rows or 0
