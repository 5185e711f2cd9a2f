"""Errors of the SDK and of the service, as pegboard's: one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import httpx2
from google.auth.exceptions import GoogleAuthError, TransportError
from google.genai.errors import APIError
from pegboard import errors
from pegboard.http import error_class, retry_after

if TYPE_CHECKING:
    from pegboard.errors import CallError, RequestSent

Json = Mapping[str, Any]

REASONS: Mapping[str, type[CallError]] = {
    "ACCESS_TOKEN_EXPIRED": errors.Authentication,
    "ACCESS_TOKEN_TYPE_UNSUPPORTED": errors.Authentication,
    "ACCOUNT_STATE_INVALID": errors.Authentication,
    "API_KEY_ANDROID_APP_BLOCKED": errors.PermissionDenied,
    "API_KEY_HTTP_REFERRER_BLOCKED": errors.PermissionDenied,
    "API_KEY_INVALID": errors.Authentication,
    "API_KEY_IOS_APP_BLOCKED": errors.PermissionDenied,
    "API_KEY_IP_ADDRESS_BLOCKED": errors.PermissionDenied,
    "API_KEY_SERVICE_BLOCKED": errors.PermissionDenied,
    "BILLING_DISABLED": errors.QuotaExceeded,
    "CREDENTIALS_MISSING": errors.Authentication,
    "SERVICE_DISABLED": errors.PermissionDenied,
}
"""Reasons that say more than the status that comes with them."""
STATUSES: Mapping[str, type[CallError]] = {
    "ABORTED": errors.Conflict,
    "ALREADY_EXISTS": errors.Conflict,
    "CANCELLED": errors.Unavailable,
    "DEADLINE_EXCEEDED": errors.Timeout,
    "FAILED_PRECONDITION": errors.InvalidRequest,
    "INTERNAL": errors.Unavailable,
    "INVALID_ARGUMENT": errors.InvalidRequest,
    "NOT_FOUND": errors.NotFound,
    "OUT_OF_RANGE": errors.InvalidRequest,
    "PERMISSION_DENIED": errors.PermissionDenied,
    "RESOURCE_EXHAUSTED": errors.RateLimited,
    "UNAUTHENTICATED": errors.Authentication,
    "UNAVAILABLE": errors.Unavailable,
    "UNIMPLEMENTED": errors.InvalidRequest,
}
GRPC = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""The statuses by the numbers that stand for them within batches."""
UNREADABLE = (LookupError, TypeError, AttributeError, ValueError)
"""What reading an answer raises that is not as the API describes it."""
KNOWN = (APIError, GoogleAuthError, httpx2.RequestError, *UNREADABLE)
"""Everything that a call can raise because of the service or the way to it."""
NOT_CONNECTED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
NOT_UNDERSTOOD = (httpx2.SSEError, httpx2.DecodingError)

HINTS: Mapping[type[CallError], str] = {
    errors.Authentication: "Check api_key or credentials.",
    errors.ConnectionFailed: "Check base_url and the network.",
    errors.NotFound: "Check model, base_url and api_version.",
    errors.QuotaExceeded: "Check the plan and the billing of the account.",
}


def translated(error: Exception, clock: Callable[[], float]) -> CallError:
    """Return what *error*, one of ``KNOWN``, is in pegboard's terms."""
    if isinstance(error, APIError):
        return _refused(error, clock)
    if isinstance(error, GoogleAuthError):
        return _not_admitted(error)
    if isinstance(error, httpx2.RequestError) and not isinstance(error, NOT_UNDERSTOOD):
        return _interrupted(error)
    msg = f"gemini answered with something unreadable: {_named(error)}."
    return errors.InvalidReply(msg)


def reported(body: Json) -> CallError:
    """Return the error that *body*, which came within an answer, describes."""
    told = _told(body)
    return _made(told, told.get("code"), "reported")


def _refused(error: APIError, clock: Callable[[], float]) -> CallError:
    ours = _made(_told(error.details), error.code, f"answered {error.code}")
    ours.status = error.code
    headers = getattr(error.response, "headers", {})
    if ours.retry_after is None:
        ours.retry_after = retry_after(headers, now=clock())
    return ours


def _made(told: Json, code: Any, how: str) -> CallError:
    details = [one for one in told.get("details") or () if isinstance(one, Mapping)]
    reason = _field(details, "ErrorInfo", "reason")
    status = told.get("status") or _status(code)
    kind = _kind(reason, status, code, details)
    sentence = str(told.get("message") or "no reason given").rstrip(". ")
    return kind(
        f"gemini {how}: {sentence}. {HINTS.get(kind, '')}".rstrip(),
        retry_after=_seconds(_field(details, "RetryInfo", "retryDelay")),
        code=reason or status,
    )


def _kind(
    reason: Any, status: Any, code: Any, details: Iterable[Json]
) -> type[CallError]:
    kind = REASONS.get(reason) or STATUSES.get(status)
    if kind is None:
        kind = error_class(code) if isinstance(code, int) else errors.Unavailable
    return errors.QuotaExceeded if _is_of_the_day(details) else kind


def _status(code: Any) -> str | None:
    """Return the status that *code* stands for, if it is not one of HTTP."""
    return GRPC[code] if isinstance(code, int) and 0 < code < len(GRPC) else None


def _is_of_the_day(details: Iterable[Json]) -> bool:
    """Return whether a quota is used up that minutes will not bring back."""
    violations = _field(details, "QuotaFailure", "violations") or ()
    return any("PerDay" in str(one.get("quotaId")) for one in violations)


def _told(body: Any) -> Json:
    """Return the description within *body*, which the SDK does not always unwrap."""
    inner = body.get("error", body) if isinstance(body, Mapping) else {}
    return inner if isinstance(inner, Mapping) else {"message": inner}


def _field(details: Iterable[Json], kind: str, name: str) -> Any:
    """Return *name* of the detail of *kind*, a message of ``google.rpc``."""
    return next(
        (one.get(name) for one in details if str(one.get("@type")).endswith(kind)), None
    )


def _seconds(duration: Any) -> float | None:
    """Return the seconds that a *duration* such as ``3.5s`` has."""
    try:
        seconds = float(str(duration).removesuffix("s"))
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _not_admitted(error: GoogleAuthError) -> CallError:
    """Return what happened to the credentials before anything was sent."""
    if isinstance(error, TransportError):
        msg = "gemini could not get a token: its place cannot be reached"
        return errors.ConnectionFailed(f"{msg}. {_named(error)}.", request_sent="no")
    kind = errors.Unavailable if error.retryable else errors.Authentication
    msg = f"gemini got no token: {_named(error)}. {HINTS.get(kind, '')}".rstrip()
    return kind(msg, request_sent="no")


def _interrupted(error: httpx2.RequestError) -> CallError:
    late = isinstance(error, httpx2.TimeoutException)
    kind = errors.Timeout if late else errors.ConnectionFailed
    sent: RequestSent = "no" if isinstance(error, NOT_CONNECTED) else "maybe"
    happened = "did not answer in time" if late else "could not be talked to"
    message = f"gemini {happened}: {_named(error)}. {HINTS.get(kind, '')}".rstrip()
    return kind(message, request_sent=sent)


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
