"""A service that goes and comes: health follows, and delays nobody."""

from __future__ import annotations

import asyncio
from typing import Any

from pegboard import Pegboard
from pegboard.testing.fault_server import Fault, FaultServer, Scripted
from pegboard.testing.tcp_proxy import TcpProxy

MODELS = Scripted.json({"object": "list", "data": []})
SILENT = Scripted(before=Fault.HANG)


def section(port: int) -> dict[str, Any]:
    """Return the settings of a model at *port*."""
    return {
        "provider": "openai-compatible",
        "model": "m",
        "base_url": f"http://127.0.0.1:{port}/v1",
    }


async def test_health_follows_a_service_that_goes_and_comes() -> None:
    """Twenty times: gone with its port at the next look, back with the first answer."""
    seen = []
    async with (
        FaultServer(otherwise=MODELS) as server,
        TcpProxy("127.0.0.1", int(server.url.rpartition(":")[2])) as service,
        Pegboard.isolated({"llm": {"default": section(service.port)}}) as board,
    ):
        for _ in range(10):
            await service.refuse()
            service.reset()
            seen.append((await board.health())["llm.default"].status)
            await service.accept()
            seen.append((await board.health())["llm.default"].status)

    assert seen == ["down", "up"] * 10


async def test_silent_service_delays_no_other_and_recovers() -> None:
    """All are asked at once, each for as long as a check may take."""
    limit = {"health": {"timeout": 0.2}}
    async with (
        FaultServer(otherwise=MODELS) as well,
        FaultServer(otherwise=MODELS) as ill,
    ):
        ports = {"well": well.url, "ill": ill.url}
        llms = {name: section(int(u.rpartition(":")[2])) for name, u in ports.items()}
        async with Pegboard.isolated({"llm": llms, **limit}) as board:
            ill.respond(SILENT)
            asked = asyncio.create_task(board.health())
            await ill.next_request()
            await well.next_request()  # although the other has not answered
            before, after = await asked, await board.health()

    assert {a: h.status for a, h in before.items()} == {
        "llm.well": "up",
        "llm.ill": "down",
    }
    assert before["llm.ill"].reason == "no answer within 0.2 s"
    assert after["llm.ill"].status == "up"
