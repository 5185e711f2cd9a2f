"""Connections on which an answer is overdue are ended, and no others."""

from __future__ import annotations

import asyncio
import socket

import pytest
from pegboard import Database, KeyValue
from pegboard_sql._watch import Watch
from sqlalchemy import event


@pytest.fixture
def pair():
    """Return both ends of a connection, each with a fileno as the driver's have."""
    ends = socket.socketpair()
    for end in ends:
        end.settimeout(0)
    yield ends
    for end in ends:
        end.close()


@pytest.fixture
def other_pair():
    """Return both ends of another one."""
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


async def ended(end):
    """Wait until *end* hears that the other one is gone."""
    assert await asyncio.get_running_loop().sock_recv(end, 1) == b""


async def test_overdue_connection_is_ended(pair, other_pair):
    """Who has more time is left alone, whichever began first."""
    watch = Watch()
    watch.begin(other_pair[0], 1000)
    watch.begin(pair[0], 0.01)
    await ended(pair[1])

    assert watch.end(pair[0]) is False
    assert watch.end(other_pair[0]) is True
    assert other_pair[0].send(b"x") == 1


async def test_alarm_is_set_again_for_the_next(pair, other_pair):
    """When one was ended, the others are still looked after."""
    watch = Watch()
    other_pair[1].settimeout(0)
    watch.begin(pair[0], 0.01)
    watch.begin(other_pair[0], 0.02)
    await ended(pair[1])
    await ended(other_pair[1])

    assert not watch.end(other_pair[0])


async def test_answer_in_time_is_left_alone(pair):
    """What is over before is not ended later, and nothing stays behind."""
    watch = Watch()
    watch.begin(pair[0], 0.01)
    assert watch.end(pair[0]) is True
    watch.rest()
    watch.begin(pair[0], 1000)
    watch.rest()

    assert watch.end(pair[0]) is True
    assert pair[0].send(b"x") == 1


async def test_connection_in_constant_use_goes_back_in_the_end(open_board):
    """So that the pool can replace it when it is too old."""
    board = open_board(pool_size=5)
    database, values = board.storage("main", Database), board.storage("main", KeyValue)
    await values.set("n", 0)
    engine = await database.engine()
    back = asyncio.Event()
    event.listen(engine.sync_engine, "checkin", lambda *_: back.set())
    while not back.is_set():
        assert await values.get("n") == 0
