"""Errors of file systems as those of pegboard."""

from __future__ import annotations

import ftplib
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pegboard import errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pegboard.errors import CallError, RequestSent

Meaning = tuple["type[CallError]", "RequestSent", str]
AUTHENTICATION: Meaning = (errors.Authentication, "no", "does not let us in")
BROKEN: Meaning = (errors.ConnectionFailed, "maybe", "broke the connection")
UNREACHED: Meaning = (errors.ConnectionFailed, "no", "could not be reached")

BY_NAME: Mapping[str, Meaning] = {
    "AuthenticationException": AUTHENTICATION,
    "BadHostKeyException": AUTHENTICATION,
    "NoValidConnectionsError": UNREACHED,
    "SSHException": BROKEN,
    "NoCredentialsError": AUTHENTICATION,
    "ClientConnectorError": UNREACHED,
    "ClientError": BROKEN,
}
"""By the names of classes in SDKs that fsspec brings when it needs them."""
BY_CLASS: Mapping[type[BaseException], Meaning] = {
    NotImplementedError: (errors.Unsupported, "no", "cannot do this"),
    ModuleNotFoundError: (errors.Unsupported, "no", "needs another package"),
    ImportError: (errors.Unsupported, "no", "needs another package"),
    FileNotFoundError: (errors.NotFound, "yes", "has no such file or folder"),
    PermissionError: (errors.PermissionDenied, "yes", "does not allow this"),
    ConnectionRefusedError: UNREACHED,
    socket.gaierror: UNREACHED,
    ConnectionError: BROKEN,
    EOFError: BROKEN,
    TimeoutError: (errors.Timeout, "maybe", "did not answer in time"),
    ftplib.Error: (errors.Unavailable, "maybe", "answered with an error"),
    OSError: (errors.Unavailable, "maybe", "cannot be used"),
}
HINTS: Mapping[type[CallError], str] = {
    errors.Authentication: "Check the user in url, options and secrets.",
    errors.ConnectionFailed: "Check url, and whether the server is there.",
}


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise errors of the file system at *where* as those of pegboard."""
    try:
        yield
    except errors.CallError:
        raise
    except Exception as error:
        meaning = _meaning(error)
        if meaning is None:
            raise
        kind, sent, what = meaning
        told = f" ({error})" if str(error) else ""
        message = f"{where} {what}{told}. {HINTS.get(kind, '')}".rstrip()
        raise kind(message, request_sent=sent) from error


def _meaning(error: Exception) -> Meaning | None:
    for kind in type(error).__mro__:
        if found := BY_NAME.get(kind.__name__) or BY_CLASS.get(kind):
            return found
    return None
