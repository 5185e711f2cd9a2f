"""
Webhooks by the scheme of https://www.standardwebhooks.com: signed, verified, read.

    event = receive(body, headers, secrets=[...])

Functions without I/O, which import no HTTP client: a function that is started for a
request should spend its time otherwise.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import InvalidRequest, Problem, SettingsError
from .signatures import (
    NotAuthentic,
    Unreadable,
    as_bytes,
    find_headers,
    is_signed,
    why_not_now,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "NotAuthentic",
    "Unreadable",
    "WebhookEvent",
    "new_id",
    "new_secret",
    "parse",
    "receive",
    "sign",
    "verify",
    "write",
]

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,200}")
PREFIX, VERSION = "whsec_", "v1,"
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """Something that happened, as its sender tells it. See to it, and answer 2xx."""

    id: str
    """The same when it is sent again."""
    type: str
    """Such as ``order.paid``."""
    timestamp: str | None
    """When it happened, as the sender writes it."""
    payload: Any = field(repr=False)
    """What there is to know of it."""


def new_secret() -> str:
    """Return a secret for a sender and a receiver to share."""
    return PREFIX + base64.b64encode(os.urandom(SECRET_BYTES)).decode()


def new_id() -> str:
    """Return an id for an event that nobody has sent yet."""
    return f"msg_{os.urandom(16).hex()}"


def write(type: str, payload: Any, *, at: float) -> bytes:  # noqa: A002 - the scheme's word
    """
    Return the body that tells of an event of *type* at *at*, in seconds since 1970.

    Raises:
        InvalidRequest: JSON cannot say the *payload*.

    """
    told = {"type": type, "timestamp": _spelled(at), "data": payload}
    try:
        text = json.dumps(told, ensure_ascii=False, allow_nan=False)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"The event cannot be sent: {type_of(error)}."
        raise InvalidRequest(msg, request_sent="no") from error


def sign(
    body: bytes | str,
    *,
    id: str,  # noqa: A002 - the scheme's word
    secrets: Sequence[str],
    clock: Callable[[], float] = time.time,
) -> dict[str, str]:
    """
    Return the headers with which *body* is sent now, signed with each of *secrets*.

    Raises:
        InvalidRequest: The *id* is none.
        SettingsError: A secret is none.

    """
    if not ID_PATTERN.fullmatch(id):
        msg = f"{id!r} is no id of an event. Use letters, digits, '-' and '_'."
        raise InvalidRequest(msg, request_sent="no")
    timestamp = str(int(clock()))
    signatures = _signatures(body, id, timestamp, secrets)
    return {ID: id, TIMESTAMP: timestamp, SIGNATURE: " ".join(signatures)}


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    *,
    secrets: Sequence[str],
    clock: Callable[[], float] = time.time,
) -> None:
    """
    Make sure that who knows one of *secrets* sent *body* in the last five minutes.

    Within these, whoever has read a request on its way can send it again: let an
    ``WebhookEvent.id`` count once.

    Args:
        body: As it came in, before anything reads it.
        headers: In any case.
        secrets: Such as ``whsec_...``; more than one while they are being changed.
        clock: What tells the seconds since 1970.

    Raises:
        NotAuthentic: It was somebody else, or it was not now.
        SettingsError: There is no secret, or one is none.

    """
    id_, timestamp, given = find_headers(headers, ID, TIMESTAMP, SIGNATURE)
    if not (id_ and timestamp and given):
        msg = f"The request is not signed: it needs {ID}, {TIMESTAMP} and {SIGNATURE}."
        raise NotAuthentic(msg)
    # Where an id had dots, parts of the body could pass for the time.
    fits = is_signed(given.split(" "), _signatures(body, id_, timestamp, secrets))
    if not fits or "." in id_:
        msg = "The signature does not fit. Check the secret, and sign the raw body."
        raise NotAuthentic(msg)
    if reason := why_not_now(timestamp, clock()):
        raise NotAuthentic(reason)


def parse(body: bytes | str, headers: Mapping[str, str]) -> WebhookEvent:
    """
    Return what *body* tells, without any proof of who sent it.

    Raises:
        Unreadable: It is no event.

    """
    try:
        told = json.loads(body)
        type_, payload = str(told["type"]), told["data"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        msg = f"The body is no event with 'type' and 'data': {type_of(error)}."
        raise Unreadable(msg) from error
    timestamp = told.get("timestamp")
    written = timestamp if isinstance(timestamp, str) else None
    return WebhookEvent(find_headers(headers, ID)[0], type_, written, payload)


def receive(
    body: bytes | str,
    headers: Mapping[str, str],
    *,
    secrets: Sequence[str],
    clock: Callable[[], float] = time.time,
) -> WebhookEvent:
    """
    Return the event that *body* tells of; see ``verify`` for the arguments.

    Raises:
        NotAuthentic: Nothing proves who sent it, now.
        Unreadable: It is no event.

    """
    verify(body, headers, secrets=secrets, clock=clock)
    return parse(body, headers)


def type_of(error: Exception) -> str:
    """Return what kind of *error* it is; its words may show what was sent."""
    return type(error).__name__


def _signatures(
    body: bytes | str, id_: str, timestamp: str, secrets: Sequence[str]
) -> list[str]:
    if not secrets:
        raise SettingsError(Problem("webhook secret", "is missing: anybody could sign"))
    signed = b".".join([as_bytes(id_), as_bytes(timestamp), as_bytes(body)])
    macs = [hmac.digest(_key(secret), signed, "sha256") for secret in secrets]
    return [VERSION + base64.b64encode(mac).decode() for mac in macs]


def _key(secret: str) -> bytes:
    try:
        text = secret.strip().removeprefix(PREFIX)
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        told = "is no base64 after 'whsec_'. Make one with pegboard.webhooks.new_secret"
        raise SettingsError(Problem("webhook secret", told)) from None
    return key


def _spelled(at: float) -> str:
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
    return f"{moment}.{int(at % 1 * 1000):03}Z"
