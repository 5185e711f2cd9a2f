"""The server goes away and comes back: errors meanwhile, and not for longer."""

from __future__ import annotations

import asyncio
import gc

import pytest
from pegboard import Collection, Database, DocumentStore, KeyValue, Pegboard
from pegboard.errors import CallError, ConnectionFailed, Timeout, Unavailable
from pegboard.testing.documents import PETS
from pegboard.testing.tcp_proxy import TcpProxy
from sqlalchemy import text

GONE = (ConnectionFailed, Unavailable, Timeout)
ONE = text("SELECT 1")


def board_of(url, **more):
    """Return a board with the database as ``storage.main``."""
    section = {"provider": "postgresql", "url": url, "connect_timeout": 2, **more}
    return Pegboard.isolated({"storage": {"main": section}})


@pytest.fixture
async def proxy(postgres, database_url):
    """Run a proxy before the server; ``url`` leads through it to a new database."""
    async with TcpProxy(postgres.host, postgres.port) as running:
        running.url = database_url.replace(f":{postgres.port}/", f":{running.port}/")
        yield running


async def select_one(database):
    """Read in a session."""
    async with database.session() as session:
        return await session.scalar(ONE)


async def test_service_is_back_after_a_kill(mortal):
    """A call fails while the server is down, and the first one after it is served."""
    async with board_of(mortal.url()) as board:
        values, database = (
            board.storage("main", KeyValue),
            board.storage("main", Database),
        )
        await asyncio.gather(*(values.set(f"k{n}", n) for n in range(8)))
        mortal.kill()
        for call in (values.get("k1"), values.set("k1", 2), select_one(database)):
            with pytest.raises(GONE):
                await call
        mortal.start()

        assert await asyncio.gather(*(values.get(f"k{n}") for n in range(8))) == [
            *range(8)
        ]
        assert await values.incr("k1") == 2
        assert await select_one(database) == 1


async def test_restart_between_calls_is_hardly_noticed(mortal):
    """The server told that it ended the connections, so nothing was done twice."""
    async with board_of(mortal.url(), ping_after=1000) as board:
        values = board.storage("main", KeyValue)
        await asyncio.gather(*(values.set(f"k{n}", n) for n in range(4)))
        mortal.stop()
        mortal.start()

        assert await values.get("k1") == 1
        assert await values.incr("k1") == 2


async def test_rested_connections_are_tried_before_use(mortal):
    """A write is sent once: on a connection that answers."""
    async with board_of(mortal.url(), ping_after=0) as board:
        values, database = (
            board.storage("main", KeyValue),
            board.storage("main", Database),
        )
        await values.set("n", 0)
        await select_one(database)
        mortal.stop()
        mortal.start()

        assert await values.incr("n") == 1
        assert await select_one(database) == 1


async def test_frozen_server_is_not_waited_for(mortal):
    """A server that neither answers nor hangs up costs the timeout, no more."""
    async with board_of(mortal.url(), timeout=0.3) as board:
        values = board.storage("main", KeyValue)
        await values.set("key", 1)
        mortal.freeze()
        with pytest.raises(Timeout, match=r"did not answer within 0\.3 s"):
            await values.get("key")
        mortal.thaw()

        assert await values.get("key") == 1


async def test_frozen_server_is_not_connected_to_for_ever(mortal):
    """Opening a connection has an end, too."""
    async with board_of(mortal.url()) as board:
        mortal.freeze()
        with pytest.raises(GONE) as caught:
            await board.storage("main", KeyValue).get("key")
        mortal.thaw()

    assert caught.value.request_sent == "no"


async def test_reset_connections_are_replaced(proxy):
    """Whatever breaks the connections, the next call has new ones."""
    async with board_of(proxy.url) as board:
        values, database = (
            board.storage("main", KeyValue),
            board.storage("main", Database),
        )
        await asyncio.gather(*(values.set(f"k{n}", n) for n in range(8)))
        proxy.reset()
        await asyncio.sleep(0)

        assert await values.get("k1") == 1
        assert await values.incr("k1") == 2
        assert await select_one(database) == 1


async def test_lost_answer_is_uncertain_and_not_repeated(proxy):
    """A change whose answer is lost may have been made; it is not made again."""
    async with board_of(proxy.url) as board:
        values = board.storage("main", KeyValue)
        await values.set("n", 0)
        proxy.to_client.hold()
        call = asyncio.create_task(values.incr("n"))
        while b"2" not in await proxy.to_client.next_chunk():
            pass
        proxy.reset()
        proxy.to_client.pass_on()
        with pytest.raises(ConnectionFailed) as caught:
            await call

        assert caught.value.request_sent == "maybe"
        assert await values.get("n") in {0, 1}


async def test_refused_connection_is_told_at_once(proxy):
    """Nobody listens: nothing was sent, and the next try may succeed."""
    async with board_of(proxy.url) as board:
        values = board.storage("main", KeyValue)
        await proxy.refuse()
        with pytest.raises(ConnectionFailed, match="Check url") as caught:
            await values.set("key", 1)
        await proxy.accept()

        assert caught.value.request_sent == "no"
        assert caught.value.address == "storage.main"
        await values.set("key", 1)


async def test_cancelled_call_leaves_the_connection_sound(proxy):
    """After any number of cancelled calls, as many connections are there."""
    async with board_of(proxy.url, pool_size=1, max_overflow=0) as board:
        values = board.storage("main", KeyValue)
        await values.set("key", 1)
        for _ in range(3):
            proxy.to_client.hold()
            call = asyncio.create_task(values.get("key"))
            await asyncio.sleep(0.05)
            call.cancel()
            proxy.to_client.pass_on()
            with pytest.raises(asyncio.CancelledError):
                await call

        assert await values.get("key") == 1


async def test_health_says_down_and_up(mortal):
    """It is measured anew each time."""
    async with board_of(mortal.url()) as board:
        assert (await board.health())["storage.main"].status == "up"
        mortal.stop()
        down = (await board.health())["storage.main"]
        mortal.start()
        up = (await board.health())["storage.main"]
        mortal.freeze()
        frozen = (await board.health())["storage.main"]
        mortal.thaw()

    assert (down.status, up.status, frozen.status) == ("down", "up", "down")
    assert "did not answer within 1.5 s" in frozen.reason
    assert "sentinel" not in down.reason


async def test_exhausted_pool_says_what_to_do(database_url):
    """Who waits in vain for a connection learns why."""
    more = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.05}
    async with board_of(database_url, **more) as board:
        database = board.storage("main", Database)
        async with database.session() as session:
            await session.execute(ONE)
            with pytest.raises(CallError, match="Raise pool_size"):
                await select_one(database)


async def test_statement_timeout_ends_what_takes_long(database_url):
    """The server gives up, and says so."""
    async with board_of(database_url, statement_timeout=0.05) as board:
        database = board.storage("main", Database)
        with pytest.raises(Timeout):
            async with database.session() as session:
                await session.execute(text("SELECT pg_sleep(10)"))


async def test_documents_are_back_after_a_kill(mortal):
    """They fail while the server is down, and work one call after it is back."""
    async with board_of(mortal.url()) as board:
        store = board.storage("main", DocumentStore)
        await asyncio.gather(
            *(store.put_document(PETS, f"k{n}", {"age": n}) for n in range(8))
        )
        mortal.kill()
        for call in (
            store.get_document(PETS, "k1"),
            store.put_document(PETS, "k1", {}),
            store.find_documents(PETS, {"age": 1}),
            store.find_documents(Collection("new")),
        ):
            with pytest.raises(GONE):
                await call
        mortal.start()

        page = await store.find_documents(PETS, {"age": 1})
        assert [document.key for document in page.documents] == ["k1"]
        assert await store.put_document(PETS, "k1", {"age": 2})


async def test_frozen_server_is_not_waited_for_by_documents(mortal):
    """Neither by a question nor by the first use of a collection."""
    async with board_of(mortal.url(), timeout=0.3) as board:
        store = board.storage("main", DocumentStore)
        await store.put_document(PETS, "key", {"age": 1})
        mortal.freeze()
        with pytest.raises(Timeout, match=r"did not answer within 0\.3 s"):
            await store.find_documents(PETS, {"age": 1})
        with pytest.raises(GONE):
            await store.find_documents(Collection("new"))
        mortal.thaw()

        assert (await store.find_documents(PETS, {"age": 1})).documents
        assert not (await store.find_documents(Collection("new"))).documents


async def test_lost_answer_of_a_document_is_uncertain(proxy):
    """A put whose answer is lost may have been made; it is not made again."""
    async with board_of(proxy.url) as board:
        store = board.storage("main", DocumentStore)
        version = await store.put_document(PETS, "key", {"age": 0})
        proxy.to_client.hold()
        call = asyncio.create_task(
            store.put_document(PETS, "key", {"age": 1}, if_version=version)
        )
        while b"2" not in await proxy.to_client.next_chunk():
            pass
        proxy.reset()
        proxy.to_client.pass_on()
        with pytest.raises(ConnectionFailed) as caught:
            await call

        assert caught.value.request_sent == "maybe"
        assert (await store.get_document(PETS, "key")).body["age"] in {0, 1}


def test_call_that_outlives_its_board_leaves_no_connection(database_url):
    """What it was lent is closed at once: nobody comes for it later."""

    async def outlive():
        settings = {"kit": {"provider": "postgresql", "url": database_url}}
        async with Pegboard.isolated({"storage": settings}) as board:
            store = board.storage("kit", KeyValue)
            await store.set("key", 1)
            late = asyncio.ensure_future(store.get("key"))
            await asyncio.sleep(0)
        return await late

    assert asyncio.run(outlive()) == 1
    gc.collect()  # an error if a connection is left
