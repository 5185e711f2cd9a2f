"""
Compare Files with what they are made of: plain files, and fsspec.

Prints two tables: small files, one call after the other and 64 at once, in CPU of this
process; and 64 MiB by pieces of 1 MiB, with the memory that they take at most. All
write to a new file and rename it, as only that is safe for who reads meanwhile; none
of them syncs it. They take turns, round by round, on a file system in memory, if there
is one, as what disks do is more than what is compared.

    python benchmarks/files.py
"""

from __future__ import annotations

import asyncio
import os
import time
import tracemalloc
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from fsspec.implementations.local import LocalFileSystem
from pegboard import Files, Pegboard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Call = Callable[[int], Awaitable[object]]
    Way = dict[str, Call]

ROUNDS, CALLS, TASKS = 9, 256, 64
SMALL = os.urandom(4096)
PIECE, PIECES = 1024 * 1024, 64
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
WHERE = IN_MEMORY if IN_MEMORY.is_dir() else None


async def stream() -> AsyncIterator[bytes]:
    """Yield 64 MiB."""
    piece = SMALL * (PIECE // len(SMALL))
    for _ in range(PIECES):
        yield piece


def written(path: Path) -> None:
    """Write a small file by hand."""
    growing = path.with_suffix(f".{os.urandom(8).hex()}")
    growing.write_bytes(SMALL)
    growing.replace(path)


def plain(folder: Path) -> Way:
    """Use the standard library, on the event loop, which others wait for."""

    async def write(number: int) -> None:
        written(folder / f"{number}")

    async def read(number: int) -> None:
        (folder / f"{number}").read_bytes()

    async def put(_: int) -> None:
        with (folder / "growing").open("wb", buffering=0) as file:
            async for piece in stream():
                file.write(piece)
        (folder / "growing").replace(folder / "large")

    async def get(_: int) -> None:
        with (folder / "large").open("rb", buffering=0) as file:
            while file.read(PIECE):
                pass

    return {"write": write, "read": read, "put": put, "get": get}


def threaded(folder: Path) -> Way:
    """Use the standard library in threads, which keep the event loop free."""

    async def write(number: int) -> None:
        await asyncio.to_thread(written, folder / f"{number}")

    async def read(number: int) -> None:
        await asyncio.to_thread((folder / f"{number}").read_bytes)

    async def put(_: int) -> None:
        with (folder / "growing").open("wb", buffering=0) as file:
            async for piece in stream():
                await asyncio.to_thread(file.write, piece)
        (folder / "growing").replace(folder / "large")

    async def get(_: int) -> None:
        with (folder / "large").open("rb", buffering=0) as file:
            while await asyncio.to_thread(file.read, PIECE):
                pass

    return {"write": write, "read": read, "put": put, "get": get}


def by_fsspec(folder: Path) -> Way:
    """Use fsspec in threads, which has no way to write but in place."""
    system = LocalFileSystem()

    async def write(number: int) -> None:
        growing = f"{folder}/{os.urandom(8).hex()}"
        await asyncio.to_thread(system.pipe_file, growing, SMALL)
        await asyncio.to_thread(system.mv, growing, f"{folder}/{number}")

    async def read(number: int) -> None:
        await asyncio.to_thread(system.cat_file, f"{folder}/{number}")

    async def put(_: int) -> None:
        with system.open(f"{folder}/growing", "wb") as file:
            async for piece in stream():
                await asyncio.to_thread(file.write, piece)
        system.mv(f"{folder}/growing", f"{folder}/large")

    async def get(_: int) -> None:
        with system.open(f"{folder}/large", "rb") as file:
            while await asyncio.to_thread(file.read, PIECE):
                pass

    return {"write": write, "read": read, "put": put, "get": get}


def by_files(store: Files) -> Way:
    """Use Files."""

    async def write(number: int) -> None:
        await store.write(f"{number}", SMALL)

    async def read(number: int) -> None:
        await store.read(f"{number}")

    async def put(_: int) -> None:
        await store.write("large", stream())

    async def get(_: int) -> None:
        async for _ in store.stream("large"):
            pass

    return {"write": write, "read": read, "put": put, "get": get}


async def one_by_one(call: Call) -> None:
    """Make the calls one after the other."""
    for number in range(CALLS):
        await call(number)


async def at_once(call: Call) -> None:
    """Make them in 64 tasks."""

    async def some(task: int) -> None:
        for number in range(task, CALLS, TASKS):
            await call(number)

    await asyncio.gather(*map(some, range(TASKS)))


async def small(ways: dict[str, Way]) -> str:
    """Return the table of small files."""
    spent: dict[tuple[str, str], list[float]] = {}
    for _ in range(ROUNDS):
        for how in (one_by_one, at_once):
            for way, calls in ways.items():
                for name in ("write", "read"):
                    began = time.process_time()
                    await how(calls[name])
                    used = (time.process_time() - began) / CALLS * 1e6
                    spent.setdefault((way, f"{name} {how.__name__}"), []).append(used)
    columns = [f"{n} {h}" for n in ("write", "read") for h in ("one_by_one", "at_once")]
    return table(ways, columns, {key: median(used) for key, used in spent.items()})


def table(
    ways: dict[str, Way], columns: list[str], found: dict[tuple[str, str], float]
) -> str:
    """Return *found* as Markdown, each beside its ratio to the first way."""
    first = next(iter(ways))
    heads = " | ".join(f"{column.replace('_', ' ')} | ratio" for column in columns)
    lines = [
        f"| 4 KiB, µs of CPU | {heads} |",
        f"| --- |{' --: | --: |' * len(columns)}",
    ]
    for way in ways:
        cells = (
            f"{one:.0f} | {one / found[first, column]:.2f}"
            for column in columns
            for one in [found[way, column]]
        )
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


async def large(ways: dict[str, Way]) -> str:
    """Return the table of large files."""
    spent: dict[tuple[str, str], list[float]] = {}
    for _ in range(ROUNDS):
        for way, calls in ways.items():
            for name in ("put", "get"):
                began = time.process_time()
                await calls[name](0)
                spent.setdefault((way, name), []).append(time.process_time() - began)
    lines = [
        "| 64 MiB | put, ms of CPU | ratio | memory | get, ms | ratio | memory |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    first = next(iter(ways))
    for way, calls in ways.items():
        cells = []
        for name in ("put", "get"):
            taken = median(spent[way, name])
            ratio = taken / median(spent[first, name])
            most = await memory(calls[name])
            cells.append(f"{taken * 1000:.0f} | {ratio:.2f} | {most:.1f} MiB")
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


async def memory(call: Call) -> float:
    """Return the MiB of memory that *call* takes at most."""
    tracemalloc.start()
    try:
        await call(0)
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


async def main() -> None:
    """Measure in a temporary folder and print the tables."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=WHERE)))
        for name in ("plain", "threads", "fsspec"):
            (folder / name).mkdir()
        files = {
            "provider": "files",
            "path": folder / "files",
            "durability": "process",
        }
        bridge = {
            "provider": "fsspec",
            "url": (folder / "bridge").as_uri(),
            "external": False,
        }
        board = await stack.enter_async_context(
            Pegboard.isolated({"storage": {"files": files, "bridge": bridge}})
        )
        ways = {
            "a file, in threads": threaded(folder / "threads"),
            "a file, on the event loop": plain(folder / "plain"),
            "fsspec, in threads": by_fsspec(folder / "fsspec"),
            "files": by_files(board.storage("files", Files)),
            "pegboard-fsspec": by_files(board.storage("bridge", Files)),
        }
        print(await small(ways), await large(ways), sep="\n\n")


asyncio.run(main())
