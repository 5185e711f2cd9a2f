"""
KeyValue in a file and in memory, and the libraries that others use for it.

Prints one table. All ways store the same value; what is kept in files survives the end
of the process in all of them. They take turns, round by round, and only CPU time
counts, so that whatever else the machine does meets all of them alike.

uv brings the libraries: aiocache, diskcache and py-key-value-aio.

    python benchmarks/caches.py
"""
# ruff: noqa: PLC0415 - uv brings what is imported late

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Call = Callable[[], Awaitable[object]]

ROUNDS, CALLS = 21, 300
VALUE = {"user": "u-1093", "roles": ["reader", "editor"], "last": "Hello. " * 20}
LIBRARIES = ("aiocache", "diskcache", "py-key-value-aio[disk,memory]")
ROOT = Path(__file__).parents[1]


class Way(NamedTuple):
    """How a value is stored and had."""

    set: Call
    get: Call


def directly(cache: Any) -> Way:
    """Use diskcache, which is not async: the event loop waits."""

    async def set_() -> None:
        cache.set("key", VALUE)

    async def get() -> object:
        return cache.get("key")

    return Way(set_, get)


def in_thread(cache: Any) -> Way:
    """Use diskcache as its manual has it for async programs."""

    async def set_() -> None:
        await asyncio.to_thread(cache.set, "key", VALUE)

    async def get() -> object:
        return await asyncio.to_thread(cache.get, "key")

    return Way(set_, get)


def by(put: Any, get: Any) -> Way:
    """Use what is async."""
    return Way(lambda: put("key", VALUE), lambda: get("key"))


async def ways(stack: AsyncExitStack, folder: Path) -> dict[str, Way]:
    """Return all ways."""
    from aiocache import SimpleMemoryCache  # type: ignore[import-not-found]
    from diskcache import Cache  # type: ignore[import-not-found]
    from key_value.aio.stores.disk import (  # type: ignore[import-not-found]
        DiskStore,
    )
    from key_value.aio.stores.memory import (  # type: ignore[import-not-found]
        MemoryStore,
    )
    from pegboard import KeyValue, Pegboard

    providers = {"file": {"provider": "sqlite"}, "memory": {"provider": "memory"}}
    settings = {"data_folder": folder / "pegboard", "storage": providers}
    board = await stack.enter_async_context(Pegboard.isolated(settings))
    file, memory = (board.storage(name, KeyValue) for name in providers)
    cache = stack.enter_context(Cache(str(folder / "diskcache")))
    disk, held = DiskStore(directory=folder / "disk"), MemoryStore()
    simple = SimpleMemoryCache()
    return {
        "file: pegboard, `sqlite`": by(file.set, file.get),
        "file: diskcache": directly(cache),
        "file: diskcache in a thread": in_thread(cache),
        "file: py-key-value-aio": by(disk.put, disk.get),
        "memory: pegboard, `memory`": by(memory.set, memory.get),
        "memory: aiocache": by(simple.set, simple.get),
        "memory: py-key-value-aio": by(held.put, held.get),
    }


async def microseconds(call: Call) -> float:
    """Return the CPU time of one *call*."""
    began = time.process_time()
    for _ in range(CALLS):
        await call()
    return (time.process_time() - began) / CALLS * 1e6


async def measure() -> None:
    """Print the table."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        known = await ways(stack, folder)
        spent: dict[str, list[tuple[float, float]]] = {name: [] for name in known}
        for _ in range(ROUNDS + 1):  # the first one opens files
            for name, way in known.items():
                took = (await microseconds(way.set), await microseconds(way.get))
                spent[name].append(took)
        for way in known.values():
            assert await way.get() == VALUE
    print("| | set, µs | ratio | get, µs | ratio |\n| --- | --: | --: | --: | --: |")
    first: dict[str, list[float]] = {}
    for name, rounds in spent.items():
        medians = [median(times) for times in zip(*rounds[1:], strict=True)]
        base = first.setdefault(name.partition(":")[0], medians)
        cells = (f"{a:.1f} | {a / b:.2f}" for a, b in zip(medians, base, strict=True))
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    """Measure where uv has brought the libraries."""
    if sys.flags.safe_path:
        asyncio.run(measure())
        return
    uv = Path(sys.executable).with_name("uv")
    tool = str(uv) if uv.exists() else "uv"
    names = (str(ROOT / "core"), *LIBRARIES)
    brought = [part for name in names for part in ("--with", name)]
    command = [tool, "run", "--no-project", *brought]
    # Without the folder of this file, where others are named like those libraries.
    subprocess.run([*command, "python", "-P", __file__], check=True)


if __name__ == "__main__":
    main()
