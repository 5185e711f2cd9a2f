"""Queues on real servers keep the contract."""

from __future__ import annotations

from uuid import uuid4

import hypothesis
import pytest
from pegboard.testing.clock import RealClock
from pegboard.testing.queue import (
    EXAMPLES,
    DeadLetterQueueContract,
    GroupedQueueContract,
    QueueContract,
    SharedQueueContract,
)

PATIENT = {"timeout": 60, "connect_timeout": 60}


class Kit(
    DeadLetterQueueContract, GroupedQueueContract, SharedQueueContract, QueueContract
):
    __test__ = False
    short, past_short = 0.4, 0.45
    examples = hypothesis.settings(EXAMPLES, max_examples=40)

    @pytest.fixture
    def clock(self):
        """Return real time: the server keeps its own."""
        return RealClock()


class TestValkey(Kit):
    __test__ = True

    @pytest.fixture
    def settings(self, shared_valkey):
        """Return the settings of a queue that nobody else uses."""
        prefix = f"{uuid4().hex}:"
        url = shared_valkey.url
        return {"provider": "redis", "url": url, "prefix": prefix, **PATIENT}


class TestRedis(Kit):
    __test__ = True

    @pytest.fixture
    def settings(self, shared_redis):
        """Return the settings of a queue with several connections."""
        prefix = f"{uuid4().hex}:"
        url = f"unix://{shared_redis.socket}?db=3"
        more = {"connections": 3, **PATIENT}
        return {"provider": "redis", "url": url, "prefix": prefix, **more}
