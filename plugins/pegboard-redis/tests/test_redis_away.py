"""The server goes away and comes back; nobody restarts the program."""

from __future__ import annotations

import asyncio
import time

import pytest
from pegboard import KeyValue, Pegboard, errors
from pegboard.testing.leaks import no_leaks
from pegboard.testing.tcp_proxy import TcpProxy

BRIEF = {"timeout": 0.5, "connect_timeout": 0.5}


async def outcomes(*calls):
    """Return what becomes of *calls*: values, or errors."""
    return await asyncio.gather(*calls, return_exceptions=True)


async def test_killed_server_is_found_again(make_store, server):
    """While it is away calls fail as not sent; the first one after it is back works."""
    store = make_store(server.url)
    await store.incr("key")
    for _ in range(3):
        server.kill()
        await outcomes(store.get("key"))  # may still have left
        failed = await outcomes(*(store.incr("key") for _ in range(20)))
        server.start()

        assert {type(error) for error in failed} == {errors.ConnectionFailed}
        assert {error.request_sent for error in failed} == {"no"}
        assert all(error.retryable for error in failed)
        assert await store.incr("key") == 1


async def test_restarted_server_learns_the_scripts_again(make_store, server):
    """All that is done by scripts works on a server that knows none of them."""
    store = make_store(server.url)
    await store.set("key", 1)
    server.call("SCRIPT", "FLUSH")
    await asyncio.gather(*(store.incr("key") for _ in range(20)))
    server.call("SCRIPT", "FLUSH")

    assert await store.touch("key", ttl=50)
    assert (await store.scan()).keys == ("key",)
    assert await store.get("key") == 21
    assert await store.delete("key")


async def test_paused_server_is_bounded(make_store, server):
    """A server that stops in its tracks costs a timeout, or one to connect."""
    store = make_store(server.url, **BRIEF)
    await store.incr("key")
    server.pause()
    under_way = await outcomes(*(store.incr("key") for _ in range(20)))
    connecting = await outcomes(*(store.incr("key") for _ in range(20)))
    server.resume()

    assert {type(error) for error in under_way} == {errors.Timeout}
    assert {error.request_sent for error in under_way} == {"maybe"}
    assert {type(error) for error in connecting} == {errors.ConnectionFailed}
    assert {error.request_sent for error in connecting} == {"no"}
    assert "took too long" in str(connecting[0])
    store = make_store(server.url, prefix=store._prefix)
    assert await store.get("key") in {1, 21}


async def test_paused_server_serves_the_next_call(make_store, server):
    """The store that timed out is the one that works again."""
    store = make_store(server.url, **BRIEF)
    await store.set("key", 1)
    server.pause()
    await outcomes(store.get("key"))
    await outcomes(store.get("key"))
    server.resume()

    assert await store.get("key") == 1


async def test_all_wait_for_the_same_attempt(make_store, server):
    """However many callers there are, the server is not stormed."""
    async with TcpProxy(server.host, server.port) as proxy:
        store = make_store(f"redis://{proxy.host}:{proxy.port}", **BRIEF)
        proxy.to_client.swallow()
        began = time.monotonic()
        failed = await outcomes(*(store.get("key") for _ in range(100)))
        took = time.monotonic() - began
        proxy.to_client.pass_on()

        greetings = b""
        while not proxy.to_server._arrivals.empty():
            greetings += await proxy.to_server.next_chunk()
        assert greetings.count(b"PING") == 1
        assert {type(error) for error in failed} == {errors.ConnectionFailed}
        assert len({id(error) for error in failed}) == 100
        assert took < 100 * BRIEF["connect_timeout"]
        assert await store.get("key") is None


async def test_refused_then_accepted(make_store, server):
    """A way that is closed and opened again is walked at once."""
    async with TcpProxy(server.host, server.port) as proxy:
        store = make_store(f"redis://{proxy.host}:{proxy.port}")
        await proxy.refuse()
        (refused,) = await outcomes(store.get("key"))
        await proxy.accept()

        assert isinstance(refused, errors.ConnectionFailed)
        assert refused.request_sent == "no"
        assert await store.set("key", 1)


@pytest.mark.parametrize("host", ["x" * 70, "a..b"])
async def test_host_that_is_none_is_told(make_store, host):
    """A name that leads nowhere, or cannot be one, is an error like any other."""
    with pytest.raises(errors.ConnectionFailed, match="Check url") as caught:
        await make_store(f"redis://{host}").get("key")
    assert caught.value.request_sent == "no"


async def test_closed_idle_connection_costs_no_call(make_store, server):
    """A connection that ended while nobody used it is replaced without an error."""
    store = make_store(server.url)
    await store.set("key", 1)
    connection = (await store._client._lines.get())[0]._connection
    server.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await asyncio.wait([connection._end])

    assert await store.get("key") == 1


async def test_outage_leaves_nothing_behind(make_store, server):
    """Attempts that failed leave no socket and no task."""
    store = make_store(server.url, timeout=60, connect_timeout=0.5)
    async with no_leaks():
        server.pause()
        for _ in range(3):
            await outcomes(store.get("key"))
        server.resume()
        await store.get("key")
        await store.aclose()


async def test_replica_is_left_for_the_next_primary(make_store, server_of_each_kind):
    """A server that was made a replica refuses a write; the next call connects anew."""
    server = server_of_each_kind
    store = make_store(server.url)
    await store.set("key", 1)
    server.call("REPLICAOF", "127.0.0.1", 1)
    connection = (await store._client._lines.get())[0]._connection
    with pytest.raises(errors.Unavailable, match="is a replica") as caught:
        await store.set("key", 2)
    server.call("REPLICAOF", "NO", "ONE")

    assert caught.value.request_sent == "no"
    assert not connection.is_open
    assert await store.set("key", 2)


@pytest.mark.parametrize("running", [True, False])
async def test_health_tells_whether_it_answers(server, running):
    """A board's check of health asks the server."""
    section = {"provider": "redis", "url": server.url, "connect_timeout": 30}
    if not running:
        server.kill()
    async with Pegboard.isolated({"storage": {"kit": section}}) as board:
        board.storage("kit", KeyValue)
        health = await board.health()
    if not running:
        server.start()

    assert health["storage.kit"].status == ("up" if running else "down")
