"""Wait for what nobody announces: by trying again, ever less often."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

Result = TypeVar("Result")

SHORTEST_PAUSE, LONGEST_PAUSE = 0.002, 0.1


async def wait_for(
    attempt: Callable[[], Awaitable[Result | None]], seconds: float
) -> Result | None:
    """
    Return what *attempt* returns as soon as that is not None; None after *seconds*.

    It is made at least once, and once more at the end.
    """
    time = asyncio.get_running_loop().time
    ends, pause = time() + seconds, SHORTEST_PAUSE
    while (result := await attempt()) is None and (left := ends - time()) > 0:
        # A bit random, so that those who wait do not keep meeting.
        await asyncio.sleep(min(pause * random.uniform(0.5, 1.5), left))  # noqa: S311 - no secret
        pause = min(pause * 2, LONGEST_PAUSE)
    return result
