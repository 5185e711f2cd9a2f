"""Vectors in a SQLite file, each compared with what is asked for."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from heapq import nsmallest
from operator import mul
from pathlib import Path
from typing import Any, TypeVar

from pegboard import Context, Options
from pegboard.errors import Unavailable

from .vector_index import (
    Match,
    checked_about,
    checked_key,
    checked_limit,
    direction,
)

Result = TypeVar("Result")
TABLE = """
    CREATE TABLE IF NOT EXISTS entry
    (key TEXT PRIMARY KEY, vector BLOB NOT NULL, about TEXT NOT NULL)
"""


class NeighboursOptions(Options):
    """What settings may say about an index of vectors."""

    path: Path | None = None
    """The file. Default: one in the data folder, named after the instance."""


class Neighbours:
    """
    Vectors in a SQLite file that processes may share.

    Every question reads all of them, in a thread: that is exact, and quick enough for
    some thousands.
    """

    def __init__(self, options: NeighboursOptions, context: Context) -> None:
        self._path = options.path or context.data_folder / f"{context.name}.vectors"

    async def put(
        self,
        key: str,
        values: Sequence[float],
        *,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        """Store a vector under *key*, in place of what was there."""
        text = checked_about(checked_key(key), about)

        def put(file: sqlite3.Connection) -> None:
            vector = array("d", direction(values, _length(file, besides=key)))
            row = (key, vector.tobytes(), text)
            file.execute("INSERT OR REPLACE INTO entry VALUES (?, ?, ?)", row)

        await self._run(put)

    async def nearest(
        self,
        values: Sequence[float],
        *,
        limit: int = 10,
        where: Mapping[str, Any] | None = None,
    ) -> list[Match]:
        """Return up to *limit* entries whose vectors are nearest, the nearest first."""
        most, wanted = checked_limit(limit), dict(where or {})

        def find(file: sqlite3.Connection) -> list[Match]:
            asked = direction(values, _length(file))
            matches = _matches(file, asked)
            fitting = (one for one in matches if one.about == one.about | wanted)
            return nsmallest(most, fitting, lambda one: (-one.score, one.key))

        return await self._run(find)

    async def delete(self, key: str) -> bool:
        """Remove what is stored under *key*; return whether it was there."""
        sql = "DELETE FROM entry WHERE key = ?"
        row = (checked_key(key),)
        return await self._run(lambda file: file.execute(sql, row).rowcount > 0)

    async def count(self) -> int:
        """Return how many entries there are."""
        sql = "SELECT count(*) FROM entry"
        found: int = await self._run(lambda file: file.execute(sql).fetchone()[0])
        return found

    async def _run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        return await asyncio.to_thread(self._transact, work)

    def _transact(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path)) as file, file:
                file.execute(TABLE)
                file.execute("BEGIN IMMEDIATE")
                return work(file)
        except (OSError, sqlite3.Error) as error:
            msg = f"{self._path} cannot be used: {error}."
            raise Unavailable(msg) from error


def _length(file: sqlite3.Connection, *, besides: str | None = None) -> int | None:
    """Return how many numbers the vectors have, if there are any."""
    sql = "SELECT vector FROM entry WHERE key IS NOT ? LIMIT 1"
    found = file.execute(sql, (besides,)).fetchone()
    return found and len(array("d", found[0]))


def _matches(file: sqlite3.Connection, asked: list[float]) -> Iterator[Match]:
    for key, vector, about in file.execute("SELECT key, vector, about FROM entry"):
        score = sum(map(mul, asked, array("d", vector)))
        yield Match(key, score, json.loads(about))
