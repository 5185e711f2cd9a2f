"""Errors of the SDK and of the service, as pegboard's: one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import httpx2
import openai
from pegboard import errors
from pegboard.http import error_class, retry_after

if TYPE_CHECKING:
    from pegboard.errors import CallError, RequestSent

EXACT: Mapping[str, type[CallError]] = {
    "ResponsibleAIPolicyViolation": errors.ContentFiltered,
    "authentication_error": errors.Authentication,
    "batch_expired": errors.Timeout,
    "billing_hard_limit_reached": errors.QuotaExceeded,
    "billing_not_active": errors.QuotaExceeded,
    "bio_policy": errors.ContentFiltered,
    "content_filter": errors.ContentFiltered,
    "content_policy_violation": errors.ContentFiltered,
    "context_length_exceeded": errors.ContextLengthExceeded,
    "exceed_context_size_error": errors.ContextLengthExceeded,
    "image_content_policy_violation": errors.ContentFiltered,
    "insufficient_quota": errors.QuotaExceeded,
    "invalid_api_key": errors.Authentication,
    "misalignment_policy_violation": errors.ContentFiltered,
    "model_not_found": errors.NotFound,
    "moderation_blocked": errors.ContentFiltered,
    "overloaded_error": errors.Overloaded,
    "permission_error": errors.PermissionDenied,
    "rate_limit_error": errors.RateLimited,
    "rate_limit_exceeded": errors.RateLimited,
    "server_is_overloaded": errors.Overloaded,
    "slow_down": errors.Overloaded,
}
"""Codes and types that say more than the status that comes with them."""
VAGUE: Mapping[str, type[CallError]] = {
    "invalid_prompt": errors.InvalidRequest,
    "invalid_request_error": errors.InvalidRequest,
    "not_found_error": errors.NotFound,
}
"""Types that count only where there is no status: within a stream."""
UNREADABLE = (LookupError, TypeError, AttributeError, ValueError)
"""What reading an answer raises that is not as the API describes it."""
KNOWN = (openai.OpenAIError, httpx2.RequestError, TimeoutError, *UNREADABLE)
"""Everything that a call can raise because of the service or the way to it."""
LATE = (openai.APITimeoutError, httpx2.TimeoutException, TimeoutError)
INTERRUPTIONS = (openai.APIConnectionError, httpx2.RequestError, TimeoutError)
NOT_CONNECTED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)

HINTS: Mapping[type[CallError], str] = {
    errors.Authentication: "Check api_key.",
    errors.ConnectionFailed: "Check base_url and the network.",
    errors.ContextLengthExceeded: "Send less, or use a model that reads more.",
    errors.NotFound: "Check model and base_url.",
    errors.QuotaExceeded: "Check the plan and the billing of the account.",
}


class Translation:
    """A context that makes errors of a service's calls errors of pegboard."""

    def __init__(self, service: str, clock: Callable[[], float]) -> None:
        self._service = service
        self._clock = clock

    def __enter__(self) -> None:
        """Do nothing yet."""

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        if isinstance(error, KNOWN):
            raise translated(error, self._service, self._clock) from error


def translated(error: Exception, service: str, clock: Callable[[], float]) -> CallError:
    """Return what *error*, one of ``KNOWN``, is in pegboard's terms."""
    if isinstance(error, openai.APIStatusError):
        wait = retry_after(error.response.headers, now=clock())
        # Without JSON, what the SDK says is all there is.
        body = error.body if isinstance(error.body, Mapping) else error.message
        return answered(error.status_code, body, service, wait=wait)
    if isinstance(error, INTERRUPTIONS):
        return _interrupted(error, service)
    if isinstance(error, openai.APIError):
        told = error.body
        body = told if isinstance(told, Mapping) else {"message": told}
        return reported(body, service)
    msg = f"{service} answered with something unreadable: {_named(error)}."
    return errors.InvalidReply(msg)


def reported(body: Mapping[str, Any], service: str) -> CallError:
    """Return the error that *body*, which came without a status, describes."""
    inner = body.get("error")
    told = inner if isinstance(inner, Mapping) else body
    code = _text(told.get("code"))
    kind = _by_name(code, told.get("type")) or _by_number(code)
    kind = kind or VAGUE.get(_text(told.get("type")) or code, errors.Unavailable)
    message = told.get("message") or "no reason given"
    named = _name(told.get("code"), told.get("type"))
    return kind(_said(service, "reported", message, kind), code=named)


def answered(
    status: int, body: Any, service: str, *, wait: float | None = None
) -> CallError:
    """Return the error that *status* and *body* of an answer describe."""
    inner = body.get("error", body) if isinstance(body, Mapping) else body
    told = inner if isinstance(inner, Mapping) else {"message": inner}
    code, type_ = told.get("code"), told.get("type")
    kind = _by_name(code, type_) or error_class(status)
    return kind(
        _said(service, f"answered {status}", told.get("message") or "no reason", kind),
        retry_after=wait,
        status=status,
        code=_name(code, type_),
    )


def _interrupted(error: Exception, service: str) -> CallError:
    # A timer of ours cancels what runs, which says nothing.
    cause = error if isinstance(error, TimeoutError) else error.__cause__ or error
    late = isinstance(error, LATE)
    kind = errors.Timeout if late else errors.ConnectionFailed
    sent: RequestSent = "no" if isinstance(cause, NOT_CONNECTED) else "maybe"
    happened = "did not answer in time" if late else "could not be talked to"
    hint = HINTS.get(kind, "")
    message = f"{service} {happened}: {_named(cause)}. {hint}".rstrip()
    return kind(message, request_sent=sent)


def _by_name(code: Any, kind: Any) -> type[CallError] | None:
    return EXACT.get(_text(code)) or EXACT.get(_text(kind))


def _by_number(code: str) -> type[CallError] | None:
    """Return what *code* stands for where a service puts a status there."""
    return error_class(int(code)) if code.isdecimal() else None


def _name(*candidates: Any) -> str | None:
    """Return the first that is a name; some services repeat the status as a code."""
    names = (text for text in map(_text, candidates) if text and not text.isdecimal())
    return next(names, None)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _said(service: str, how: str, message: str, kind: type[CallError]) -> str:
    sentence = str(message).rstrip(". ")
    return f"{service} {how}: {sentence}. {HINTS.get(kind, '')}".rstrip()


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
