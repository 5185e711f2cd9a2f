"""What every plugin that speaks HTTP needs: errors by status, Retry-After."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from . import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

BY_STATUS: Mapping[int, type[errors.CallError]] = {
    401: errors.Authentication,
    402: errors.QuotaExceeded,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    408: errors.Timeout,
    409: errors.Conflict,
    410: errors.NotFound,
    412: errors.Conflict,
    425: errors.Unavailable,
    429: errors.RateLimited,
    529: errors.Overloaded,
}
CLIENT_ERRORS, SERVER_ERRORS = range(400, 500), range(500, 600)


def error_class(status: int) -> type[errors.CallError]:
    """Return the error that the HTTP *status* stands for."""
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status in SERVER_ERRORS:
        return errors.Unavailable
    return errors.InvalidRequest if status in CLIENT_ERRORS else errors.InvalidReply


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """
    Return the seconds that *headers* ask to wait, or None if they do not say.

    Reads ``retry-after-ms``, then ``retry-after`` in seconds or as a date, for which
    *now* is the Unix time. What is negative, infinite or garbage says nothing.

    Args:
        headers: A mapping whose keys are found in lower case.
        now: Seconds since 1970, to turn a date into a wait.

    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    return seconds if seconds is not None else _until(text, now)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _until(text: str | None, now: float) -> float | None:
    try:
        date = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    if date.tzinfo is None:  # the form without a zone: HTTP dates are in Greenwich's
        date = date.replace(tzinfo=UTC)
    return max(0.0, date.timestamp() - now)
