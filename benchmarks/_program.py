"""A program that uses one provider by one library, and tells what that costs it."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from pathlib import Path

from _ways import WAYS

AT_ONCE = 8


def kibibytes(field: str) -> int:
    """Return what Linux tells of this process: VmHWM is its peak, VmRSS is now."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(re.findall(rf"{field}:\s+(\d+) kB", status)[0])


async def use(way: str, provider: str, url: str, calls: int) -> dict[str, float]:
    """Return the cost up to a first call, and the memory after *calls* more."""
    async with WAYS[way].talk(provider, url) as (complete, _):
        await complete()
        first = {"cpu": time.process_time() * 1000, "peak": kibibytes("VmHWM")}
        warm = 0
        for done in range(0, calls, AT_ONCE):
            if done == calls // 5:
                warm = kibibytes("VmRSS")
            await asyncio.gather(*(complete() for _ in range(AT_ONCE)))
        return {**first, "warm": warm, "end": kibibytes("VmRSS")}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(use(*sys.argv[1:4], int(sys.argv[4])))))
