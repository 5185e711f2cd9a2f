"""
A governed call against litellm's Router, which retries and cools down as well.

Both talk to one local server, in processes of their own and in turns; litellm in an
environment that uv makes for it, since it needs another OpenAI SDK.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Call = Callable[[], Awaitable[object]]

CALLS, ROUNDS, AT_ONCE = 256, 5, (1, 64)
SAY = "Say hello."


async def time_calls(call: Call) -> dict[int, float]:
    """Return the CPU time of one *call* in µs, by how many run at once."""
    await asyncio.gather(*(call() for _ in range(64)))
    seen = {}
    for at_once in AT_ONCE:
        start = time.process_time()
        for _ in range(CALLS // at_once):
            await asyncio.gather(*(call() for _ in range(at_once)))
        seen[at_once] = (time.process_time() - start) / CALLS * 1e6
    return seen


async def raw(url: str) -> dict[int, float]:
    """Time the SDK alone, without its retries."""
    from openai import AsyncOpenAI  # noqa: PLC0415 - not in every environment

    async with AsyncOpenAI(api_key="k", base_url=url, max_retries=0) as client:
        create = client.chat.completions.create
        message: Any = {"role": "user", "content": SAY}
        return await time_calls(lambda: create(model="bench", messages=[message]))


async def governed(url: str) -> dict[int, float]:
    """Time a board: deadline, retries, quota, breaker, accounts."""
    from pegboard import Pegboard  # noqa: PLC0415 - not in every environment

    section = {"provider": "openai", "api": "chat", "model": "bench", "api_key": "k"}
    given = {"llm": {"default": {**section, "base_url": url}}}
    async with Pegboard.isolated(given) as board:
        llm = board.llm()
        return await time_calls(lambda: llm.complete(SAY))


async def router(url: str) -> dict[int, float]:
    """Time litellm's Router with retries and a cool-down."""
    from litellm import Router  # type: ignore[import-not-found]  # noqa: PLC0415 - the same

    model = {"model": "openai/bench", "api_key": "k", "api_base": url}
    many = Router(
        model_list=[{"model_name": "bench", "litellm_params": model}],
        num_retries=2,
        allowed_fails=5,
        cooldown_time=30,
    )
    message = {"role": "user", "content": SAY}
    return await time_calls(lambda: many.acompletion(model="bench", messages=[message]))


WAYS = {"raw": raw, "governed": governed, "router": router}


def run(way: str, url: str) -> dict[int, float]:
    """Return the times of *way*, run in a process of its own."""
    command = [sys.executable, __file__]
    if way == "router" and find_spec("litellm") is None:
        uv = Path(sys.executable).with_name("uv")
        tool = str(uv) if uv.exists() else "uv"
        command = [tool, "run", "--no-project", "--with", "litellm>=1.100"]
        command += ["python", __file__]
    printed = subprocess.run(
        [*command, way, url], check=True, capture_output=True, text=True
    ).stdout
    return {
        int(key): value for key, value in json.loads(printed.splitlines()[-1]).items()
    }


def main() -> None:
    """Start the server, let all ways take turns, print the table."""
    from openai_calls import serve  # noqa: PLC0415 - beside this file

    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    server = spawn.Process(target=serve, args=(there,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{here.recv()}/v1"
    try:
        rounds = [{way: run(way, url) for way in WAYS} for _ in range(ROUNDS)]
    finally:
        server.terminate()
    print("| at once | raw SDK | pegboard | ratio | litellm.Router | ratio |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for at_once in AT_ONCE:
        times = {way: median(r[way][at_once] for r in rounds) for way in WAYS}
        ratio = {
            way: median(r[way][at_once] / r["raw"][at_once] for r in rounds)
            for way in WAYS
        }
        print(
            f"| {at_once} | {times['raw']:.0f} | {times['governed']:.0f} | "
            f"{ratio['governed']:.2f} | {times['router']:.0f} | {ratio['router']:.2f} |"
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(asyncio.run(WAYS[sys.argv[1]](sys.argv[2]))))
    else:
        main()
