"""Signed requests: whether somebody who knows the secret sent one, just now."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from .errors import PegboardError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WINDOW = 300
"""Seconds that a request may be older or younger than now."""
MOST_DIGITS = 15


class NotAuthentic(PegboardError):
    """Nothing proves who sent the request, or that it is new. Answer with 401."""


class Unreadable(PegboardError):
    """The request is signed, but is not what it should be. Answer with 400."""


def find_headers(headers: Mapping[str, str], *names: str) -> list[str]:
    """Return the values of *names*, which may be in any case; empty if missing."""
    lower = {name.lower(): value for name, value in headers.items()}
    return [lower.get(name.lower(), "") for name in names]


def is_signed(given: Iterable[str], expected: Iterable[str]) -> bool:
    """
    Return whether one of the *given* signatures is one of those *expected*.

    All are compared, each in the same time, so that nobody learns by trying.
    """
    mine = [as_bytes(one) for one in expected]
    theirs = [as_bytes(one) for one in given]
    # As bytes: compare_digest refuses text beyond ASCII.
    return any([hmac.compare_digest(one, other) for one in theirs for other in mine])  # noqa: C419 - any() alone would stop at the first


def why_not_now(timestamp: str, now: float) -> str | None:
    """Return why a request of *timestamp* is not of *now*; None if it is."""
    is_number = timestamp.isascii() and timestamp.isdecimal()
    if not is_number or len(timestamp) > MOST_DIGITS:
        return "The request does not say when it was sent."
    age = now - int(timestamp)
    if abs(age) > WINDOW:
        return f"The request is {age:.0f} s old; more than {WINDOW} s may be a replay."
    return None


def as_bytes(text: bytes | str) -> bytes:
    """Return *text* as the bytes that it came from."""
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
