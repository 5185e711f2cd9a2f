"""What calls cost the client, measured in turns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import median

Call = Callable[[], Awaitable[object]]
Rounds = list[list[float]]
"""What each of the sides took, round by round."""


async def microseconds(call: Call, count: int, at_once: int) -> float:
    """Return the client's CPU time of one *call*, on average of *count*."""
    start = time.process_time()
    for _ in range(count // at_once):
        await asyncio.gather(*(call() for _ in range(at_once)))
    return (time.process_time() - start) / count * 1e6


async def in_turns(
    calls: Sequence[Call], *, count: int, at_once: int = 1, rounds: int = 8
) -> Rounds:
    """Return what each of *calls* took, a first round left out."""
    seen = [
        [await microseconds(call, count, at_once) for call in calls]
        for _ in range(rounds + 1)
    ]
    return seen[1:]


def figures(seen: Rounds, side: int, parts: int = 1) -> tuple[str, str]:
    """Return the median time of a *side*, and how many times the first side's."""
    time_of_one = median(one[side] for one in seen) / parts
    ratio = median(one[side] / one[0] for one in seen)
    return f"{time_of_one:.0f}", f"{ratio:.2f}"
