"""A server that goes away, and comes back."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest
from pegboard import Collection, DocumentStore, KeyValue, Pegboard, errors
from pegboard.testing import TcpProxy, no_leaks

ONCE = {"attempts": 1, "breaker": {"enabled": False}}
ANY = Collection("any")


@pytest.fixture
async def proxy(ministack):
    """Return a way to the server that can be broken."""
    place = urlsplit(ministack)
    async with TcpProxy(place.hostname, place.port) as proxy:
        yield proxy


@pytest.fixture
def given(settings, proxy):
    """Return settings that lead through the proxy."""
    return {**settings, "endpoint": f"http://{proxy.host}:{proxy.port}", "policy": ONCE}


@pytest.fixture
async def board(settings, given):
    """Return a board with a store behind the proxy, over which nothing went yet."""
    async with Pegboard.isolated({"storage": {"kit": settings}}) as direct:
        await direct.storage("kit", KeyValue).set("key", 1)
    async with Pegboard.isolated({"storage": {"kit": given}}) as board:
        yield board


@pytest.fixture
def store(board):
    """Return the store of values."""
    return board.storage("kit", KeyValue)


async def test_refused_connection_is_told_and_over_when_it_is_over(board, store, proxy):
    """A server that is not there was sent nothing; one call later it is used again."""
    documents = board.storage("kit", DocumentStore)
    await proxy.refuse()

    for call in (
        lambda: store.get("key"),
        lambda: store.set("key", 1),
        lambda: store.incr("other"),
        lambda: documents.put_document(ANY, "key", {}),
    ):
        with pytest.raises(errors.ConnectionFailed) as caught:
            await call()
        assert caught.value.request_sent == "no"
    await proxy.accept()
    await store.set("key", "new")
    assert await store.get("key") == "new"


async def test_write_whose_answer_is_lost_is_found(store, proxy):
    """The server did it and could not say so; who looks knows."""
    proxy.to_client.hold()
    call = asyncio.ensure_future(store.set("key", "new"))
    await proxy.to_client.next_chunk()
    proxy.reset()
    proxy.to_client.pass_on()

    version = await call
    assert (await store.get_entry("key")).version == version


async def test_change_whose_answer_is_lost_may_have_been_made(store, proxy):
    """Who cannot look for what it did says so, and does not do it twice."""
    proxy.to_client.hold()
    call = asyncio.ensure_future(store.incr("key"))
    await proxy.to_client.next_chunk()
    proxy.reset()
    proxy.to_client.pass_on()

    with pytest.raises(errors.ConnectionFailed) as caught:
        await call
    assert caught.value.request_sent == "maybe"
    assert await store.get("key") == 2


async def test_silent_server_is_left_at_the_deadline(given, store, proxy):
    """A call that takes too long is over, and leaves nothing behind."""
    given = {**given, "policy": {"deadline": 0.3, "attempts": 1}}
    proxy.to_client.swallow()
    async with no_leaks():
        async with Pegboard.isolated({"storage": {"kit": given}}) as board:
            with pytest.raises(errors.DeadlineExceeded):
                await board.storage("kit", KeyValue).set("key", 1)
        proxy.reset()
    proxy.to_client.pass_on()
    assert await store.get("key") == 1


@pytest.mark.usefixtures("board")
async def test_reading_is_repeated_and_nobody_notices(given, proxy):
    """One broken connection is no failure of a call that may be repeated."""
    given = {**given, "policy": {"attempts": 3, "backoff": 0}}
    async with Pegboard.isolated({"storage": {"kit": given}}) as other:
        store = other.storage("kit", KeyValue)
        proxy.to_client.hold()
        call = asyncio.ensure_future(store.get("key"))
        await proxy.to_client.next_chunk()
        proxy.reset()
        proxy.to_client.pass_on()

        assert await call == 1


async def test_cancelled_call_leaves_nothing_behind(store, proxy):
    """Who no longer waits holds no connection; the next call has its own."""
    proxy.to_client.hold()
    call = asyncio.ensure_future(store.get("key"))
    await proxy.to_client.next_chunk()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    proxy.to_client.pass_on()

    assert await store.get("key") == 1
