from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest
from pegboard import errors
from pegboard.testing import TcpProxy

ONCE = {"attempts": 1, "breaker": {"enabled": False}}


@pytest.fixture
async def proxy(ministack):
    """Return a way to the services that can be broken."""
    place = urlsplit(ministack)
    async with TcpProxy(place.hostname, place.port) as proxy:
        yield proxy


@pytest.fixture
def queue(proxy, make_queue, open_queue):
    """Return a queue behind the proxy, whose calls are tried once."""
    endpoint = f"http://{proxy.host}:{proxy.port}"
    return open_queue(make_queue(), endpoint=endpoint, policy=ONCE)


async def test_refused_connection_is_told_and_over_when_it_is_over(queue, proxy):
    """A service that is not there was sent nothing; one call later it is used again."""
    await proxy.refuse()

    for call in (queue.publish("x"), queue.receive(), queue.count()):
        with pytest.raises(errors.ConnectionFailed) as seen:
            await call
        assert seen.value.request_sent == "no"
    await proxy.accept()
    assert await queue.publish("x")


async def test_reset_connection_is_told_and_over_when_it_is_over(queue, proxy):
    """What was published when the connection broke, nobody knows; it may be there."""
    proxy.to_client.hold()
    call = asyncio.ensure_future(queue.publish("x"))
    await proxy.to_client.next_chunk()
    proxy.reset()

    with pytest.raises(errors.ConnectionFailed) as seen:
        await call
    assert seen.value.request_sent == "maybe"
    proxy.to_client.pass_on()
    (found,) = await queue.receive()
    assert found.body == "x"


async def test_silent_service_is_left_and_used_again(proxy, make_queue, open_queue):
    """An answer that does not come is waited for until the deadline."""
    policy = {**ONCE, "deadline": 0.2}
    endpoint = f"http://{proxy.host}:{proxy.port}"
    url = make_queue()
    proxy.to_client.swallow()

    with pytest.raises(errors.DeadlineExceeded):
        await open_queue(url, endpoint=endpoint, policy=policy).publish("x")
    proxy.reset()
    proxy.to_client.pass_on()
    assert await open_queue(url, endpoint=endpoint).publish("x")


async def test_reading_is_repeated_and_nobody_notices(proxy, make_queue, open_queue):
    """One broken connection is no failure of a call that may be repeated."""
    policy = {"attempts": 3, "backoff": 0}
    endpoint = f"http://{proxy.host}:{proxy.port}"
    queue = open_queue(make_queue(), endpoint=endpoint, policy=policy)
    proxy.to_client.hold()
    call = asyncio.ensure_future(queue.count())
    await proxy.to_client.next_chunk()
    proxy.reset()
    proxy.to_client.pass_on()

    assert (await call).ready == 0


async def test_no_connection_is_kept_where_none_shall_be(proxy, make_queue, open_queue):
    """What breaks between two calls then matters to nobody."""
    endpoint = f"http://{proxy.host}:{proxy.port}"
    policy = {**ONCE, "keep_alive": 0}
    queue = open_queue(make_queue(), endpoint=endpoint, policy=policy)
    await queue.publish("x")
    proxy.reset()

    assert await queue.publish("y")
