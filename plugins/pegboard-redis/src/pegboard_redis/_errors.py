"""Errors of the server and of the way to it, as pegboard's: one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pegboard import errors

if TYPE_CHECKING:
    from hiredis import ReplyError
    from pegboard.errors import CallError, RequestSent

CLUSTER = "This is a cluster, which pegboard-redis does not speak to. Name one server."
WAIT = "It may be able to soon."
CODES: Mapping[str, tuple[type[CallError], str]] = {
    "ASK": (errors.Unsupported, CLUSTER),
    "BUSY": (errors.Overloaded, "A script keeps it busy."),
    "CLUSTERDOWN": (errors.Unavailable, WAIT),
    "CROSSSLOT": (errors.Unsupported, CLUSTER),
    "LOADING": (errors.Unavailable, WAIT),
    "MASTERDOWN": (errors.Unavailable, WAIT),
    "MISCONF": (errors.Unavailable, "Look at its disk."),
    "MOVED": (errors.Unsupported, CLUSTER),
    "NOAUTH": (errors.Authentication, "Set a password."),
    "NOPERM": (errors.PermissionDenied, "Allow it by ACL SETUSER."),
    "NOREPLICAS": (errors.Unavailable, WAIT),
    "OOM": (errors.Unavailable, "Its memory is full; raise its maxmemory."),
    "READONLY": (errors.Unavailable, "It is a replica; the next call connects anew."),
    "TRYAGAIN": (errors.Unavailable, WAIT),
    "WRONGPASS": (errors.Authentication, "Check username and password."),
    "WRONGTYPE": (
        errors.InvalidReply,
        "Something else wrote it; delete or rewrite the key.",
    ),
}
"""What the first word of an error says. With any of these, nothing was done."""
OTHER = (errors.InvalidRequest, "")
IN_SCRIPT = "ERR Error running script "
"""What Redis 6 puts before the error of a command that a script made."""
REPLICA = "READONLY"
NO_SCRIPT = "NOSCRIPT"


def code_of(error: ReplyError) -> str:
    """Return the first word of *error*, which tells its kind."""
    text = str(error)
    if text.startswith(IN_SCRIPT):
        text = text.rpartition(": -")[2]
    return text.partition(" ")[0]


def refusal(error: ReplyError) -> CallError:
    """Return the error that stands for the server's *error*."""
    code = code_of(error)
    kind, advice = CODES.get(code, OTHER)
    sent: RequestSent = "no" if code in CODES else "maybe"
    told = str(error).rstrip(".")
    text = f"The server refused: {told}. {advice}".rstrip()
    return kind(text, request_sent=sent, code=code)


def refused_handshake(error: ReplyError, place: str, *, hide: bool) -> CallError:
    """Return the error for a connection to *place* that began with *error*."""
    # What a server says may repeat what it was sent, and that was a password.
    code = code_of(error)
    kind, advice = CODES.get(code, (errors.ConnectionFailed, ""))
    told = code if hide else str(error).rstrip(".")
    text = f"The server at {place} refused the connection: {told}. {advice}"
    return kind(text.rstrip(), request_sent="no", code=code)
