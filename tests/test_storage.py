"""What the core builds on storage, over real servers, in several processes."""

from __future__ import annotations

import asyncio
import json
import random
import runpy
import subprocess
import sys
from contextlib import ExitStack, suppress
from itertools import count, islice
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from pegboard import (
    Cache,
    Conversations,
    Documents,
    DocumentStore,
    JsonDatabase,
    KeyValue,
    Locks,
    Pegboard,
    Sessions,
    errors,
)
from pegboard.testing.documents import PETS

from .storage_worker import Execution

ROOT = Path(__file__).parents[1]
REDIS = runpy.run_path(str(ROOT / "plugins/pegboard-redis/tests/conftest.py"))
POSTGRES = runpy.run_path(str(ROOT / "plugins/pegboard-sql/tests/postgres.py"))
WORKER = Path(__file__).with_name("storage_worker.py")
LOCK_WORKER = ROOT / "core/tests/lock_worker.py"
NUMBERS = count()
KINDS = ("sqlite", "valkey", "postgresql", "dynamodb")
PATIENT = {"timeout": 60, "connect_timeout": 60}
PROCESSES, TURNS = 4, 4
DYNAMODB = {
    "provider": "dynamodb",
    "region": "us-east-1",
    "access_key_id": "test",
    "secret_access_key": "test",
    "create_table": True,
    "policy": {"deadline": 60, "attempt_timeout": 60},
}


@pytest.fixture(scope="session")
def valkey():
    """Run a Valkey server."""
    with REDIS["running"]("valkey") as server:
        yield server


@pytest.fixture(scope="session")
def postgres():
    """Run a PostgreSQL server."""
    server = POSTGRES["Postgres"]()
    server.start()
    yield server
    server.remove()


@pytest.fixture(params=KINDS)
def settings(request, tmp_path):
    """Return the settings of an empty storage of each kind in turn."""
    if request.param == "sqlite":
        path = str(tmp_path / "kit.sqlite")
        return {"provider": "sqlite", "path": path, "busy_timeout": 60}
    if request.param == "valkey":
        url, prefix = request.getfixturevalue("valkey").url, f"{uuid4().hex}:"
        return {"provider": "redis", "url": url, "prefix": prefix, **PATIENT}
    if request.param == "dynamodb":
        endpoint = request.getfixturevalue("ministack")
        url = f"dynamodb://storage-table/{uuid4().hex}"
        return {**DYNAMODB, "url": url, "endpoint": endpoint}
    server, name = request.getfixturevalue("postgres"), f"test_{next(NUMBERS)}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return {"provider": "postgresql", "url": server.url(name), **PATIENT}


@pytest.fixture(params=["valkey", "postgresql"])
def mortal(request):
    """Return a server that keeps what it acknowledged when killed, and settings."""
    if request.param == "valkey":
        keep = ("--appendonly", "yes", "--appendfsync", "always")
        with REDIS["running"]("valkey", *keep) as server:
            yield server, {"provider": "redis", "url": server.url}
    else:
        server = POSTGRES["Postgres"]()
        server.start()
        yield server, {"provider": "postgresql", "url": server.url()}
        server.remove()


def board_of(settings):
    """Return a board with the storage as ``storage.kit``."""
    return Pegboard.isolated({"storage": {"kit": settings}})


def start(stack, function, settings, *arguments):
    """Start a worker; leave none behind."""
    process = subprocess.Popen(
        [sys.executable, WORKER, function, json.dumps(settings), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.callback(end, process)
    return process


def end(process):
    """Kill what still runs, and take note of its end."""
    process.kill()
    with process:
        pass


def test_processes_take_turns(settings, tmp_path):
    """What four processes count under a lock is exact, and tokens grow."""
    command = [sys.executable, LOCK_WORKER, json.dumps(settings), tmp_path, "5"]
    with ExitStack() as stack:
        workers = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
        for worker in workers:
            stack.callback(end, worker)
        printed = [worker.communicate()[0].split() for worker in workers]
    turns = sorted(
        (int(number), int(token))
        for words in printed
        for number, token in zip(words[::2], words[1::2], strict=True)
    )

    assert [number for number, _ in turns] == [*range(PROCESSES * 5)]
    tokens = [token for _, token in turns]
    assert tokens == sorted(set(tokens))


async def test_many_waiters_each_get_the_lock(settings):
    """However many wait on two boards, each has its turn, alone, and nothing stays."""
    inside, tokens = [], []
    async with board_of(settings) as one, board_of(settings) as other:

        async def work(number, board):
            async with board.storage("kit", Locks).hold("a", wait=300) as lease:
                inside.append(number)
                await asyncio.sleep(0)
                assert inside == [number]
                inside.remove(number)
                tokens.append(lease.token)

        boards = (one, other) * 8
        await asyncio.gather(*(work(n, board) for n, board in enumerate(boards)))
        kept = await one.storage("kit", KeyValue).scan()

    assert len(tokens) == 16
    assert tokens == sorted(set(tokens))
    assert len(kept.keys) == 1


async def test_lock_of_a_killed_holder_is_free_in_time(settings):
    """A process that dies holds nobody up for ever, and its token is outdone."""
    with ExitStack() as stack:
        holder = start(stack, "hold", settings, 2)
        (token,) = json.loads(await asyncio.to_thread(holder.stdout.readline))
        holder.kill()
        async with board_of(settings) as board:
            locks = board.storage("kit", Locks)
            lease = await locks.acquire("a", wait=60)
            assert lease.token > token
            assert await lease.release()


async def test_cancelled_waiters_hold_nothing(settings):
    """Of many that gave up, none gets the lock later."""
    async with board_of(settings) as board:
        locks = board.storage("kit", Locks)
        lease = await locks.acquire("a", ttl=300)
        waiters = [asyncio.create_task(locks.acquire("a")) for _ in range(8)]
        for turn in range(40):  # cancelled at many different points
            await asyncio.sleep(0)
            waiters[turn % 8].cancel()
        await asyncio.wait(waiters)
        assert await lease.release()
        async with locks.hold("a", wait=60):
            pass


async def test_lock_outlives_its_server(mortal):
    """A lease goes on, and tokens grow, though the server was killed meanwhile."""
    server, settings = mortal
    async with board_of(settings) as board:
        locks = board.storage("kit", Locks)
        lease = await locks.acquire("a", ttl=300)
        server.kill()
        with pytest.raises(errors.CallError):
            await locks.acquire("a", wait=0)
        server.start()

        with pytest.raises(errors.Timeout):
            await locks.acquire("a", wait=0)
        await lease.renew()
        assert await lease.release()
        assert (await locks.acquire("a", wait=0)).token > lease.token


async def test_session_ends_where_it_is_kept(settings):
    """Its time is the storage's, moves with each visit, and bad data is nobody."""
    async with board_of(settings) as board:
        sessions, values = (
            board.storage("kit", Sessions),
            board.storage("kit", KeyValue),
        )
        await sessions.set("user", {"a": 1}, ttl=600)
        await values.touch("session:user", ttl=5)
        assert await values.ttl("session:user") <= 5
        assert (await sessions.get("user"))["a"] == 1
        assert 500 < await values.ttl("session:user") <= 600

        await values.set("session:bad", ["not", "ours"])
        assert await sessions.get("bad") is None
        assert set((await sessions.scan()).keys) == {"user", "bad"}


def test_processes_share_sessions_conversations_and_json(settings):
    """No change of any process is lost, and what was said together stays together."""
    asyncio.run(begin_session(settings))
    with ExitStack() as stack:
        workers = [
            start(stack, "share", settings, name, TURNS) for name in range(PROCESSES)
        ]
        assert [worker.wait() for worker in workers] == [0] * PROCESSES
    session, messages, last, log = asyncio.run(read_all(settings))
    turns = [f"{name} {turn}" for name in range(PROCESSES) for turn in range(TURNS)]

    assert session.pop("last_activity")
    assert session.pop("count") == len(session) == len(turns)
    assert {key.replace(".", " ") for key in session} == set(turns)
    assert sorted(log["lines"]) == sorted(log["turns"]) == sorted(turns)
    texts = [message.text for message in messages]
    assert texts[::2] == texts[1::2]
    assert [message.role for message in messages] == ["user", "assistant"] * len(turns)
    assert sorted(texts[::2], key=lambda text: text.split()[0]) == turns
    assert last == messages[-1]


async def begin_session(settings):
    """Have a session that processes may change."""
    async with board_of(settings) as board:
        await board.storage("kit", Sessions).set("user", {"count": 0})


async def read_all(settings):
    """Return what processes left."""
    async with board_of(settings) as board:
        conversations = board.storage("kit", Conversations)
        return (
            await board.storage("kit", Sessions).get("user"),
            await conversations.all("chat"),
            *await conversations.latest("chat"),
            await board.storage("kit", JsonDatabase).read("log"),
        )


async def test_cache_is_shared(settings):
    """What one board had made, another finds; many at once have it made once."""
    made = []

    async def make():
        made.append(1)
        await asyncio.sleep(0)
        return {"price": 3.5}

    async with board_of(settings) as one, board_of(settings) as other:
        caches = [board.storage("kit", Cache) for board in (one, other)]
        wanted = await asyncio.gather(
            *(caches[0].get_or_make("tea", make) for _ in range(10))
        )
        wanted.append(await caches[1].get_or_make("tea", make))
        assert wanted == [{"price": 3.5}] * 11
        assert len(made) == 1
        await caches[1].delete("tea")
        assert await caches[0].get("tea") is None


async def test_cache_without_its_server_is_empty(mortal):
    """A program goes on without it, and finds it again one call after it is back."""
    server, settings = mortal
    made = count()

    async def make():
        return next(made)

    async with board_of(settings) as board:
        cache = board.storage("kit", Cache)
        assert await cache.get_or_make("a", make) == 0
        server.kill()
        assert await cache.get_or_make("a", make) == 1
        server.start()
        assert await cache.get_or_make("a", make) == 0


async def test_documents_agree_with_their_indexes_after_kills(mortal):
    """What was acknowledged is there, and each document is found by what it says."""
    server, settings = mortal
    chance = random.Random(11)  # noqa: S311 - no secret
    acknowledged, tried = {}, {}
    async with board_of(settings) as board:
        store = board.storage("kit", DocumentStore)
        for _ in range(3):
            left = iter(range(chance.randrange(50, 150)))

            async def write(writer, left):
                with suppress(errors.CallError):
                    while True:
                        key = f"{writer}.{chance.randrange(5)}"
                        tried[key] = {"age": chance.randrange(9), "kind": key}
                        await store.put_document(PETS, key, tried[key])
                        acknowledged[key] = tried[key]
                        if next(left, None) is None:
                            server.kill()

            await asyncio.gather(*(write(writer, left) for writer in range(8)))
            server.start()
            for key, body in tried.items():
                found = await store.get_document(PETS, key)
                kept = found and found.body
                assert kept in (acknowledged.get(key), body)
                acknowledged[key] = kept
            kept = {key: body for key, body in acknowledged.items() if body}
            for age in range(9):
                page = await store.find_documents(PETS, {"age": age}, order_by="kind")
                expected = sorted(k for k, body in kept.items() if body["age"] == age)
                assert [document.key for document in page.documents] == expected


def test_run_goes_on_where_it_was_killed(settings):
    """Each step that was noted is not done again; the plan is made once."""
    said = []
    with ExitStack() as stack:
        for lines in (2, 3, 8):  # until it is killed
            worker = start(stack, "run_steps", settings, 8)
            for line in islice(worker.stdout, lines):
                said.append(json.loads(line))
                worker.stdin.write("go on\n")
                worker.stdin.flush()
            worker.kill()
            said += map(json.loads, worker.stdout)

    async def read():
        async with board_of(settings) as board:
            runs = board.storage("kit", Documents[Execution])
            return (await runs.find({"state": "done"})).values

    steps = [words[0] for words in said if words != ["plan"]]
    assert said.count(["plan"]) == 1
    assert steps == sorted(set(steps))
    assert asyncio.run(read())[0].done == [*range(100, 108)]
