"""The server of a queue goes away, and comes back."""

from __future__ import annotations

import asyncio

import pytest
from pegboard import DeadLetterQueue, Pegboard, Worker
from pegboard.errors import CallError, ConnectionFailed
from pegboard.testing import no_leaks


def board_on(server):
    """Return a board with the queue."""
    settings = {"provider": "redis", "url": server.url, "timeout": 0.5}
    return Pegboard.isolated({"integrations": {"q": settings}})


@pytest.fixture
async def queue(server):
    """Return a queue on a server that a test may do anything to."""
    async with no_leaks(), board_on(server) as board:
        yield board.integration("q", DeadLetterQueue)


async def test_waiting_receive_fails_when_the_server_is_killed(queue, server):
    """Who waits is told, and does not wait for what cannot come."""
    waiting = asyncio.create_task(queue.receive(wait=60))
    await asyncio.sleep(0.05)
    server.kill()

    async with asyncio.timeout(30):
        with pytest.raises(ConnectionFailed):
            await waiting


async def test_waiting_receive_fails_when_the_server_is_silent(queue, server):
    """A server that does nothing holds up nobody for ever."""
    waiting = asyncio.create_task(queue.receive(wait=60))
    await asyncio.sleep(0.05)
    server.pause()

    async with asyncio.timeout(30):
        with pytest.raises(CallError):
            await waiting


async def test_queue_is_back_when_the_server_is(queue, server):
    """The first call after an outage is served, and so is who waits then."""
    await queue.publish("before")
    server.kill()
    with pytest.raises(ConnectionFailed):
        await queue.publish("lost")
    server.start()

    await queue.publish("after")
    (received,) = await queue.receive()
    waiting = asyncio.create_task(queue.receive(wait=60))
    await asyncio.sleep(0.05)
    await queue.publish("awaited")
    assert received.body == "after"
    assert (await waiting)[0].body == "awaited"


async def test_worker_outlives_the_server(queue, server):
    """It goes on with what is published after the outage."""
    seen, began = [], asyncio.Event()

    async def handle(delivery):
        seen.append(delivery.body)
        began.set()
        if delivery.body == "after":
            worker.stop()

    worker = Worker(queue, handle)
    running = asyncio.create_task(worker.run())
    await queue.publish("before")
    await began.wait()
    server.kill()
    await asyncio.sleep(0.2)  # so that it notices, in most runs
    server.start()
    async with board_on(server) as other:  # whose client has not tried too early
        await other.integration("q", DeadLetterQueue).publish("after")

    async with asyncio.timeout(30):
        await running
    assert seen == ["before", "after"]


async def test_queue_keeps_to_its_own_keys(queue, server):
    """Values of an instance of the same name and a queue do not meet."""
    await queue.publish(1, group="g")
    await queue.receive()

    keys = server.call("KEYS", "*")
    assert keys
    assert all(key.startswith("pegboard:q:\udcffqueue:") for key in keys)


async def test_queue_leaves_nothing_on_the_server(queue, server):
    """What is done takes no room, but a counter and the bell."""
    for number in range(5):
        await queue.publish(number, group="g" if number % 2 else None)
    while received := await queue.receive(limit=10):
        for one in received:
            await queue.ack(one.receipt)

    keys = server.call("KEYS", "*")
    assert sorted(keys) == [f"pegboard:q:\udcffqueue:{n}" for n in ("bell", "last")]
    assert (
        server.call(
            "XLEN", "pegboard:q:\udcffqueue:bell".encode("utf-8", "surrogateescape")
        )
        == 1
    )
