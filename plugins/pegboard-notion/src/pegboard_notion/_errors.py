"""Errors of Notion and of the way to it, as pegboard's: one table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import httpx
from notion_client.errors import (
    APIErrorCode,
    HTTPResponseError,
    InvalidPathParameterError,
    RequestTimeoutError,
)
from pegboard import errors
from pegboard.http import error_class, retry_after

if TYPE_CHECKING:
    from pegboard.errors import CallError, RequestSent

KINDS: Mapping[str, type[CallError]] = {
    APIErrorCode.ConflictError: errors.Conflict,
    APIErrorCode.GatewayTimeout: errors.Timeout,
    APIErrorCode.InternalServerError: errors.Unavailable,
    APIErrorCode.InvalidJSON: errors.InvalidRequest,
    APIErrorCode.InvalidRequest: errors.InvalidRequest,
    APIErrorCode.InvalidRequestURL: errors.InvalidRequest,
    APIErrorCode.ObjectNotFound: errors.NotFound,
    APIErrorCode.RateLimited: errors.RateLimited,
    APIErrorCode.RestrictedResource: errors.PermissionDenied,
    APIErrorCode.ServiceUnavailable: errors.Unavailable,
    APIErrorCode.Unauthorized: errors.Authentication,
    APIErrorCode.ValidationError: errors.InvalidRequest,
}
HINTS: Mapping[str, str] = {
    APIErrorCode.ObjectNotFound: (
        "Check the id, and share the page or database with the integration: under its "
        "connections."
    ),
    APIErrorCode.RestrictedResource: "Give the integration this capability.",
    APIErrorCode.Unauthorized: "Check token.",
}
"""What to do about it."""
UNREADABLE = (json.JSONDecodeError, UnicodeDecodeError)
UNSENDABLE = (
    InvalidPathParameterError,
    httpx.InvalidURL,
    TypeError,
    ValueError,
)
FAILURES = (
    HTTPResponseError,
    RequestTimeoutError,
    httpx.RequestError,
    TimeoutError,
    *UNREADABLE,
    *UNSENDABLE,
)
"""All that asking the SDK may raise."""
NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def failed(error: Exception, *, now: float) -> CallError:
    """Return what *error*, one of ``FAILURES``, is in pegboard's terms."""
    if isinstance(error, HTTPResponseError):
        return _refused(error, now=now)
    if isinstance(error, RequestTimeoutError | TimeoutError | httpx.TimeoutException):
        return _late(error)
    if isinstance(error, httpx.RequestError):
        return _interrupted(error)
    if isinstance(error, UNREADABLE):
        return unreadable()
    msg = f"The request cannot be sent: {error}."
    return errors.InvalidRequest(msg, request_sent="no")


def unreadable() -> CallError:
    """Return the error of an answer that is not as the API describes it."""
    return errors.InvalidReply("Notion answered with something unreadable.")


def _refused(error: HTTPResponseError, *, now: float) -> CallError:
    code = error.code.value if isinstance(error.code, APIErrorCode) else None
    kind = KINDS[code] if code else error_class(error.status)
    message = f"Notion refuses the request: {str(error).rstrip('.')}."
    return kind(
        f"{message} {HINTS.get(code or '', '')}".rstrip(),
        retry_after=retry_after(error.headers, now=now),
        status=error.status,
        code=code,
    )


def _late(error: Exception) -> CallError:
    # The SDK hides what took so long behind an error of its own.
    cause = error.__context__ if isinstance(error, RequestTimeoutError) else error
    sent = _sent(cause)
    what = "could not be connected to" if sent == "no" else "did not answer"
    return errors.Timeout(f"Notion {what} in time.", request_sent=sent)


def _interrupted(error: httpx.RequestError) -> CallError:
    named = f"{type(error).__name__}: {error}".rstrip(": ")
    message = f"Notion could not be talked to: {named}. Check base_url and the network."
    return errors.ConnectionFailed(message, request_sent=_sent(error))


def _sent(error: BaseException | None) -> RequestSent:
    return "no" if isinstance(error, NOT_CONNECTED) else "maybe"
