"""
The stats of a board as a file, for other processes to read.

It holds numbers and names alone: neither what was asked and said, nor what errors say.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from contextlib import suppress
from contextvars import Context
from dataclasses import asdict
from threading import Lock
from typing import TYPE_CHECKING, Any

from pegboard._log import logger_of
from pegboard.contracts.chat import Usage
from pegboard.observers import CallFailed, CallFinished
from pegboard.stats import Latency, Spending, Stats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pegboard.observers import Event

FORMAT = 2
KEPT = 24 * 3600.0
"""Seconds for which files of processes that ended are kept."""


class StatsFile:
    """An observer that has stats written some seconds after a call ends."""

    def __init__(
        self,
        folder: Path,
        every: float,
        clock: Callable[[], float],
        stats: Callable[[], Mapping[str, Stats]],
    ) -> None:
        self._path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.json"
        self._every = every
        self._clock = clock
        self._stats = stats
        self._lock = Lock()
        self._writing: asyncio.Task[None] | None = None
        self._is_closed = False

    def notify(self, event: Event) -> None:
        """Have the stats written, unless they are about to be."""
        if not isinstance(event, CallFinished | CallFailed):
            return
        with self._lock:
            if not self._is_closed and _is_over(self._writing):
                loop = asyncio.get_running_loop()
                # A context of its own: the deadline of the call is not its.
                self._writing = loop.create_task(self._write_later(), context=Context())

    def close(self) -> None:
        """Write the last stats, if there are any."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            writing, self._writing = self._writing, None
            if stats := self._stats():
                self._write(stats, ended=True)
        if writing is not None and not _is_over(writing):
            writing.get_loop().call_soon_threadsafe(writing.cancel)

    async def _write_later(self) -> None:
        await asyncio.sleep(self._every)
        with self._lock:
            self._writing = None
            if not self._is_closed:
                self._write(self._stats(), ended=False)

    def _write(self, stats: Mapping[str, Stats], *, ended: bool) -> None:
        text = json.dumps(
            {
                "format": FORMAT,
                "written": self._clock(),
                "ended": ended,
                "stats": {address: _plain(one) for address, one in stats.items()},
            }
        )
        try:
            self._make_folder()
            part = self._path.with_suffix(".part")
            part.write_text(text, "utf-8")
            part.replace(self._path)
        except OSError as error:
            logger_of("stats").error("Stats were not written: {}", error)

    def _make_folder(self) -> None:
        """Make the folder, out of sight of git, and remove what is old from it."""
        folder = self._path.parent
        if self._path.exists():
            return
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("*\n", "utf-8")
        for file in (*folder.glob("*.json"), *folder.glob("*.part")):
            with suppress(FileNotFoundError):  # another process may be as far
                if self._clock() - file.stat().st_mtime > KEPT:
                    file.unlink()


def read(text: str) -> tuple[float, bool, dict[str, Stats]]:
    """
    Return when the file with *text* was written, whether as the last, and its stats.

    Raises:
        ValueError: It is no such file.

    """
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            msg = f"format {data['format']!r} is unknown"
            raise ValueError(msg)
        stats = {address: _stats(one) for address, one in data["stats"].items()}
        return float(data["written"]), bool(data["ended"]), stats
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"it does not hold stats: {error!r}"
        raise ValueError(msg) from error


def _plain(stats: Stats) -> dict[str, Any]:
    """Return *stats* without what an error said, which may quote what was asked."""
    values = asdict(stats)
    del values["last_error"]
    return values


def _stats(values: dict[str, Any]) -> Stats:
    spent = (one | {"usage": Usage(**one["usage"])} for one in values["spent"])
    made = {
        "latency": _latency(values["latency"]),
        "first_item": _latency(values["first_item"]),
        "usage": Usage(**values["usage"]),
        "spent": tuple(Spending(**one) for one in spent),
        "failures": dict(values["failures"]),
        "retried": dict(values["retried"]),
    }
    return Stats(**(values | made))


def _latency(values: dict[str, Any]) -> Latency:
    buckets = {int(bucket): int(n) for bucket, n in values["buckets"].items()}
    return Latency(buckets=buckets, longest=values["longest"])


def _is_over(task: asyncio.Task[None] | None) -> bool:
    return task is None or task.done() or task.get_loop().is_closed()
