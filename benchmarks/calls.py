"""
Calls and streams through a board against the raw SDKs, side by side.

All talk to one local server; each provider has a process of its own. The HTTP library
that an SDK is on, without it and without pegboard, is the floor below both. Arguments
name the providers, otherwise all are measured.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack

from _http import alone
from _server import STORY, running
from _turns import Call, figures, in_turns
from _ways import Talk, pegboard, raw

PROVIDERS = ("openai", "anthropic", "gemini", "ollama")


async def row(
    what: str, at_once: int, calls: list[Call], *, count: int, parts: int = 1
) -> None:
    """Print what *calls* cost, each of *parts*."""
    rounds = 8 if parts == 1 or at_once == 1 else 2
    seen = await in_turns(calls, count=count, at_once=at_once, rounds=rounds)
    one, two, three = (figures(seen, side, parts) for side in range(3))
    told = (what, at_once, one[0], *two, *three)
    print(f"| {' | '.join(map(str, told))} |", flush=True)


async def compare(provider: str, url: str) -> None:
    """Print the table of one provider."""
    columns = "at once | raw SDK, µs | governed, µs | ratio | HTTP alone, µs | ratio"
    print(f"\n| {provider} | {columns} |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    async with AsyncExitStack() as stack:

        async def talks(turns: int) -> list[Talk]:
            ways = raw, pegboard, alone
            return [
                await stack.enter_async_context(way(provider, url, turns))
                for way in ways
            ]

        for turns, count in ((2, 128), (50, 64)):
            complete = [one[0] for one in await talks(turns)]
            for at_once in (1, 64):
                await row(f"{turns} messages", at_once, complete, count=count)
        stream = [one[1] for one in await talks(2)]
        for at_once, count in ((1, 4), (64, 64)):
            await row("chunk", at_once, stream, count=count, parts=len(STORY))


def main() -> None:
    """Start the server, compare each provider in a process of its own."""
    with running() as url:
        for provider in sys.argv[1:] or PROVIDERS:
            subprocess.run([sys.executable, __file__, provider, url], check=True)


if __name__ == "__main__":
    if sys.argv[-1].startswith("http://"):
        asyncio.run(compare(*sys.argv[1:]))
    else:
        main()
