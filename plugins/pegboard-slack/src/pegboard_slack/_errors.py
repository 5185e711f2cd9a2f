"""Errors of Slack and of the way to it, as pegboard's: one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import httpx
from pegboard import errors
from pegboard.http import error_class, retry_after

if TYPE_CHECKING:
    from pegboard.errors import CallError, RequestSent

BY_CODE: Mapping[type[CallError], Sequence[str]] = {
    errors.Authentication: (
        "account_inactive",
        "invalid_auth",
        "not_authed",
        "token_expired",
        "token_revoked",
    ),
    errors.PermissionDenied: (
        "access_denied",
        "accesslimited",
        "as_user_not_supported",
        "cant_delete_message",
        "cant_update_message",
        "edit_window_closed",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "file_uploads_disabled",
        "file_uploads_except_images_disabled",
        "is_archived",
        "is_inactive",
        "messages_tab_disabled",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_in_channel",
        "org_login_required",
        "posting_to_channel_denied",
        "posting_to_general_channel_denied",
        "restricted_action",
        "restricted_action_non_threadable_channel",
        "restricted_action_read_only_channel",
        "restricted_action_thread_locked",
        "restricted_action_thread_only_channel",
        "team_access_not_granted",
        "thread_locked",
        "two_factor_setup_required",
    ),
    errors.NotFound: (
        "channel_not_found",
        "file_not_found",
        "invalid_channel",
        "message_not_found",
        "team_not_found",
        "thread_not_found",
        "user_not_found",
        "users_not_found",
    ),
    errors.Conflict: ("exchanged_trigger_id", "hash_conflict", "trigger_exchanged"),
    errors.RateLimited: ("rate_limited", "ratelimited"),
    errors.QuotaExceeded: (
        "message_limit_exceeded",
        "storage_limit_reached",
        "too_many_reactions",
    ),
    # The service says of the first two that part of the work may be done.
    errors.Unavailable: (
        "fatal_error",
        "internal_error",
        "service_unavailable",
        "team_added_to_org",
    ),
    # The request arrived cut short, so nothing was done.
    errors.ConnectionFailed: ("request_timeout",),
}
KINDS: Mapping[str, type[CallError]] = {
    code: kind for kind, codes in BY_CODE.items() for code in codes
}
"""All other codes say that the request is no good."""
UNTOUCHED = frozenset({"request_timeout"})
"""Codes of errors which are tried again since Slack did nothing."""
NO_CHANNEL = (
    "There is no channel {channel!r} that the app can see. Check the name, take the id "
    "if it is private, and invite the app to it"
)
HINTS: Mapping[str, str] = {
    "account_inactive": "The app or its workspace is gone: install it again",
    "channel_not_found": NO_CHANNEL,
    "exchanged_trigger_id": "A trigger opens one dialog, once",
    "expired_trigger_id": "A trigger is good for three seconds: open the dialog first",
    "invalid_auth": "Check token",
    "invalid_channel": "{channel!r} is no id of a channel, such as Posted.channel is",
    "is_archived": "The channel {channel!r} is archived",
    "message_not_found": "There is no such message in {channel!r}",
    "missing_scope": (
        "The token lacks the scope {needed}. Add it to the app and install the app "
        "again. It has: {provided}"
    ),
    "msg_too_long": "Send less, or several messages",
    "not_authed": "Set token",
    "not_in_channel": "Invite the app to {channel!r}: /invite @the-app",
    "thread_not_found": "There is no such message in {channel!r}",
    "token_expired": "Get a new token",
    "token_revoked": "Install the app again and set its new token",
    "trigger_expired": "A trigger is good for three seconds: open the dialog first",
}
"""What to do about it."""
INTERRUPTIONS = (httpx.RequestError, httpx.InvalidURL, TimeoutError)
LATE = (httpx.TimeoutException, TimeoutError)
NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def interrupted(error: Exception) -> CallError:
    """Return what *error*, one of ``INTERRUPTIONS``, is in pegboard's terms."""
    late = isinstance(error, LATE)
    kind = errors.Timeout if late else errors.ConnectionFailed
    happened = "did not answer in time" if late else "could not be talked to"
    sent: RequestSent = "no" if isinstance(error, NOT_CONNECTED) else "maybe"
    named = f"{type(error).__name__}: {error}".rstrip(": ")
    hint = "" if late else " Check base_url and the network."
    return kind(f"Slack {happened}: {named}.{hint}", request_sent=sent)


def answered(
    method: str, answer: httpx.Response, told: object, *, now: float
) -> CallError:
    """Return the error that the status of *answer* stands for, which also *told* it."""
    status = answer.status_code
    code = told.get("error") if isinstance(told, Mapping) else None
    return error_class(status)(
        f"Slack answered {method} with status {status}.",
        retry_after=retry_after(answer.headers, now=now),
        status=status,
        code=code if isinstance(code, str) else None,
    )


def unreadable(method: str) -> CallError:
    """Return the error of an answer that is not as the API describes it."""
    msg = f"Slack answered {method} with something unreadable. Check base_url."
    return errors.InvalidReply(msg)


def refused(
    method: str,
    told: Mapping[str, Any],
    fields: Mapping[str, Any],
    *,
    wait: float | None,
) -> CallError:
    """Return the error that Slack *told* of a request with these *fields*."""
    code = str(told.get("error") or "no reason given")
    kind = KINDS.get(code, errors.InvalidRequest)
    sent: RequestSent | None = "no" if code in UNTOUCHED else None
    message = f"Slack refuses {method}: {code}. {_advice(code, told, fields)}".rstrip()
    return kind(message, retry_after=wait, code=code, request_sent=sent)


def _advice(code: str, told: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    known = {
        "channel": fields.get("channel", fields.get("channel_id", "")),
        "needed": told.get("needed", "that it needs"),
        "provided": told.get("provided") or "none",
    }
    hint = HINTS.get(code, "").format_map(known)
    details = [hint] if hint else []
    return "".join(f"{text}. " for text in (*details, *_details(told)))


def _details(told: Mapping[str, Any]) -> Sequence[str]:
    """Return what Slack says about the arguments that it does not like."""
    more = told.get("response_metadata")
    texts = more.get("messages") if isinstance(more, Mapping) else None
    if not isinstance(texts, Sequence):
        return ()
    return [str(text).removeprefix("[ERROR] ").rstrip(".") for text in texts]
