"""Errors of databases and of the way to them, as pegboard's: one table for each."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from pegboard import errors
from sqlalchemy import exc

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from pegboard.errors import CallError, RequestSent

    Kind = tuple[type[CallError], str]

KNOWN = (exc.DBAPIError, exc.TimeoutError, psycopg.Error, sqlite3.Error)
"""Everything that a call can raise because of the database or the way to it."""
WAIT = "Look for a transaction that somebody leaves open."
START = "Check url, and that the server runs there."

ENDED = (errors.ConnectionFailed, "It ended the connection; open another.")

SQLSTATES: Mapping[str, Kind] = {
    "08": (errors.ConnectionFailed, START),
    "0A": (errors.Unsupported, ""),
    "22": (errors.InvalidRequest, ""),
    "23": (errors.InvalidRequest, ""),
    "23505": (errors.Conflict, "Read again and decide anew."),
    "23P01": (errors.Conflict, "Read again and decide anew."),
    "25006": (errors.InvalidRequest, "Write without read_only, and to the primary."),
    "28": (errors.Authentication, "Check the user and the password."),
    "3D": (errors.NotFound, "Check url, or create the database."),
    "40": (errors.Conflict, "Begin the transaction again."),
    "42": (errors.InvalidRequest, ""),
    "42501": (errors.PermissionDenied, "Grant it to the user of url."),
    "53": (errors.Unavailable, ""),
    "53300": (errors.Overloaded, "Lower pool_size, or allow the server more."),
    "54": (errors.InvalidRequest, ""),
    "55P03": (errors.Timeout, WAIT),
    "57": (errors.Unavailable, ""),
    "57014": (errors.Timeout, ""),
    "57P01": ENDED,
    "57P02": ENDED,
    "57P05": ENDED,
}
"""What the codes of PostgreSQL mean, by class and by code, which goes first."""
BUSY = (errors.Timeout, WAIT)
SQLITE: Mapping[int, Kind] = {
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_CANTOPEN: (errors.PermissionDenied, "Check url, and its folder."),
    sqlite3.SQLITE_CONSTRAINT: (errors.InvalidRequest, ""),
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: SQLSTATES["23505"],
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: SQLSTATES["23505"],
    sqlite3.SQLITE_CORRUPT: (errors.InvalidReply, "Restore a backup."),
    sqlite3.SQLITE_ERROR: (errors.InvalidRequest, ""),
    sqlite3.SQLITE_FULL: (errors.Unavailable, "Free some space."),
    sqlite3.SQLITE_LOCKED: BUSY,
    sqlite3.SQLITE_NOTADB: (errors.InvalidReply, "Name another file in url."),
    sqlite3.SQLITE_PERM: (errors.PermissionDenied, ""),
    sqlite3.SQLITE_READONLY: (errors.InvalidRequest, "Write without read_only."),
    sqlite3.SQLITE_TOOBIG: (errors.InvalidRequest, ""),
}
"""What the codes of SQLite mean; an extended code goes before its primary one."""
PRIMARY = 0xFF
OF_THE_REQUEST = (exc.ProgrammingError, exc.DataError, exc.NotSupportedError)
NOT_ACTED = {errors.Authentication, errors.NotFound, errors.Overloaded}
OTHER: Kind = (errors.Unavailable, "")


@contextmanager
def translating(address: str) -> Generator[None]:
    """Raise what the database or the way to it is to blame for as an error of ours."""
    try:
        yield
    except KNOWN as error:
        raise translated(error, address) from error


def translated(error: Exception, address: str) -> CallError:
    """Return the error that stands for *error* of a call to *address*."""
    cause = getattr(error, "orig", None) or error
    kind, advice = _kind(error, cause)
    text = f"The database says: {_words(cause)}. {advice}".rstrip()
    if isinstance(error, exc.TimeoutError):
        text = (
            "All connections were in use for the whole pool_timeout. Raise pool_size "
            "or max_overflow, or keep sessions open for a shorter time."
        )
    ours = kind(text, code=_code(cause), request_sent=_sent(kind, cause))
    if kind is errors.Conflict and ours.code not in {"23505", "23P01"}:
        ours.retryable = isinstance(cause, psycopg.Error)
    ours.address = address
    return ours


def before_sending(error: Exception, address: str) -> CallError:
    """Return the same of an *error* that came before the call's own statement."""
    ours = translated(error, address)
    ours.request_sent = "no"
    return ours


def too_late(seconds: float, address: str) -> errors.Timeout:
    """Return the error for a database that did not answer within *seconds*."""
    error = errors.Timeout(
        f"The database did not answer within {seconds:g} s. "
        "Look at what it does, or raise timeout."
    )
    error.address = address
    return error


def _kind(error: Exception, cause: object) -> Kind:
    if isinstance(error, exc.TimeoutError):
        return errors.Overloaded, ""
    if isinstance(cause, psycopg.Error):
        return _of_postgresql(cause)
    number = getattr(cause, "sqlite_errorcode", None)
    if number is not None:
        return SQLITE.get(number) or SQLITE.get(number & PRIMARY, OTHER)
    if isinstance(error, exc.IntegrityError):
        return SQLSTATES["23505"]
    if getattr(error, "connection_invalidated", False):
        return errors.ConnectionFailed, START
    return (errors.InvalidRequest, "") if isinstance(error, OF_THE_REQUEST) else OTHER


def _of_postgresql(cause: psycopg.Error) -> Kind:
    code = cause.sqlstate
    if code is not None:
        return SQLSTATES.get(code) or SQLSTATES.get(code[:2], OTHER)
    if isinstance(cause, psycopg.errors.ConnectionTimeout):
        return errors.Timeout, START
    if isinstance(cause, psycopg.OperationalError):
        return errors.ConnectionFailed, START
    return errors.InvalidRequest, ""


def _sent(kind: type[CallError], cause: object) -> RequestSent | None:
    """Return whether the database may have acted, where that is known."""
    if kind in NOT_ACTED or isinstance(cause, psycopg.errors.ConnectionTimeout):
        return "no"
    # It says so instead of what it would have said at the end of the statement.
    ended = SQLSTATES.get(getattr(cause, "sqlstate", None) or "") is ENDED
    return "no" if ended else None


def _code(cause: object) -> str | None:
    found = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    return found if isinstance(found, str) else None


def _words(cause: object) -> str:
    """Return the words of the database, without the values that it adds to them."""
    diagnosis = getattr(cause, "diag", None)
    told = getattr(diagnosis, "message_primary", None) or str(cause)
    return " ".join(told.split()).rstrip(".") or type(cause).__name__
