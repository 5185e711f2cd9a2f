"""
Calls and streams of other libraries against the raw SDKs, side by side.

All talk to one local server. Each library takes turns with the raw SDK that its own
environment has, in one process for each provider; uv makes the environments. Arguments
name the providers, otherwise all are measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import Any

from _server import REPLY, STORY, running
from _turns import figures, in_turns
from _ways import PROVIDERS, WAYS, distribution, run

ROUNDS = 5


async def measure(way: str, provider: str, url: str) -> dict[str, Any]:
    """Return the figures of *way* and of the raw SDK of this environment."""
    async with AsyncExitStack() as stack:
        talks = [
            await stack.enter_async_context(WAYS[name].talk(provider, url))
            for name in ("raw SDK", way)
        ]
        for complete, stream in talks:
            assert await complete() == "".join(REPLY)
            assert await stream() == "".join(STORY)
        completes, streams = zip(*talks, strict=True)
        return {
            "sdk": version(provider),
            "library": version(distribution(way, provider)),
            "1": await in_turns(completes, count=64, rounds=ROUNDS),
            "64": await in_turns(completes, count=64, at_once=64, rounds=ROUNDS),
            "chunk": await in_turns(streams, count=2, rounds=ROUNDS),
        }


def row(name: str, found: dict[str, Any], side: int) -> str:
    """Return the row of one side: times, and how many times the raw SDK's."""
    cells = [name]
    for figure, parts in (("1", 1), ("64", 1), ("chunk", len(STORY))):
        cells += figures(found[figure], side, parts)
    return f"| {' | '.join(cells)} |"


def compare(provider: str, url: str) -> None:
    """Print the table of one provider."""
    print(f"\n| {provider} | 1 at once, µs | x | 64 at once, µs | x | chunk, µs | x |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    left_out, told = [], set()
    for way in list(WAYS)[1:]:
        found = run(way, __file__, way, provider, url)
        if isinstance(found, str):
            left_out.append(f"\n{way} is left out: {found}")
            continue
        if found["sdk"] not in told:
            told.add(found["sdk"])
            print(row(f"raw SDK {found['sdk']}", found, 0))
        name = f"{way} {found['library']} (SDK {found['sdk']})"
        print(row(name, found, 1), flush=True)
    print("\n".join(left_out))


def main() -> None:
    """Start the server, print the tables."""
    with running() as url:
        for provider in sys.argv[1:] or PROVIDERS:
            compare(provider, url)


if __name__ == "__main__":
    if sys.argv[-1].startswith("http://"):
        print(json.dumps(asyncio.run(measure(*sys.argv[1:]))))
    else:
        main()
