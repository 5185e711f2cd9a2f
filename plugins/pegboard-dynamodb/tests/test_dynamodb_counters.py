"""Counting: by DynamoDB itself where it can, and by comparing where it cannot."""

from __future__ import annotations

import asyncio

import pytest
from pegboard import KeyValue, Pegboard
from pegboard.errors import InvalidRequest
from pegboard.testing import FaultServer, Scripted

BEYOND = 2**63 + 5
"""Needs more than 64 bits, and so is kept as text."""


@pytest.fixture
async def store(settings, clock):
    """Return a store on a real server."""
    kit = {"storage": {"kit": settings}}
    async with Pegboard.isolated(kit, clock=clock) as board:
        yield board.storage("kit", KeyValue)


async def test_counting_is_one_request(settings_of):
    """However many count at once, nobody has to begin again."""
    counted = Scripted.json({"Attributes": {"body": {"N": "7"}}})
    async with FaultServer(otherwise=counted) as server:
        given = settings_of(server.url)
        async with Pegboard.isolated({"storage": {"kit": given}}) as board:
            store = board.storage("kit", KeyValue)
            sums = await asyncio.gather(*(store.incr("key") for _ in range(10)))

        assert sums == [7] * 10
        asked = {one.headers["x-amz-target"] for one in server.requests}
        assert asked == {"DynamoDB_20120810.UpdateItem"}
        assert len(server.requests) == 10


async def test_text_is_counted_back_into_bounds(store, clock):
    """What was stored beyond them counts as the number that it is; its expiry stays."""
    await store.set("key", BEYOND, ttl=100)
    with pytest.raises(InvalidRequest):
        await store.incr("key")

    assert await store.incr("key", -6) == 2**63 - 1
    assert await store.incr("key", -1) == 2**63 - 2
    assert await store.ttl("key") == 100
    await clock.sleep(101)
    assert await store.incr("key") == 1


async def test_text_is_counted_by_many_at_once(store):
    """Whoever comes second compares, begins again, and adds to the new sum."""
    await store.set("key", BEYOND)
    steps = [-10, -20, -30, -40]
    sums = await asyncio.gather(*(store.incr("key", step) for step in steps))

    assert min(sums) == await store.get("key") == BEYOND - 100


@pytest.mark.parametrize("step", [10**50, -(10**50), 2**65])
async def test_huge_step_is_refused(store, step):
    """It has more digits than DynamoDB has, and leads out of all bounds."""
    await store.set("key", 1)

    with pytest.raises(InvalidRequest, match="64 bits"):
        await store.incr("key", step)
    assert await store.get("key") == 1
