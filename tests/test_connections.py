"""Every plugin that speaks HTTP keeps its connections as the policy says."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from pegboard import Pegboard
from pegboard.testing import anthropic_wire, gemini_wire, ollama_wire, openai_wire
from pegboard.testing.fault_server import FaultServer, Scripted

OPENAI = openai_wire.chat_completion(openai_wire.chat_message("Hi."))
SERVICES = {
    "openai-compatible": (OPENAI, {"base_url": "{}/v1"}),
    "anthropic": (anthropic_wire.message(), {"base_url": "{}", "api_key": "k"}),
    "gemini": (gemini_wire.response(), {"base_url": "{}", "api_key": "k"}),
    "ollama": (ollama_wire.chat(), {"host": "{}"}),
}


@pytest.fixture(params=SERVICES)
def service(request):
    """Return a service by the name of its provider."""
    return request.param


def answer_of(service):
    """Return what *service* answers."""
    return Scripted.json(SERVICES[service][0])


def board_of(service, server, **policy):
    """Return a board whose model is *service*, at *server*."""
    given = {key: text.format(server.url) for key, text in SERVICES[service][1].items()}
    section = {"provider": service, "model": "m", "policy": policy, **given}
    return Pegboard.isolated({"llm": {"default": section}})


async def test_no_more_connections_are_open_than_the_policy_says(service):
    """The other calls wait until the connection is free."""
    gates = [asyncio.Event() for _ in range(3)]
    open_at_once = []
    async with FaultServer() as server:
        server.respond(*(replace(answer_of(service), before=gate) for gate in gates))
        async with board_of(service, server, connections=1) as board:
            calls = [asyncio.create_task(board.llm().complete("Hello.")) for _ in gates]
            for gate in gates:
                await server.next_request()
                open_at_once.append(len(server._connections))
                gate.set()
            await asyncio.gather(*calls)

    assert open_at_once == [1, 1, 1]


@pytest.mark.parametrize(("keep_alive", "is_kept"), [(0, False), (60, True)])
async def test_idle_connection_stays_as_long_as_the_policy_says(
    service, keep_alive, is_kept
):
    """The next call takes it, if it is still there."""
    async with (
        FaultServer(otherwise=answer_of(service)) as server,
        board_of(service, server, keep_alive=keep_alive) as board,
    ):
        await board.llm().complete("Hello.")
        first = set(server._connections)
        await board.llm().complete("Hello.")
        second = set(server._connections)

    assert (first == second) is is_kept
