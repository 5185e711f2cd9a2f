"""A SQLite file that threads, event loops and processes share."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NoReturn, TypeVar, TypeVarTuple

from pegboard import errors

from ._data_folder import make_ignored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pegboard.descriptors import Context

Durability = Literal["process", "power"]
Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

APPLICATION_ID = int.from_bytes(b"pegb", "big")
"""Marks a file as ours, in the place that SQLite has for such a mark."""
PRAGMAS: dict[Durability, tuple[str, ...]] = {
    "process": ("PRAGMA synchronous = NORMAL",),
    "power": ("PRAGMA synchronous = FULL", "PRAGMA fullfsync = ON"),
}
SHORTEST_PAUSE, LONGEST_PAUSE = 0.0005, 0.02
PRIMARY_CODE = 0xFF
"""The part of SQLite's error codes that tells the kind."""
LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
FAILURES: dict[int, tuple[type[errors.CallError], str]] = {
    sqlite3.SQLITE_CANTOPEN: (errors.PermissionDenied, "cannot be opened"),
    sqlite3.SQLITE_CORRUPT: (errors.InvalidReply, "is damaged; restore a backup"),
    sqlite3.SQLITE_FULL: (errors.Unavailable, "cannot grow; free some space"),
    sqlite3.SQLITE_PERM: (errors.PermissionDenied, "may not be written"),
    sqlite3.SQLITE_READONLY: (errors.PermissionDenied, "may not be written"),
    sqlite3.SQLITE_TOOBIG: (errors.InvalidRequest, "cannot hold so big a value"),
}
OTHER_FAILURE = (errors.Unavailable, "cannot be used")


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of a file, and how to make them where they are missing."""

    version: int
    statements: tuple[str, ...]
    application_id: int = APPLICATION_ID
    """Tells a file with these tables from one with others of ours."""


class SqliteFile:
    """
    A SQLite file, opened when it is first used.

    A statement takes some 10 µs, which is less than handing it to a thread. So it
    runs where it is asked for, on a connection that nobody else uses meanwhile.
    SQLite itself never waits for a lock: the coroutine does, and its event loop
    goes on.
    """

    def __init__(
        self,
        path: Path,
        schema: Schema,
        context: Context,
        *,
        busy_timeout: float,
        durability: Durability,
    ) -> None:
        self._path = path
        self._schema = schema
        self._address = context.address
        self._data_folder = context.data_folder
        self._busy_timeout = busy_timeout
        self._pragmas = PRAGMAS[durability]
        self._idle: list[sqlite3.Connection] = []
        self._pid = os.getpid()
        self._inherited: list[list[sqlite3.Connection]] = []

    async def run(
        self,
        work: Callable[[sqlite3.Connection, *Arguments], Result],
        *arguments: *Arguments,
    ) -> Result:
        """
        Return what *work* does with a connection; while the file is locked, wait.

        *work* is called again after it met a lock, so its only change comes last.

        Raises:
            Timeout: The file stayed locked for the busy timeout.

        """
        try:
            return self._attempt(work, *arguments)
        except errors.Timeout:
            return await self._insist(work, *arguments)

    async def aclose(self) -> None:
        """Close all connections. The next use opens a new one."""
        idle, self._idle = self._idle, []
        _close_all(idle)

    async def _insist(
        self,
        work: Callable[[sqlite3.Connection, *Arguments], Result],
        *arguments: *Arguments,
    ) -> Result:
        time = asyncio.get_running_loop().time
        ends = time() + self._busy_timeout
        pauses = _pauses()
        while time() < ends:
            await asyncio.sleep(next(pauses))
            with suppress(errors.Timeout):
                return self._attempt(work, *arguments)
        return self._attempt(work, *arguments)

    def _attempt(
        self,
        work: Callable[[sqlite3.Connection, *Arguments], Result],
        *arguments: *Arguments,
    ) -> Result:
        idle = self._idle if self._pid == os.getpid() else self._leave_to_parent()
        try:
            connection = idle.pop()
        except IndexError:
            connection = self._open()
        try:
            return work(connection, *arguments)
        except sqlite3.Error as error:
            self._fail(error)
        finally:
            idle.append(connection)
            if idle is not self._idle:  # closed meanwhile, by another thread
                _close_all(idle)

    def _leave_to_parent(self) -> list[sqlite3.Connection]:
        """Set aside, unused and unclosed, what a fork brought: SQLite forbids both."""
        self._inherited.append(self._idle)
        self._idle, self._pid = [], os.getpid()
        return self._idle

    def _open(self) -> sqlite3.Connection:
        self._make_folder()
        if self._path.is_dir():
            self._refuse(f"{self._path} is a folder. Name a file in it.")
        try:
            return self._connect()
        except sqlite3.Error as error:
            self._fail(error)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if not self._is_ours(connection):
            connection.execute("PRAGMA journal_mode = WAL")
            self._create_tables(connection)
        for pragma in self._pragmas:
            connection.execute(pragma)

    def _is_ours(self, connection: sqlite3.Connection) -> bool:
        """Tell whether the tables were made; refuse what others made."""
        connection.execute("BEGIN")  # so that all three are of one moment
        (mark,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("COMMIT")
        ours = self._schema.application_id
        if mark != ours and (mark or tables):
            self._refuse(f"{self._path} belongs to another program. Name a new file.")
        if mark == ours and version > self._schema.version:
            self._refuse_newer(version)
        return bool(mark)

    def _create_tables(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        for statement in self._schema.statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {self._schema.application_id}")
        connection.execute(f"PRAGMA user_version = {self._schema.version}")
        connection.execute("COMMIT")

    def _make_folder(self) -> None:
        try:
            if self._data_folder in self._path.parents:
                make_ignored(self._data_folder)
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            denied = isinstance(error, PermissionError)
            kind = errors.PermissionDenied if denied else errors.Unavailable
            text = f"The folder {self._path.parent} cannot be made: {error.strerror}."
            raise self._placed(kind(text, request_sent="no")) from error

    def _fail(self, error: sqlite3.Error) -> NoReturn:
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:  # not SQLite's answer but a mistake in calling it
            raise error
        kind = code & PRIMARY_CODE
        if kind == sqlite3.SQLITE_NOTADB:
            self._refuse(f"{self._path} is not a SQLite file. Name another.", error)
        raise self._placed(self._failure(kind, error)) from error

    def _failure(self, kind: int, error: sqlite3.Error) -> errors.CallError:
        if kind in LOCKED:
            text = (
                f"Others kept {self._path} locked for {self._busy_timeout:g} s. Look "
                "for a transaction that someone leaves open, or raise busy_timeout."
            )
            return errors.Timeout(text, request_sent="no")
        error_class, what = FAILURES.get(kind, OTHER_FAILURE)
        return error_class(f"{self._path} {what} (SQLite: {error}).")

    def _placed(self, error: errors.CallError) -> errors.CallError:
        error.address = self._address
        return error

    def _refuse(self, message: str, cause: Exception | None = None) -> NoReturn:
        problem = errors.Problem(f"{self._address}.path", message)
        raise errors.SettingsError(problem) from cause

    def _refuse_newer(self, version: int) -> NoReturn:
        msg = (
            f"{self._path} was written by a newer pegboard (schema {version}; this one "
            f"knows {self._schema.version}). Upgrade pegboard, or name another file "
            f"as {self._address}.path."
        )
        raise errors.PluginError(msg)


def _close_all(connections: list[sqlite3.Connection]) -> None:
    with suppress(IndexError):
        while True:
            connections.pop().close()


def _pauses() -> Iterator[float]:
    """Yield growing pauses, each a bit random so that no two keep meeting."""
    pause = SHORTEST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
        pause = min(pause * 2, LONGEST_PAUSE)
