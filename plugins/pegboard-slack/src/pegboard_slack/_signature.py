"""Whether a request comes from Slack: signatures, version 0."""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING

from pegboard.errors import Problem, SettingsError
from pegboard.signatures import (
    NotAuthentic,
    as_bytes,
    find_headers,
    is_signed,
    why_not_now,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIGNATURE, TIMESTAMP = "X-Slack-Signature", "X-Slack-Request-Timestamp"


class NotFromSlack(NotAuthentic):
    """Nothing proves that Slack sent the request, now. Answer with status 401."""


def sign(
    body: bytes | str, *, secret: str, clock: Callable[[], float] = time.time
) -> dict[str, str]:
    """Return the headers with which Slack would send *body* now: for tests."""
    timestamp = str(int(clock()))
    signature = _signature(as_bytes(body), timestamp, secret)
    return {SIGNATURE: signature, TIMESTAMP: timestamp}


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    *,
    secret: str,
    clock: Callable[[], float] = time.time,
) -> None:
    """
    Make sure that Slack sent *body* in the last five minutes.

    Within these, whoever has read a request on its way can send it again: let an
    ``Event.id`` count once.

    Args:
        body: As it came in, before anything reads it.
        headers: In any case.
        secret: The signing secret of the app.
        clock: What tells the seconds since 1970.

    Raises:
        NotFromSlack: It did not, or nothing proves it.
        SettingsError: There is no secret, so that anybody could sign.

    """
    timestamp, given = find_headers(headers, TIMESTAMP, SIGNATURE)
    if not timestamp or not given:
        msg = f"The request is not signed: it has no {SIGNATURE} or no {TIMESTAMP}."
        raise NotFromSlack(msg)
    # Before the age is looked at, so that nobody learns anything without the secret.
    if not is_signed([given], [_signature(as_bytes(body), timestamp, secret)]):
        msg = "The signature does not fit. Check the signing secret, and the raw body."
        raise NotFromSlack(msg)
    if reason := why_not_now(timestamp, clock()):
        raise NotFromSlack(reason)


def _signature(body: bytes, timestamp: str, secret: str) -> str:
    if not secret.strip():
        told = "is empty. Set it: it stands in the app's basic information"
        raise SettingsError(Problem("signing secret", told))
    signed = b"v0:" + as_bytes(timestamp) + b":" + body
    return "v0=" + hmac.new(as_bytes(secret), signed, "sha256").hexdigest()
