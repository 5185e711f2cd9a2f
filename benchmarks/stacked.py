"""
The policy against what people stack by hand: a library for each of its layers.

uv brings the libraries: stamina, circuitbreaker and prometheus-client.
"""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from pegboard import Policy
from pegboard._policy.stack import govern
from pegboard._policy.target import Target
from pegboard.contracts.declare import Operation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Call = Callable[[], Awaitable[object]]

CALLS, ROUNDS = 2_000, 15
LIBRARIES = ("stamina", "circuitbreaker", "prometheus-client")


async def nothing() -> None:
    """Do nothing."""


def governed() -> Call:
    """Return the no-op under a policy with deadline, retries, quota and breaker."""
    target = Target("llm.bench", Policy(), "bench", "pegboard-bench")
    operation = Operation("nothing", repeatable=True, streams=False, method=nothing)
    return govern(nothing, operation, target)


def stacked() -> Call:
    """Return the no-op under one library for each concern."""
    import prometheus_client  # type: ignore[import-not-found]  # noqa: PLC0415 - uv brings it
    import stamina  # type: ignore[import-not-found]  # noqa: PLC0415 - the same
    from circuitbreaker import (  # type: ignore[import-not-found]  # noqa: PLC0415
        circuit,
    )
    from loguru import logger  # noqa: PLC0415 - only here

    labels: Any = ("address", "operation")
    calls = prometheus_client.Counter("calls", "Calls.", labels)
    seconds = prometheus_client.Histogram("seconds", "Seconds.", labels)
    logger.remove()

    @stamina.retry(on=ConnectionError, attempts=3)
    @circuit(failure_threshold=5, recovery_timeout=30)
    async def attempt() -> None:
        await asyncio.wait_for(nothing(), 60)

    async def call() -> None:
        start = time.perf_counter()
        logger.bind(address="llm.bench").debug("begins")
        await attempt()
        calls.labels("llm.bench", "nothing").inc()
        seconds.labels("llm.bench", "nothing").observe(time.perf_counter() - start)

    return call


async def microseconds(call: Call) -> float:
    """Return the CPU time of one *call*, on average."""
    start = time.process_time()
    for _ in range(CALLS):
        await call()
    return (time.process_time() - start) / CALLS * 1e6


async def compare() -> None:
    """Print the table."""
    rows = {"pegboard": governed(), "stacked by hand": stacked()}
    seen: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(ROUNDS):
        for name, call in rows.items():
            seen[name].append(await microseconds(call))
    least = median(seen["pegboard"])
    print("| around a no-op | µs of CPU per call | ratio |\n| --- | ---: | ---: |")
    for name, values in seen.items():
        print(f"| {name} | {median(values):.2f} | {median(values) / least:.1f} |")


def main() -> None:
    """Compare here, or where uv has brought the libraries."""
    if importlib.util.find_spec("stamina"):
        asyncio.run(compare())
        return
    uv = Path(sys.executable).with_name("uv")
    tool = str(uv) if uv.exists() else "uv"
    core = Path(__file__).parents[1] / "core"
    brought = [part for name in LIBRARIES for part in ("--with", name)]
    command = [tool, "run", "--no-project", "--with", str(core), *brought]
    subprocess.run([*command, "python", __file__], check=True)


if __name__ == "__main__":
    main()
