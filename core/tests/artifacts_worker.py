"""
Processes that push versions of one artifact at once.

Run by test_artifacts.py. Each begins when it gets a line, and says what it pushed.
"""

from __future__ import annotations

import asyncio
import json
import sys

from pegboard import Artifacts, Pegboard

TASKS = 4


async def push(path, worker, turns):
    """Push in many tasks, each turn a version with a tag and at a stage."""
    settings = {
        "provider": "files",
        "path": path,
        "busy_timeout": 60,
        "durability": "process",
    }
    async with Pegboard.isolated({"storage": {"x": settings}}) as board:
        artifacts = board.storage("x", Artifacts)

        async def pushed(task):
            made = []
            for turn in range(int(turns)):
                content = f"{worker}.{task}.{turn}"
                tags = [f"worker-{worker}"]
                one = await artifacts.push("model", content.encode(), tags=tags)
                await artifacts.promote("model", one.version, f"stage-{worker}-{task}")
                made.append((one.version, content))
            return made

        for made in await asyncio.gather(*map(pushed, range(TASKS))):
            sys.stdout.write(f"{json.dumps(made)}\n")


if __name__ == "__main__":
    sys.stdin.readline()
    asyncio.run(globals()[sys.argv[1]](*sys.argv[2:]))
