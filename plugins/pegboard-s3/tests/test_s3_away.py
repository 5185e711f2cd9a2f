from __future__ import annotations

import asyncio

import pytest
from pegboard import Blobs, Pegboard, errors
from pegboard.testing import TcpProxy, no_leaks

ONCE = {"attempts": 1, "breaker": {"enabled": False}}


@pytest.fixture
async def proxy(shared_server):
    """Return a way to the server that can be broken."""
    async with TcpProxy("127.0.0.1", shared_server.port) as proxy:
        yield proxy


@pytest.fixture
async def make_store(settings_of, proxy):
    """Return a function that opens a store behind the proxy."""
    boards = []

    def make_store(**changes):
        endpoint = f"http://{proxy.host}:{proxy.port}"
        given = settings_of(endpoint, **{"policy": ONCE, **changes})
        board = Pegboard.isolated({"storage": {"kit": given}})
        boards.append(board)
        return board.storage("kit", Blobs)

    yield make_store
    for board in boards:
        await board.aclose()


async def test_refused_connection_is_told_and_over_when_it_is_over(make_store, proxy):
    """A server that is not there was sent nothing; one call later it is used again."""
    store = make_store()
    await proxy.refuse()

    for call in (store.get, store.stat, store.delete):
        with pytest.raises(errors.ConnectionFailed) as caught:
            await call("key")
        assert caught.value.request_sent == "no"
    await proxy.accept()
    await store.put("key", b"content")
    assert await store.get("key") == b"content"


async def test_reset_connection_is_told_and_over_when_it_is_over(make_store, proxy):
    """Whether a call that was cut off was done, nobody can know."""
    store = make_store()
    await store.put("key", b"content")
    proxy.to_client.hold()
    call = asyncio.ensure_future(store.put("key", b"more"))
    await proxy.to_client.next_chunk()
    await proxy.to_client.next_chunk()
    proxy.reset()

    with pytest.raises(errors.ConnectionFailed) as caught:
        await call
    assert caught.value.request_sent == "maybe"
    proxy.to_client.pass_on()
    assert await store.get("key") == b"more"


async def test_silent_server_is_left_and_used_again(make_store, proxy):
    """An answer that does not come is waited for so long and no longer."""
    store = make_store(timeout=2)
    await store.put("key", b"content")
    proxy.to_client.swallow()

    with pytest.raises(errors.Timeout):
        await store.get("key")
    proxy.reset()
    proxy.to_client.pass_on()
    assert await store.get("key") == b"content"


async def test_reading_is_repeated_and_nobody_notices(make_store, proxy):
    """One broken connection is no failure of a call that may be repeated."""
    store = make_store(policy={"attempts": 3, "backoff": 0})
    await store.put("key", b"content")
    proxy.reset()

    assert await store.get("key") == b"content"


async def test_half_a_stream_is_an_error(make_store, proxy):
    """A download that breaks off is not a short blob."""
    store = make_store()
    await store.put("key", bytes(8 * 1024 * 1024))
    stream = store.stream("key")
    assert await anext(stream)
    proxy.to_client.hold()
    proxy.reset()

    with pytest.raises(errors.ConnectionFailed) as caught:
        async for _ in stream:
            pass
    assert caught.value.in_stream
    proxy.to_client.pass_on()
    assert (await store.stat("key")).size == 8 * 1024 * 1024


async def test_deadline_ends_a_call_that_hangs(settings_of, make_store, proxy):
    """A call that takes too long is over, and its connection is closed."""
    await make_store().stat("key")  # the first call of a process starts threads
    policy = {"deadline": 0.3, "attempts": 1}
    given = settings_of(f"http://{proxy.host}:{proxy.port}", policy=policy)
    proxy.to_server.hold()
    async with no_leaks():
        async with Pegboard.isolated({"storage": {"kit": given}}) as board:
            with pytest.raises(errors.DeadlineExceeded):
                await board.storage("kit", Blobs).put("key", bytes(1000))
        proxy.reset()
