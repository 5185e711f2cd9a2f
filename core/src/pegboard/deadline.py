"""How long the running call may still take."""

from __future__ import annotations

import asyncio
import math
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ends_at: ContextVar[float] = ContextVar("ends_at", default=math.inf)
"""When the running attempt must have ended, on the event loop's clock."""


def time_left() -> float | None:
    """
    Return the seconds that the running call may still take, or None without a limit.

    For providers: pass it to the SDK as its timeout. Calls made within a call share
    its deadline.
    """
    end = ends_at.get()
    if end == math.inf:
        return None
    return max(0.0, end - asyncio.get_running_loop().time())


@contextmanager
def shared_deadline(end: float) -> Iterator[None]:
    """Have all calls made within end by *end*, on the event loop's clock."""
    token = ends_at.set(min(end, ends_at.get()))
    try:
        yield
    finally:
        ends_at.reset(token)
