"""What the policy adds to a call that succeeds: CPU time around a no-op."""

from __future__ import annotations

import asyncio
import gc
import math
import time
from statistics import median
from typing import TYPE_CHECKING

from pegboard import Policy
from pegboard._policy.stack import govern
from pegboard._policy.target import Target
from pegboard.contracts.declare import Operation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from pegboard.observers import Event, Observer

    Call = Callable[[], Awaitable[object]]

CALLS, ROUNDS = 5_000, 15


async def nothing() -> None:
    """Do nothing."""


class Deaf:
    """An observer that does nothing."""

    def notify(self, event: Event) -> None:
        """Do nothing."""


def governed(*observers: Observer, **policy: float) -> Call:
    """Return the no-op under a policy."""
    target = Target(
        address="llm.bench",
        policy=Policy(**policy),  # type: ignore[arg-type]  # numbers all
        provider="bench",
        distribution="pegboard-bench",
        observers=observers,
    )
    operation = Operation("nothing", repeatable=True, streams=False, method=nothing)
    return govern(nothing, operation, target)


async def timed_out() -> None:
    """Do nothing under the standard library's timeout."""
    async with asyncio.timeout(120):
        await nothing()


async def waited_for() -> None:
    """Do nothing under the standard library's older timeout."""
    await asyncio.wait_for(nothing(), 120)


def with_tenacity() -> Call:
    """Return the no-op under tenacity alone, as peers retry."""
    import tenacity  # noqa: PLC0415

    return tenacity.retry(
        stop=tenacity.stop_after_attempt(3),
        wait=tenacity.wait_random_exponential(0.5, 20),
    )(nothing)


async def microseconds(call: Call) -> float:
    """Return the CPU time of one *call*, on average."""
    gc.collect()  # or whichever row is at its turn pays for those before
    start = time.process_time()
    for _ in range(CALLS):
        await call()
    return (time.process_time() - start) / CALLS * 1e6


async def numbers() -> AsyncGenerator[int]:
    """Yield items as fast as can be."""
    for number in range(CALLS):
        yield number


async def item_microseconds(stream: Callable[[], AsyncGenerator[int]]) -> float:
    """Return the CPU time of one item of *stream*, on average."""
    start = time.process_time()
    async for _ in stream():
        pass
    return (time.process_time() - start) / CALLS * 1e6


async def compare_streams() -> None:
    """Print what the policy adds to each item of a stream."""
    target = Target("llm.bench", Policy(), "bench", "pegboard-bench")
    operation = Operation("numbers", repeatable=True, streams=True, method=numbers)
    rows = {"bare stream": numbers, "pegboard": govern(numbers, operation, target)}
    seen: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(ROUNDS):
        for name, stream in rows.items():
            seen[name].append(await item_microseconds(stream))
    bare = median(seen["bare stream"])
    print("\n| around an item | µs of CPU per item | added |\n| --- | ---: | ---: |")
    for name, values in seen.items():
        print(f"| {name} | {median(values):.2f} | {median(values) - bare:.2f} |")


async def main() -> None:
    """Print the tables."""
    rows: dict[str, Call] = {
        "bare await": nothing,
        "`asyncio.timeout`": timed_out,
        "`asyncio.wait_for`": waited_for,
        "tenacity alone": with_tenacity(),
        "pegboard, no deadline": governed(deadline=math.inf),
        "pegboard, deadline": governed(deadline=120),
        "pegboard, deadline and attempt timeout": governed(attempt_timeout=60),
        "the same, an observer that does nothing": governed(Deaf(), attempt_timeout=60),
    }
    seen: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(ROUNDS):
        for name, call in rows.items():
            seen[name].append(await microseconds(call))
    bare = median(seen["bare await"])
    print("| around a no-op | µs of CPU per call | added |\n| --- | ---: | ---: |")
    for name, values in seen.items():
        print(f"| {name} | {median(values):.2f} | {median(values) - bare:.2f} |")
    await compare_streams()


if __name__ == "__main__":
    asyncio.run(main())
