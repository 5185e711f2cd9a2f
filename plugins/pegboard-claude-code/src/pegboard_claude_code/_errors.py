"""Errors of Claude Code and its SDK, as pegboard's: one table for each kind."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import claude_agent_sdk as sdk
from pegboard import errors
from pegboard.http import error_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pegboard.errors import CallError

SERVICE = "Claude Code"
BY_NAME: Mapping[str, type[CallError]] = {
    "authentication_failed": errors.Authentication,
    "billing_error": errors.QuotaExceeded,
    "invalid_request": errors.InvalidRequest,
    "model_not_found": errors.NotFound,
    "rate_limit": errors.RateLimited,
    # Without a status: there was no answer of the API at all.
    "server_error": errors.ConnectionFailed,
}
"""What Claude Code calls an error that came without a status."""
BY_TERMINAL_REASON: Mapping[str, type[CallError]] = {
    "prompt_too_long": errors.ContextLengthExceeded,
}
BY_SUBTYPE: Mapping[str, type[CallError]] = {
    "error_max_turns": errors.InvalidReply,
    "error_max_budget_usd": errors.QuotaExceeded,
    "error_max_structured_output_retries": errors.InvalidReply,
    "error_during_execution": errors.Unavailable,
}
BY_CLASS: Mapping[type[Exception], type[CallError]] = {
    sdk.CLIConnectionError: errors.ConnectionFailed,
    sdk.ProcessError: errors.Unavailable,
    OSError: errors.Unavailable,
}
"""Errors of the SDK and the system; all others mean that something is unreadable."""
KNOWN = (
    *(sdk.ClaudeSDKError, OSError),
    *(LookupError, TypeError, AttributeError, ValueError),
)
"""Everything that a call can raise because of Claude Code or what it says."""
HINTS: Mapping[type[CallError], str] = {
    errors.Authentication: "Check api_key, or set login.",
    errors.ConnectionFailed: "Check base_url and the network.",
    errors.ContextLengthExceeded: "Send less, or use a model that reads more.",
    errors.NotFound: "Check model and cli_path.",
    errors.QuotaExceeded: "Check max_budget_usd and the billing of the account.",
}
OF_A_LIMIT: Mapping[str, str] = {
    "error_max_turns": "It took more turns than max_turns allows. Raise max_turns.",
    "error_max_budget_usd": "It cost more than max_budget_usd. Raise max_budget_usd.",
    "error_max_structured_output_retries": "It did not come to fit the schema.",
}


def is_failure(result: sdk.ResultMessage) -> bool:
    """Return whether *result* says that the answer failed: either field may."""
    return result.is_error or result.subtype != "success"


def reported(
    result: sdk.ResultMessage | sdk.ResultError,
    named: str | None = None,
    *,
    wait: float | None = None,
) -> CallError:
    """
    Return the error that *result* tells.

    Args:
        result: The end of an answer that failed.
        named: The error of the last message before it.
        wait: Seconds until the limit that was hit is lifted.

    """
    kind = _kind(result, named)
    limited = kind is errors.RateLimited
    return kind(
        _said(result, kind),
        retry_after=wait if limited else None,
        status=result.api_error_status,
        code=named or result.subtype,
    )


def translated(error: Exception) -> CallError:
    """Return what *error* of the SDK is in pegboard's terms."""
    if isinstance(error, sdk.ResultError):
        return reported(error)
    kinds = (ours for theirs, ours in BY_CLASS.items() if isinstance(error, theirs))
    kind = next(kinds, errors.InvalidReply)
    message = f"{SERVICE}: {str(error) or type(error).__name__}"
    return kind(_with_hint(message, kind))


def not_started(error: Exception) -> CallError:
    """Return the error of a process with which no conversation came about."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno == errno.E2BIG:
        msg = f"The schema is longer than {SERVICE} can be told. Send a shorter one."
        return errors.InvalidRequest(msg, request_sent="no")
    missing = isinstance(error, sdk.CLINotFoundError | FileNotFoundError)
    kind = errors.NotFound if missing else errors.Unavailable
    message = f"{SERVICE} did not start: {error}"
    return kind(_with_hint(message, kind), request_sent="no")


def too_slow(seconds: float) -> CallError:
    """Return the error of a process that took too long to start."""
    msg = (
        f"{SERVICE} did not start within {seconds:.3g} s. "
        "Raise connect_timeout in the policy."
    )
    return errors.Timeout(msg, request_sent="no")


def unstructured() -> CallError:
    """Return the error of an answer in words where JSON was asked for."""
    msg = f"{SERVICE} ended without an answer that fits the schema."
    return errors.InvalidReply(msg, request_sent="yes")


def no_effort(model: str | None) -> CallError:
    """Return the error of a call that asks *model* for what it does not know."""
    msg = (
        f"The model {model} knows no reasoning_effort. "
        "Leave it out, or ask a newer model."
    )
    return errors.Unsupported(msg)


def _kind(
    result: sdk.ResultMessage | sdk.ResultError, named: str | None
) -> type[CallError]:
    found = BY_TERMINAL_REASON.get(result.terminal_reason or "")
    found = found or BY_SUBTYPE.get(result.subtype or "")
    if found is None and named == "billing_error":
        found = errors.QuotaExceeded
    if found is None and result.api_error_status is not None:
        found = error_class(result.api_error_status)
    return found or BY_NAME.get(named or "", errors.InvalidReply)


def _said(result: sdk.ResultMessage | sdk.ResultError, kind: type[CallError]) -> str:
    known = OF_A_LIMIT.get(result.subtype or "")
    if known:
        return f"{SERVICE}: {known}"
    told = result.result or "; ".join(result.errors or ()) or "no reason given"
    return _with_hint(f"{SERVICE}: {told}", kind)


def _with_hint(message: str, kind: type[CallError]) -> str:
    return f"{message.rstrip('. ')}. {HINTS.get(kind, '')}".rstrip()
