"""Logs of events on real servers keep the contract."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import hypothesis
import pytest
from pegboard import EventLog, Pegboard
from pegboard.errors import ConnectionFailed
from pegboard.testing import no_leaks
from pegboard.testing.clock import RealClock
from pegboard.testing.event_log import (
    EXAMPLES,
    EventLogContract,
    PersistentEventLogContract,
)

PATIENT = {"timeout": 60, "connect_timeout": 60}


class Kit(PersistentEventLogContract, EventLogContract):
    __test__ = False
    short, past_short = 0.4, 0.45
    examples = hypothesis.settings(EXAMPLES, max_examples=25)

    @pytest.fixture
    def clock(self):
        """Return real time: the server keeps its own."""
        return RealClock()


class TestValkey(Kit):
    __test__ = True

    @pytest.fixture
    def settings(self, shared_valkey):
        """Return the settings of a log that nobody else uses."""
        prefix = f"{uuid4().hex}:"
        url = shared_valkey.url
        return {"provider": "redis", "url": url, "prefix": prefix, **PATIENT}


class TestRedis(Kit):
    __test__ = True

    @pytest.fixture
    def settings(self, shared_redis):
        """Return the settings of a log with several connections."""
        prefix = f"{uuid4().hex}:"
        url = f"unix://{shared_redis.socket}?db=3"
        more = {"connections": 3, **PATIENT}
        return {"provider": "redis", "url": url, "prefix": prefix, **more}


async def test_reader_goes_on_when_the_server_is_back(server):
    """Who waits is told of an outage; after it, nothing is missed that happens then."""
    settings = {"provider": "redis", "url": server.url, "timeout": 0.5}
    async with (
        no_leaks(),
        Pegboard.isolated({"integrations": {"bus": settings}}) as board,
    ):
        log = board.integration("bus", EventLog)
        for number in range(5):
            await log.publish_event("a", number)
        page = await log.read_events()
        waiting = asyncio.create_task(log.read_events(after=page.position, wait=60))
        await asyncio.sleep(0.05)
        server.kill()
        async with asyncio.timeout(30):
            with pytest.raises(ConnectionFailed):
                await waiting
        server.start()  # and it has forgotten all
        waiting = asyncio.create_task(log.read_events(after=page.position, wait=60))
        await asyncio.sleep(0.05)
        await log.publish_event("a", "back")

        assert [event.body for event in (await waiting).events] == ["back"]
