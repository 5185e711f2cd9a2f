"""
Calls to DynamoDB and S3 through pegboard, through Amazon's SDKs, and by obstore.

Prints two tables. All ways store the same on the servers of the tests, ministack and
SeaweedFS. They take turns, round by round, and only the CPU time of this process
counts, so that what else the machine does meets all of them alike. Ours goes through
the policy, as it always does; retries of the SDKs are off.

uv brings the libraries: aiobotocore wants another botocore than ministack does.

    python benchmarks/amazon.py
"""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    Call = Callable[[int], Awaitable[object]]
    Way = Mapping[str, Call]
    Medians = Mapping[tuple[str, str, int], float]

ROUNDS, CALLS = 9, 256
AT_ONCE = (1, 64)
VALUE = {"user": "u-1093", "roles": ["reader", "editor"], "last": "Hello. " * 20}
CONTENT = bytes(4096)
LIBRARIES = ("aiobotocore", "boto3")
ROOT = Path(__file__).parents[1]
OURS = (
    "core",
    "plugins/pegboard-aws",
    "plugins/pegboard-dynamodb",
    "plugins/pegboard-s3",
)
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
REGION = "us-east-1"
TABLE = "raw-table"
NOT_YET = "attribute_not_exists(pk) OR version = :version"


def item(number: int) -> dict[str, Any]:
    """Return what is stored in DynamoDB by hand."""
    return {
        "pk": {"S": "values"},
        "sk": {"S": f"key{number}"},
        "body": {"S": json.dumps(VALUE)},
        "version": {"S": "1"},
    }


def raw_values(call: Callable[..., Awaitable[Any]]) -> Way:
    """Use an SDK by hand, as one who knows it would; *call* is any of its methods."""

    async def get(number: int) -> dict[str, Any]:
        key = {"pk": {"S": "values"}, "sk": {"S": f"key{number}"}}
        found = await call("get_item", TableName=TABLE, Key=key, ConsistentRead=True)
        json.loads(found["Item"]["body"]["S"])
        return dict(found["Item"])

    async def put(number: int, **condition: Any) -> None:
        await call("put_item", TableName=TABLE, Item=item(number), **condition)

    async def compare_and_set(number: int) -> None:
        version = (await get(number))["version"]
        await put(
            number,
            ConditionExpression=NOT_YET,
            ExpressionAttributeValues={":version": version},
        )

    return {"set": put, "get": get, "get, compare and set": compare_and_set}


def our_values(store: Any) -> Way:
    """Use KeyValue of pegboard-dynamodb."""

    async def compare_and_set(number: int) -> None:
        entry = await store.get_entry(f"key{number}")
        await store.set(f"key{number}", entry.value, if_version=entry.version)

    return {
        "set": lambda number: store.set(f"key{number}", VALUE),
        "get": lambda number: store.get(f"key{number}"),
        "get, compare and set": compare_and_set,
    }


def raw_blobs(call: Callable[..., Awaitable[Any]], read: Any) -> Way:
    """Use an SDK by hand; *read* returns the content of an answer."""

    async def get(number: int) -> None:
        await read(await call("get_object", Bucket="bucket", Key=f"raw{number}"))

    return {
        "put": lambda number: call(
            "put_object", Bucket="bucket", Key=f"raw{number}", Body=CONTENT
        ),
        "get": get,
    }


def obstore_blobs(endpoint: str, key: str, secret: str) -> Way:
    """Use obstore by hand."""
    import obstore  # noqa: PLC0415 - uv brings it
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

    async def get(number: int) -> None:
        result = await obstore.get_async(bucket, f"obstore{number}")
        bytes(await result.bytes_async())

    return {
        "put": lambda number: obstore.put_async(bucket, f"obstore{number}", CONTENT),
        "get": get,
    }


def our_blobs(store: Any) -> Way:
    """Use Blobs of pegboard-s3."""
    return {
        "put": lambda number: store.put(f"key{number}", CONTENT),
        "get": lambda number: store.get(f"key{number}"),
    }


async def sdks(
    stack: AsyncExitStack, service: str, endpoint: str, keys: Mapping[str, str]
) -> dict[str, Callable[..., Awaitable[Any]]]:
    """Return what calls a method of each of Amazon's SDKs."""
    import boto3  # type: ignore[import-not-found]  # noqa: PLC0415 - uv brings it
    from aiobotocore.config import (  # type: ignore[import-not-found]  # noqa: PLC0415
        AioConfig,
    )
    from aiobotocore.session import (  # type: ignore[import-not-found]  # noqa: PLC0415
        get_session,
    )
    from botocore.config import (  # type: ignore[import-untyped]  # noqa: PLC0415
        Config,
    )

    given = {"region_name": REGION, "endpoint_url": endpoint, **keys}
    once = {"retries": {"total_max_attempts": 1}, "max_pool_connections": max(AT_ONCE)}
    blocking = boto3.client(service, config=Config(**once), **given)
    session = get_session().create_client(service, config=AioConfig(**once), **given)
    client = await stack.enter_async_context(session)
    threads = stack.enter_context(ThreadPoolExecutor(max(AT_ONCE)))

    async def in_thread(method: str, **fields: Any) -> Any:
        call = partial(getattr(blocking, method), **fields)
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    async def with_coroutines(method: str, **fields: Any) -> Any:
        return await getattr(client, method)(**fields)

    return {"boto3, in threads": in_thread, "aiobotocore": with_coroutines}


async def measure(ways: Mapping[str, Way]) -> Medians:
    """Return the median of microseconds by operation, way, and how many at once."""
    spent: dict[tuple[str, str, int], list[float]] = {}
    for _ in range(ROUNDS + 1):  # the first one connects
        for at_once in AT_ONCE:
            for name, way in ways.items():
                for operation, call in way.items():
                    taken = await microseconds(call, at_once)
                    spent.setdefault((operation, name, at_once), []).append(taken)
    return {key: median(values[1:]) for key, values in spent.items()}


async def microseconds(call: Call, at_once: int) -> float:
    """Return the CPU time of one *call* when so many are made at once."""

    async def caller(number: int) -> None:
        for _ in range(CALLS // at_once):
            await call(number)

    began = time.process_time()
    await asyncio.gather(*map(caller, range(at_once)))
    return (time.process_time() - began) / CALLS * 1e6


def table(ways: Mapping[str, Way], medians: Medians) -> str:
    """Return *medians* as Markdown, each beside its ratio to the first way's."""
    lines = [
        "| | one at a time, µs | ratio | 64 at once, µs | ratio |",
        "| --- | --: | --: | --: | --: |",
    ]
    first = next(iter(ways))
    for operation in ways[first]:
        for name in ways:
            cells = [
                f"{medians[operation, name, n]:.0f} | "
                f"{medians[operation, name, n] / medians[operation, first, n]:.2f}"
                for n in AT_ONCE
            ]
            lines.append(f"| {operation}: {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


async def values(endpoint: str) -> None:
    """Print the table of DynamoDB."""
    from pegboard import KeyValue, Pegboard  # noqa: PLC0415 - where it is installed
    from pegboard_dynamodb._requests import SCHEMA  # noqa: PLC0415 - the same

    settings = {
        "provider": "dynamodb",
        "url": "dynamodb://our-table/here",
        "endpoint": endpoint,
        "create_table": True,
        **{name.removeprefix("aws_"): key for name, key in KEYS.items()},
    }
    async with AsyncExitStack() as stack:
        calls = await sdks(stack, "dynamodb", endpoint, KEYS)
        await calls["aiobotocore"]("create_table", TableName=TABLE, **SCHEMA)
        board = Pegboard.isolated({"storage": {"x": settings}})
        store = (await stack.enter_async_context(board)).storage("x", KeyValue)
        ways = {name: raw_values(call) for name, call in calls.items()}
        ways["pegboard-dynamodb"] = our_values(store)
        print(table(ways, await measure(ways)))


async def blobs(endpoint: str, key: str, secret: str) -> None:
    """Print the table of S3."""
    from pegboard import Blobs, Pegboard  # noqa: PLC0415 - where it is installed

    settings = {
        "provider": "s3",
        "url": "s3://bucket/here",
        "endpoint": endpoint,
        "access_key_id": key,
        "secret_access_key": secret,
    }
    keys = {"aws_access_key_id": key, "aws_secret_access_key": secret}

    async def read_blocking(answer: Any) -> None:
        await asyncio.to_thread(answer["Body"].read)

    async def read(answer: Any) -> None:
        async with answer["Body"] as body:
            await body.read()

    reads = {"boto3, in threads": read_blocking, "aiobotocore": read}
    async with AsyncExitStack() as stack:
        calls = await sdks(stack, "s3", endpoint, keys)
        board = Pegboard.isolated({"storage": {"x": settings}})
        store = (await stack.enter_async_context(board)).storage("x", Blobs)
        ways = {"obstore": obstore_blobs(endpoint, key, secret)}
        ways |= {name: raw_blobs(call, reads[name]) for name, call in calls.items()}
        ways["pegboard-s3"] = our_blobs(store)
        print(table(ways, await measure(ways)))


@contextmanager
def ministack() -> Iterator[str]:
    """Run the server for DynamoDB, and return where it is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with TemporaryDirectory() as folder:
        place = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "HOME": folder}
        with subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            env={**os.environ, **place, "LOG_LEVEL": "ERROR"},
            stdout=subprocess.DEVNULL,
        ) as server:
            try:
                wait_for(port, server)
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until *server* listens on *port*."""
    while server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("ministack ended before it listened")


def main() -> None:
    """Measure where uv has brought the libraries."""
    if sys.flags.safe_path:
        places = json.loads(os.environ["SERVERS"])
        asyncio.run(values(places["dynamodb"]))
        print()
        asyncio.run(blobs(*places["s3"]))
        return
    beside = Path(sys.executable).with_name("uv")
    command = [str(beside) if beside.exists() else "uv", "run", "--no-project"]
    for name in (*(str(ROOT / one) for one in OURS), *LIBRARIES):
        command += ["--with", name]
    tools = runpy.run_path(str(ROOT / "plugins/pegboard-s3/tests/conftest.py"))
    with ministack() as dynamodb, tools["running"]() as server:
        s3 = (server.endpoint, tools["KEY"], tools["SECRET"])
        places = json.dumps({"dynamodb": dynamodb, "s3": s3})
        # Without the folder of this file, where others are named like the libraries.
        subprocess.run(
            [*command, "python", "-P", __file__],
            check=True,
            env={**os.environ, "SERVERS": places},
        )


if __name__ == "__main__":
    main()
