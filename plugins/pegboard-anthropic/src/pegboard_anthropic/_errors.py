"""Errors of the SDK and of the service, as pegboard's: one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2
from pegboard import errors
from pegboard.http import error_class, retry_after

if TYPE_CHECKING:
    from pegboard.errors import CallError, RequestSent

SERVICE = "anthropic"
EXACT: Mapping[str, type[CallError]] = {
    "authentication_error": errors.Authentication,
    "billing_error": errors.QuotaExceeded,
    "contract_spend_limit_reached": errors.QuotaExceeded,
    "enforced_spend_limit_reached": errors.QuotaExceeded,
    "exceed_context_size_error": errors.ContextLengthExceeded,
    "linked_organization_billing_unavailable": errors.QuotaExceeded,
    "linked_organization_spend_limit_reached": errors.QuotaExceeded,
    "organization_on_hold": errors.PermissionDenied,
    "overloaded_error": errors.Overloaded,
    "permission_error": errors.PermissionDenied,
    "rate_limit_error": errors.RateLimited,
    "timeout_error": errors.Timeout,
}
"""Codes and types that say more than the status that comes with them."""
VAGUE: Mapping[str, type[CallError]] = {
    "conflict_error": errors.Conflict,
    "invalid_request_error": errors.InvalidRequest,
    "not_found_error": errors.NotFound,
    "request_too_large": errors.InvalidRequest,
}
"""Types that count only where there is no status: within a stream or a batch."""
UNREADABLE = (LookupError, TypeError, AttributeError, ValueError)
"""What reading an answer raises that is not as the API describes it."""
LATE = (anthropic.APITimeoutError, httpx2.TimeoutException, TimeoutError)
INTERRUPTIONS = (anthropic.APIConnectionError, httpx2.RequestError, TimeoutError)
KNOWN = (anthropic.AnthropicError, *INTERRUPTIONS, *UNREADABLE)
"""Everything that a call can raise because of the service or the way to it."""
NOT_CONNECTED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)

HINTS: Mapping[type[CallError], str] = {
    errors.Authentication: "Check api_key.",
    errors.ConnectionFailed: "Check base_url and the network.",
    errors.ContextLengthExceeded: "Send less, or use a model that reads more.",
    errors.NotFound: "Check model and base_url.",
    errors.QuotaExceeded: "Check the plan and the billing of the account.",
}


def translated(error: Exception, clock: Callable[[], float]) -> CallError:
    """Return what *error*, one of ``KNOWN``, is in pegboard's terms."""
    if isinstance(error, anthropic.APIStatusError):
        return _refused(error, clock)
    if isinstance(error, INTERRUPTIONS):
        return _interrupted(error)
    msg = f"{SERVICE} answered with something unreadable: {_named(error)}."
    return errors.InvalidReply(msg)


def reported(body: Any) -> CallError:
    """Return the error that *body*, which came without a status, describes."""
    inner = body.get("error") if isinstance(body, Mapping) else None
    told = inner if isinstance(inner, Mapping) else {"message": inner or body}
    details = told.get("details")
    code = details.get("error_code") if isinstance(details, Mapping) else None
    named = _by_name(code, told.get("type"))
    kind = named or VAGUE.get(str(told.get("type")), errors.Unavailable)
    message = told.get("message") or "no reason given"
    return kind(_said("reported", message, kind), code=code or told.get("type"))


def _refused(error: anthropic.APIStatusError, clock: Callable[[], float]) -> CallError:
    status = error.status_code
    kind = _by_name(error.error_code, error.type) or error_class(status)
    told = error.api_message or error.message
    return kind(
        _said(f"answered {status}", told, kind),
        retry_after=retry_after(error.response.headers, now=clock()),
        status=status,
        code=error.error_code or error.type,
    )


def _interrupted(error: Exception) -> CallError:
    is_wrapped = isinstance(error, anthropic.APIConnectionError)
    cause = (is_wrapped and error.__cause__) or error
    late = isinstance(error, LATE)
    kind = errors.Timeout if late else errors.ConnectionFailed
    sent: RequestSent = "no" if isinstance(cause, NOT_CONNECTED) else "maybe"
    happened = "did not answer in time" if late else "could not be talked to"
    message = f"{SERVICE} {happened}: {_named(cause)}. {HINTS.get(kind, '')}".rstrip()
    # The SDK also puts what went wrong on this side into its connection error.
    is_ours = not isinstance(cause, httpx2.RequestError | OSError)
    return kind(message, request_sent=sent, retryable=False if is_ours else None)


def _by_name(code: Any, kind: Any) -> type[CallError] | None:
    return EXACT.get(str(code)) or EXACT.get(str(kind))


def _said(how: str, message: object, kind: type[CallError]) -> str:
    sentence = str(message).rstrip(". ")
    return f"{SERVICE} {how}: {sentence}. {HINTS.get(kind, '')}".rstrip()


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
