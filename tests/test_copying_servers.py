"""What is carried between files and real servers, and back."""

import math
import runpy
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import psycopg
import pytest
from pegboard import (
    Blobs,
    Collection,
    Documents,
    DocumentStore,
    Index,
    Key,
    KeyValue,
    Pegboard,
)
from pegboard.copying import Copied, copy_storage
from pydantic import BaseModel

PLUGINS = Path(__file__).parents[1] / "plugins"
VALUES = {
    **{f"k{n:04}": [n, {"z": 1, "a": n * 0.1}] for n in range(230)},
    **dict.fromkeys(("a/b", "a_b", "\x00", "\u00e9", "e\u0301", "\U0001f600"), "nasty"),
    "none": None,
    "half of a pair": "\ud83d",
    "big": 2**80,
}
DYNAMODB = {
    "provider": "dynamodb",
    "url": "dynamodb://copies-table",
    "region": "us-east-1",
    "access_key_id": "test",
    "secret_access_key": "test",
    "create_table": True,
}
CONTENT = bytes(range(256)) * 3000


class Emoji(BaseModel):
    name: Annotated[str, Key()]
    uses: Annotated[int, Index()] = 0


class Interrupted(Exception):
    """What Ctrl-C is to a test."""


def of(plugin, module="conftest"):
    """Return what the tests of *plugin* start servers with."""
    path = PLUGINS / f"pegboard-{plugin}" / "tests" / f"{module}.py"
    return runpy.run_path(str(path))


@pytest.fixture(scope="module")
def redis():
    """Return the settings of a place on a Valkey server."""
    with of("redis")["running"]() as server:
        yield {"provider": "redis", "url": server.url, "timeout": 60}


@pytest.fixture(scope="module")
def postgres():
    """Return the settings of a database on a PostgreSQL server."""
    server = of("sql", "postgres")["Postgres"]()
    server.start()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE copies")
    yield {"provider": "postgresql", "url": server.url("copies"), "timeout": 60}
    server.remove()


@pytest.fixture(scope="module")
def bucket():
    """Return the settings of a bucket on a server of S3."""
    tests = of("s3")
    with tests["running"]() as server:
        yield {
            "provider": "s3",
            "url": "s3://bucket/copies",
            "endpoint": server.endpoint,
            "access_key_id": tests["KEY"],
            "secret_access_key": tests["SECRET"],
            "policy": {"deadline": 120, "attempt_timeout": 60},
        }


@contextmanager
def interrupted(done):
    """Return what ends a copy when it has come so far, and expect that."""

    def tell(progress):
        if progress.step == "copy" and progress.done >= done:
            raise Interrupted

    with pytest.raises(Interrupted):
        yield tell


async def test_values_go_from_each_storage_to_the_next(
    redis, postgres, ministack, tmp_path
):
    """After a round through all of them everything is as it was, interrupted or not."""
    storages = {
        "memory": {"provider": "memory"},
        "redis": redis,
        "sql": postgres,
        "sqlite": {"provider": "sqlite"},
        "dynamodb": {**DYNAMODB, "endpoint": ministack},
        "sql-file": {"provider": "sql", "url": f"sqlite:///{tmp_path}/one.db"},
        "redis-again": {**redis, "prefix": "again:"},
        "end": {"provider": "memory"},
    }
    settings = {"data_folder": str(tmp_path), "storage": storages}
    async with Pegboard.isolated(settings) as board:
        store = board.storage("memory", KeyValue)
        for key, value in VALUES.items():
            await store.set(key, value)
        await store.set("expires", 1, ttl=5000)
        documents = board.storage("memory", DocumentStore)
        for number in range(120):
            body = {"name": f"e{number}", "uses": number, "more": [None, 1.5, "\x00"]}
            await documents.put_document(Collection("Emoji"), f"e{number}", body)
        await documents.put_document(Collection("a:b/\u00e9*"), "key", {})

        for source, target in pairwise(storages):
            with interrupted(100) as tell:
                await copy_storage(
                    board, source, target, only=["values", "documents"], tell=tell
                )
            found = await copy_storage(
                board, source, target, only=["values", "documents"]
            )
            assert found == [
                Copied("values", 233 + 7, 140, 0, ()),
                Copied("documents of Emoji", 120, 120, 0, ()),
                Copied("documents of a:b/\u00e9*", 1, 1, 0, ()),
            ], (source, target)

        end = board.storage("end", KeyValue)
        keys = (await end.scan(limit=1000)).keys
        assert {key: await end.get(key) for key in keys} == {**VALUES, "expires": 1}
        assert 4000 < await end.ttl("expires") <= 5000
        assert await end.ttl("none") is None
        for name in ("redis", "sql", "sqlite", "dynamodb", "end"):
            emojis = board.storage(name, Documents[Emoji])
            assert [one.uses for one in (await emojis.find({"uses": 70})).values] == [
                70
            ]


async def test_blobs_go_to_a_server_and_back(bucket, tmp_path):
    """Files become objects and files again, with all that is said of them."""
    storages = {
        "files": {"provider": "files", "keep_versions": 3},
        "bucket": bucket,
        "memory": {"provider": "memory", "keep_versions": 3},
    }
    settings = {"data_folder": str(tmp_path), "storage": storages}
    async with Pegboard.isolated(settings) as board:
        await board.storage("bucket", Blobs).put("first", b"")  # makes the bucket
        await board.storage("bucket", Blobs).delete("first")
        source = board.storage("files", Blobs)
        for number in range(20):
            await source.put(
                f"folder/{number:02}",
                CONTENT[: number * 40_000],
                media_type="text/plain",
                metadata={"number": str(number)},
            )
        for one, other in pairwise(storages):
            with interrupted(8) as tell:
                await copy_storage(board, one, other, tell=tell)
            found = await copy_storage(board, one, other)
            assert found == [Copied("blobs", 20, 12, 0, ())], (one, other)

        target = board.storage("memory", Blobs)
        blob = await target.stat("folder/07")
        assert (blob.media_type, blob.metadata) == ("text/plain", {"number": "7"})
        assert await target.get("folder/19") == CONTENT[: 19 * 40_000]


async def test_target_that_lives_shorter_by_default_keeps_values(redis, tmp_path):
    """The ttl of the target's settings is for those who write there, not for copies."""
    storages = {
        "memory": {"provider": "memory"},
        "redis": {**redis, "prefix": "short:", "ttl": 5},
    }
    settings = {"data_folder": str(tmp_path), "storage": storages}
    async with Pegboard.isolated(settings) as board:
        await board.storage("memory", KeyValue).set("a", 1, ttl=math.inf)
        await copy_storage(board, "memory", "redis")

        assert await board.storage("redis", KeyValue).ttl("a") is None
