"""Whether a request comes from Slack: signatures, version 0."""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING

from pegboard.errors import PegboardError, Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIGNATURE, TIMESTAMP = "X-Slack-Signature", "X-Slack-Request-Timestamp"
WINDOW = 300
"""Seconds that a request may be older or younger than now."""
MOST_DIGITS = 15


class NotFromSlack(PegboardError):
    """Nothing proves that Slack sent the request, now. Answer with status 401."""


def sign(
    body: bytes | str, *, secret: str, clock: Callable[[], float] = time.time
) -> dict[str, str]:
    """Return the headers with which Slack would send *body* now: for tests."""
    timestamp = str(int(clock()))
    signature = _signature(_bytes(body), timestamp, secret)
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
    lower = {name.lower(): value for name, value in headers.items()}
    timestamp, given = (lower.get(n.lower(), "") for n in (TIMESTAMP, SIGNATURE))
    if not timestamp or not given:
        msg = f"The request is not signed: it has no {SIGNATURE} or no {TIMESTAMP}."
        raise NotFromSlack(msg)
    expected = _signature(_bytes(body), timestamp, secret)
    # As bytes: compare_digest refuses text beyond ASCII. Before the age is looked at,
    # so that nobody learns anything without the secret.
    if not hmac.compare_digest(expected.encode(), _bytes(given)):
        msg = "The signature does not fit. Check the signing secret, and the raw body."
        raise NotFromSlack(msg)
    _check_age(timestamp, clock())


def _check_age(timestamp: str, now: float) -> None:
    is_number = timestamp.isascii() and timestamp.isdecimal()
    if not is_number or len(timestamp) > MOST_DIGITS:
        msg = "The request does not say when it was sent."
        raise NotFromSlack(msg)
    age = now - int(timestamp)
    if abs(age) > WINDOW:
        msg = f"The request is {age:.0f} s old; more than {WINDOW} s may be a replay."
        raise NotFromSlack(msg)


def _signature(body: bytes, timestamp: str, secret: str) -> str:
    if not secret.strip():
        told = "is empty. Set it: it stands in the app's basic information"
        raise SettingsError(Problem("signing secret", told))
    signed = b"v0:" + _bytes(timestamp) + b":" + body
    return "v0=" + hmac.new(_bytes(secret), signed, "sha256").hexdigest()


def _bytes(text: bytes | str) -> bytes:
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
