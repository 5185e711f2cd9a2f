"""What becomes of spans that cannot be sent: one error, for who asks."""

from __future__ import annotations

from pegboard.errors import Unavailable


def not_sent(endpoint: str) -> Unavailable:
    """Return the error of spans that Phoenix at *endpoint* has not taken."""
    msg = f"Phoenix at {endpoint} did not take all spans in time. Is it running?"
    return Unavailable(msg, request_sent="maybe")
