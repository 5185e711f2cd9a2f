"""How many connections there are, and how long they stay."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pegboard import Pegboard
from pegboard.testing import openai_wire
from pegboard.testing.fault_server import FaultServer, Scripted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ANSWER = openai_wire.chat_completion(openai_wire.chat_message("Hi."))


@pytest.fixture
async def server() -> AsyncGenerator[FaultServer]:
    """Return a server that says "Hi."."""
    async with FaultServer(otherwise=Scripted.json(ANSWER)) as server:
        yield server


def board_of(server: FaultServer, **policy: object) -> Pegboard:
    """Return a board that asks *server*."""
    section: dict[str, Any] = {
        "provider": "openai-compatible",
        "model": "m",
        "base_url": f"{server.url}/v1",
        "policy": policy,
    }
    return Pegboard.isolated({"llm": {"default": section}})


async def test_no_more_connections_are_open_than_the_policy_says(
    server: FaultServer,
) -> None:
    """The other calls wait until the connection is free."""
    gates = [asyncio.Event() for _ in range(3)]
    server.respond(*(replace(Scripted.json(ANSWER), before=gate) for gate in gates))
    open_at_once = []

    async with board_of(server, connections=1) as board:
        calls = [asyncio.create_task(board.llm().complete("Hello.")) for _ in gates]
        for gate in gates:
            await server.next_request()
            open_at_once.append(len(server._connections))
            gate.set()
        replies = await asyncio.gather(*calls)

    assert [reply.text for reply in replies] == ["Hi."] * 3
    assert open_at_once == [1, 1, 1]


@pytest.mark.parametrize(("keep_alive", "is_kept"), [(0, False), (60, True)])
async def test_idle_connection_stays_as_long_as_the_policy_says(
    server: FaultServer, keep_alive: float, *, is_kept: bool
) -> None:
    """The next call takes it, if it is still there."""
    async with board_of(server, keep_alive=keep_alive) as board:
        await board.llm().complete("Hello.")
        first = set(server._connections)
        await board.llm().complete("Hello.")
        second = set(server._connections)

    assert (first == second) is is_kept
