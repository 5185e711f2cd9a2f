"""Documents on a server: what of them it looks at, and how indexes come to be."""

from __future__ import annotations

import asyncio
import itertools
import random
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from pegboard import Collection, Context, IndexedField, Range, errors
from pegboard.testing.documents import PETS
from pegboard.testing.tcp_proxy import TcpProxy
from pegboard_redis._key_value import RedisKeyValue
from pegboard_redis.options import RedisOptions

WORKER = Path(__file__).with_name("redis_document_worker.py")
PROCESSES, TASKS, TURNS = 4, 8, 10
BRIEF = {"timeout": 0.5, "connect_timeout": 0.5}
BARE = Collection("pets")
AGES = Collection("pets", (IndexedField("age", "number"),))


def documents_of(store):
    """Return the part of *store* that keeps documents."""
    return store.parts["DocumentStore"]


@pytest.fixture
def documents(store):
    """Return documents on the server that is left alone."""
    return documents_of(store)


async def fill(documents, count, collection=PETS):
    """Store *count* documents."""
    await asyncio.gather(
        *(
            documents.put_document(
                collection,
                f"key {number:05}",
                {"kind": f"kind {number % 50}", "age": number, "tame": number % 2 == 0},
            )
            for number in range(count)
        )
    )


async def keys(documents, where=None, collection=PETS, **question):
    """Return the keys of all pages."""
    page = await documents.find_documents(collection, where, **question)
    found = [document.key for document in page.documents]
    while page.cursor:
        page = await documents.find_documents(
            collection, where, cursor=page.cursor, **question
        )
        found += [document.key for document in page.documents]
    return found


def documents_looked_at(server):
    """Return how many documents the server has read since it was last asked."""
    stats = server.call("INFO", "commandstats").splitlines()
    server.call("CONFIG", "RESETSTAT")
    return sum(
        int(line.partition("calls=")[2].partition(",")[0])
        for line in stats
        if line.startswith("cmdstat_hmget:")
    )


QUESTIONS = [
    {"where": {"kind": "kind 7"}},
    {"where": {"kind": "kind 7"}, "descending": True},
    {"where": {"kind": "kind 7"}, "order_by": "age"},
    {"where": {"age": 700}},
    {"where": {"age": Range(at_least=700, below=720)}},
    {"where": {"age": Range(above=700, at_most=720), "tame": True}},
    {"where": {"age": Range(above=700, at_most=720)}, "order_by": "kind"},
    {"where": {"tame": None}},
    {"order_by": "age"},
    {"order_by": "kind", "descending": True},
    {},
]


@pytest.fixture(scope="module")
def filled(shared_valkey):
    """Return the prefix of many documents, which stay as they are."""

    async def fill_and_close():
        options = RedisOptions(url=shared_valkey.url, prefix="filled:", timeout=60)
        store = RedisKeyValue(options, Context("storage.kit", Path("unused")))
        await fill(documents_of(store), 2000)
        await store.aclose()

    asyncio.run(fill_and_close())
    return "filled:"


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
async def test_question_looks_at_few(make_store, shared_valkey, filled, question):
    """No question makes the server read all, however far the page is."""
    server = shared_valkey
    documents = documents_of(make_store(server.url, prefix=filled))
    cursor = (await documents.find_documents(PETS, limit=5, **question)).cursor
    documents_looked_at(server)
    page = await documents.find_documents(PETS, limit=10, cursor=cursor, **question)

    assert len(page.documents) == 10 or "where" in question
    assert documents_looked_at(server) <= 120


@pytest.mark.parametrize("descending", [False, True])
async def test_question_is_answered_in_steps(documents, descending):
    """Where each condition alone fits many, the server is kept busy for moments."""
    count = 2500
    await asyncio.gather(
        *(
            documents.put_document(
                PETS, f"{number:05}", {"tame": number >= 1200, "age": number % 100}
            )
            for number in range(count)
        )
    )
    where = {"tame": True, "age": Range(at_least=1, at_most=98)}
    expected = [f"{n:05}" for n in range(1200, count) if 1 <= n % 100 <= 98]

    found = await keys(documents, where, descending=descending)
    assert found == (expected[::-1] if descending else expected)
    by_age = await keys(documents, where, order_by="age", descending=descending)
    in_order = sorted(expected, key=lambda key: (int(key) % 100, key))
    assert by_age == (in_order[::-1] if descending else in_order)


@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_narrow_question_in_another_order(documents, limit):
    """What one index finds is put into the order of another, page by page."""
    chance = random.Random(3)  # noqa: S311 - no secret
    ages = {f"{number:05}": chance.choice([None, 1, 2, 3.5]) for number in range(300)}
    for key, age in ages.items():
        kind = "rare" if int(key) % 10 == 0 else "common"
        await documents.put_document(PETS, key, {"age": age, "kind": kind})
    rare = sorted(key for key in ages if int(key) % 10 == 0)
    expected = sorted(rare, key=lambda key: (ages[key] is not None, ages[key] or 0))

    question = {"order_by": "age", "limit": limit}
    assert await keys(documents, {"kind": "rare"}, **question) == expected


async def test_index_grows_beside_writers(make_store, shared_valkey):
    """While others put, replace and delete, a new index takes up each document."""
    url, prefix = shared_valkey.url, f"{uuid4().hex}:"
    writer, reader = (documents_of(make_store(url, prefix=prefix)) for _ in range(2))
    await fill(writer, 600, BARE)
    chance = random.Random(5)  # noqa: S311 - no secret
    done = asyncio.Event()

    async def write():
        while not done.is_set():
            key = f"key {chance.randrange(700):05}"
            if chance.random() < 0.2:
                await writer.delete_document(BARE, key)
            else:
                body = {"age": chance.randrange(50)}
                await writer.put_document(BARE, key, body)

    writing = [asyncio.create_task(write()) for _ in range(8)]
    await keys(reader, {"age": 7}, AGES)
    done.set()
    await asyncio.gather(*writing)

    everything = await keys(reader, None, BARE)
    ages = {}
    for key in everything:
        document = await reader.get_document(BARE, key)
        ages.setdefault(document.body["age"], []).append(key)
    assert {age: await keys(reader, {"age": age}, AGES) for age in ages} == ages


async def test_index_that_was_begun_is_finished(make_store, server):
    """Who meets an index that someone died over makes it ready."""
    documents = documents_of(make_store(server.url, prefix="x:"))
    await fill(documents, 250, BARE)
    growing = asyncio.create_task(keys(documents, {"age": 7}, AGES))
    registry = b"x:\xffindexes:pets"
    for _ in itertools.count():
        await asyncio.sleep(0)
        if server.call("GET", registry) == "~n_age":
            break
    growing.cancel()
    await asyncio.wait([growing])
    assert server.call("GET", registry) == "~n_age"

    other = documents_of(make_store(server.url, prefix="x:"))
    assert await keys(other, {"age": 7}, AGES) == ["key 00007"]
    assert server.call("GET", registry) == "n_age"
    assert await keys(documents, {"age": 249}, AGES) == ["key 00249"]


async def test_server_that_lost_all_is_used_anew(make_store, server):
    """Nothing that is remembered of it hides what is stored on it then."""
    documents, other = (
        documents_of(make_store(server.url, prefix="x:")) for _ in range(2)
    )
    await fill(documents, 10)
    assert await keys(documents, {"age": 7}) == ["key 00007"]
    server.kill()
    server.start()
    await other.put_document(BARE, "a", {"age": 7})

    assert await keys(documents, {"age": 7}) == ["a"]
    await documents.put_document(PETS, "b", {"age": 7})
    assert await keys(documents, {"age": 7}) == ["a", "b"]


async def test_lost_index_is_made_anew(make_store, server):
    """Who deletes the list of indexes by hand has all of them made from documents."""
    documents = documents_of(make_store(server.url, prefix="x:"))
    await fill(documents, 10)
    assert server.call("HSET", b"x:\xffdocument:pets:key 00003", "n_age", "=old") == 0
    server.call("ZADD", b"x:\xffindex:pets:n_age", 0, b"=old\x00key 00003")
    server.call("DEL", b"x:\xffindexes:pets", b"x:\xffindex:pets:b_tame")

    assert await keys(documents, {"tame": True}) == await keys(
        documents, {"kind": Range(at_least=""), "tame": True}, order_by="age"
    )
    assert len(await keys(documents, {"tame": False})) == 5
    assert len(await keys(documents, order_by="age")) == 10
    assert await keys(documents, {"age": 3}) == ["key 00003"]


async def test_deleted_document_leaves_nothing(make_store, server):
    """Neither it nor a trace of it in an index is left on the server."""
    documents = documents_of(make_store(server.url, prefix="x:"))
    await fill(documents, 20)
    for key in await keys(documents):
        await documents.put_document(PETS, key, {"kind": "other"})
    for key in await keys(documents):
        await documents.delete_document(PETS, key)

    assert server.call("KEYS", "*") == ["x:\udcffindexes:pets"]


async def test_full_server_changes_nothing(make_store, server):
    """A document that it has no room for is neither there nor found."""
    documents = documents_of(make_store(server.url))
    version = await documents.put_document(PETS, "key", {"age": 1})
    server.call("CONFIG", "SET", "maxmemory", "1")
    for body in ({"age": 2}, {"age": 1}):
        with pytest.raises(errors.Unavailable, match="memory"):
            await documents.put_document(PETS, "key", body)
        with pytest.raises(errors.Unavailable, match="memory"):
            await documents.put_document(PETS, "new", body)
    found = await documents.find_documents(PETS, {"age": 1})
    assert [(one.key, one.version) for one in found.documents] == [("key", version)]
    assert await documents.delete_document(PETS, "key")
    server.call("CONFIG", "SET", "maxmemory", "0")

    assert await keys(documents) == []


async def test_index_takes_what_could_not_be_indexed(documents):
    """An index that comes later meets NULs, big numbers and long texts."""
    bare = Collection("x")
    texts = ["a\x00b", "\ud800", "b" * 5000, "b" * 4999 + "c", "a\x00"]
    for number, value in enumerate([*texts, 2**60, -(10**400), 10**400]):
        await documents.put_document(bare, f"{number}", {"value": value})

    def indexed(kind):
        return Collection("x", (IndexedField("value", kind),))

    by_text = await keys(documents, None, indexed("text"), order_by="value")
    assert by_text[3:6] == ["1", "4", "0"]
    assert sorted(by_text) == list("01234567")
    by_number = await keys(documents, None, indexed("number"), order_by="value")
    assert by_number == [*"01234", "6", "5", "7"]
    only = await keys(documents, {"value": "b" * 5000}, indexed("text"))
    assert only == ["2"]


async def test_values_and_documents_are_apart(make_store, server):
    """They share an instance and its one connection, and no key."""
    store = make_store(server.url)
    documents = documents_of(store)
    await store.set("key", 1)
    await documents.put_document(PETS, "key", {"age": 1})

    assert (await store.scan()).keys == ("key",)
    assert await keys(documents) == ["key"]
    assert server.connections() == 1


async def test_killed_server_is_found_again(make_store, server):
    """While it is away calls fail as not sent; the first one after it is back works."""
    documents = documents_of(make_store(server.url))
    await documents.put_document(PETS, "key", {"age": 1})
    server.kill()
    await asyncio.gather(documents.get_document(PETS, "key"), return_exceptions=True)
    failed = await asyncio.gather(
        documents.put_document(PETS, "key", {}),
        documents.find_documents(PETS, {"age": 1}),
        documents.find_documents(Collection("new")),
        documents.delete_document(PETS, "key"),
        return_exceptions=True,
    )
    server.start()

    assert {type(error) for error in failed} == {errors.ConnectionFailed}
    assert {error.request_sent for error in failed} == {"no"}
    assert {error.address for error in failed} == {"storage.kit"}
    assert await documents.put_document(PETS, "key", {"age": 1}, if_absent=True)
    assert await keys(documents, {"age": 1}) == ["key"]


async def test_paused_server_is_bounded(make_store, server):
    """A server that stops in its tracks costs a timeout, and then serves again."""
    documents = documents_of(make_store(server.url, **BRIEF))
    await documents.put_document(PETS, "key", {"age": 1})
    server.pause()
    with pytest.raises(errors.Timeout) as caught:
        await documents.put_document(PETS, "key", {"age": 2})
    with pytest.raises(errors.ConnectionFailed):
        await documents.find_documents(PETS, {"age": 1})
    server.resume()

    assert caught.value.request_sent == "maybe"
    assert len(await keys(documents)) == 1


async def test_reset_connections_are_replaced(make_store, server):
    """A way that broke is walked again by the next call."""
    async with TcpProxy(server.host, server.port) as proxy:
        documents = documents_of(make_store(f"redis://{proxy.host}:{proxy.port}"))
        await documents.put_document(PETS, "key", {"age": 1})
        proxy.reset()
        await asyncio.gather(
            documents.get_document(PETS, "key"), return_exceptions=True
        )

        assert await keys(documents, {"age": 1}) == ["key"]


async def test_processes_lose_no_update(make_store, shared_valkey):
    """8 tasks in each of 4 processes, comparing and putting: the sum is exact."""
    url, prefix = shared_valkey.url, f"{uuid4().hex}:"
    command = [sys.executable, str(WORKER), url, prefix, f"{TASKS}", f"{TURNS}"]
    workers = [
        await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        for _ in range(PROCESSES)
    ]
    printed = [(await worker.communicate())[0].split() for worker in workers]

    assert [worker.returncode for worker in workers] == [0] * PROCESSES
    total = PROCESSES * TASKS * TURNS
    counted = sorted(int(number) for words in printed for number in words)
    assert counted == [*range(1, total + 1)]
    counters = Collection("Counter", (IndexedField("count", "number"),))
    documents = documents_of(make_store(url, prefix=prefix))
    assert await keys(documents, {"count": total}, counters) == ["all"]
    assert await keys(documents, {"count": total - 1}, counters) == []
