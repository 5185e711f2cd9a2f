"""The event loop goes on while the model works."""

from __future__ import annotations

import asyncio
from threading import Event

import pytest
from pegboard.errors import Unavailable
from pegboard_local._chat import LocalChat
from pegboard_local._shared import Models
from pegboard_local.options import LocalOptions

PATIENCE = 30


async def tick(turns):
    """Count the turns of the loop."""
    while True:
        turns.append(1)
        await asyncio.sleep(0)


async def test_the_loop_turns_while_the_model_loads(ask):
    """A load that waits for the loop comes to its end."""
    turned = Event()

    def open_server(_load):
        assert turned.wait(PATIENCE)
        msg = "loaded"
        raise Unavailable(msg)

    models = Models(open_server)
    chat = LocalChat(LocalOptions(), models)
    asyncio.get_running_loop().call_later(0, turned.set)
    with pytest.raises(Unavailable, match="loaded"):
        await chat.complete(ask())
    await chat.aclose()


async def test_the_loop_turns_while_the_model_loads_and_writes(chat, ask):
    """Far more often than there are tokens."""
    turns = []
    ticker = asyncio.create_task(tick(turns))
    reply = await chat.complete(ask(max_tokens=20))
    ticker.cancel()

    assert reply.text
    assert len(turns) > 200
