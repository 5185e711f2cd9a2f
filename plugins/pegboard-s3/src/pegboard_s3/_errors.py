"""Errors of the service and of the way to it, as pegboard's: one table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from obstore import exceptions
from pegboard import errors
from pegboard.http import error_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pegboard.errors import CallError, RequestSent

# obstore tells kinds of errors apart by classes only where its own code does. Of all
# others, status and kind stand in the structure that it prints below this line.
STRUCTURE = "\nDebug source:\n"
STATUS = re.compile(r"\bstatus: (\d{3}),|code: (\d{3}) ")
CODE = re.compile(r"<Code>(\w+)</Code>")
TOLD = re.compile(r"<Message>([^<\n]{1,300})")
KIND = re.compile(r"HttpError \{\s+kind: (\w+)")

KNOWN = (exceptions.BaseError, FileNotFoundError, ValueError)
"""Everything that a call can raise because of the service or the way to it."""
BY_CLASS: Mapping[type[Exception], type[CallError]] = {
    exceptions.AlreadyExistsError: errors.Conflict,
    exceptions.PreconditionError: errors.Conflict,
    exceptions.PermissionDeniedError: errors.PermissionDenied,
    exceptions.UnauthenticatedError: errors.Authentication,
    exceptions.InvalidPathError: errors.InvalidRequest,
    FileNotFoundError: errors.NotFound,
    ValueError: errors.InvalidRequest,
}
BY_CODE: Mapping[str, type[CallError]] = {
    "ExpiredToken": errors.Authentication,
    "InvalidAccessKeyId": errors.Authentication,
    "InvalidToken": errors.Authentication,
    "SignatureDoesNotMatch": errors.Authentication,
    "RequestTimeTooSkewed": errors.Authentication,
    "SlowDown": errors.Overloaded,
    "ServiceUnavailable": errors.Overloaded,
    "RequestTimeout": errors.Timeout,
    "QuotaExceeded": errors.QuotaExceeded,
    "NoSuchBucket": errors.NotFound,
    "ContainerNotFound": errors.NotFound,
    "AuthenticationFailed": errors.Authentication,
    "ServerBusy": errors.Overloaded,
    "OperationTimedOut": errors.Timeout,
    "AuthorizationHeaderMalformed": errors.InvalidRequest,
}
BUCKETS = {"NoSuchBucket", "ContainerNotFound"}
BY_KIND: Mapping[str, tuple[type[CallError], RequestSent, str]] = {
    "Connect": (errors.ConnectionFailed, "no", "could not be reached"),
    "Timeout": (errors.Timeout, "maybe", "did not answer in time"),
    "Decode": (errors.InvalidReply, "yes", "answered with something unreadable"),
}
BROKEN: tuple[type[CallError], RequestSent, str] = (
    *(errors.ConnectionFailed, "maybe"),
    "broke the connection",
)
HINTS: Mapping[type[CallError], str] = {
    errors.Authentication: "Check the key and the clock.",
    errors.PermissionDenied: "Check what the key may do there.",
    errors.ConnectionFailed: "Check url, endpoint and region.",
}


def translated(error: Exception, where: str) -> CallError:
    """Return the error that stands for *error* of a call to the bucket *where*."""
    text = str(error)
    code = _first(CODE, text)
    status = status_of(error)
    kind = BY_CODE.get(code or "") or _class_of(error, status)
    if kind is None:
        return _interrupted(text, where)
    told = _first(TOLD, text) or text.partition(STRUCTURE)[0].partition("\n")[0]
    message = f"{where} answered {status or 'with an error'}: {told} "
    return kind(f"{message}{_hint(kind, code)}".rstrip(), status=status, code=code)


def status_of(error: Exception) -> int | None:
    """Return the HTTP status that *error* came with, if there was one."""
    found = _first(STATUS, str(error))
    return int(found) if found else None


def is_missing_bucket(error: Exception) -> bool:
    """Return whether not the blob but its bucket does not exist."""
    return _first(CODE, str(error)) in BUCKETS


def _class_of(error: Exception, status: int | None) -> type[CallError] | None:
    for kind, ours in BY_CLASS.items():
        if isinstance(error, kind):
            return ours
    return None if status is None else error_class(status)


def _interrupted(text: str, where: str) -> CallError:
    kind, sent, happened = BY_KIND.get(_first(KIND, text) or "", BROKEN)
    told = text.partition(STRUCTURE)[0].partition("\n")[0]
    message = f"{where} {happened}: {told}. {HINTS.get(kind, '')}".rstrip()
    return kind(message, request_sent=sent)


def _hint(kind: type[CallError], code: str | None) -> str:
    if code in BUCKETS:
        return "Create the bucket or container, or check url, region and endpoint."
    return HINTS.get(kind, "")


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return next(filter(None, found.groups()), None) if found else None
