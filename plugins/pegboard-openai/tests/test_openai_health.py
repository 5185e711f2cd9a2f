"""Whether the service can be reached, as the board's health tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from pegboard import Pegboard
from pegboard.testing import openai_wire as wire
from pegboard.testing.fault_server import Fault, FaultServer, Scripted

if TYPE_CHECKING:
    from pegboard.health import Health

OpenBoard = Callable[..., Pegboard]
MODELS = Scripted.json({"object": "list", "data": []})
GONE = Scripted.json(wire.error(), status=503)


async def health(board: Pegboard) -> Health:
    """Return what *board* says of its default model."""
    return (await board.health())["llm.default"]


async def test_check_asks_for_the_models(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """With the key, and without a token."""
    server.respond(MODELS)

    assert (await health(open_board())).status == "up"
    (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/v1/models")
    assert request.headers["authorization"] == "Bearer sk-sentinel"


async def test_health_follows_the_service(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """Down and up again, twenty times, with nothing remembered."""
    server.respond(*[MODELS, GONE] * 10)
    board = open_board()

    seen = [(await health(board)).status for _ in range(20)]

    assert seen == ["up", "down"] * 10
    assert len(server.requests) == 20


async def test_broken_connection_is_down(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """The reason is what a call would fail with."""
    server.respond(Scripted(body=[Fault.RESET]), MODELS)
    board = open_board()

    down, up = await health(board), await health(board)

    assert (down.status, up.status) == ("down", "up")
    assert down.reason.startswith("ConnectionFailed: ")


async def test_wrong_key_is_down_and_not_shown(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """A service may repeat the key; the reason does not."""
    answer = wire.error(message="Incorrect API key: sk-sentinel")
    server.respond(Scripted.json(answer, status=401))

    found = await health(open_board())

    assert (found.status, "sk-sentinel" in found.reason) == ("down", False)
    assert found.reason.startswith("Authentication: ")


async def test_service_without_a_list_is_up(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """It answered, after all."""
    server.respond(Scripted.json(wire.error(), status=404))

    found = await health(open_board())

    assert (found.status, found.reason) == (
        "up",
        "answered, but has no list of models",
    )


@pytest.mark.parametrize("status", [200, 503])
async def test_check_is_no_call(
    status: int, server: FaultServer, open_board: OpenBoard
) -> None:
    """It is not retried, and stats know nothing of it."""
    server.respond(Scripted.json({"data": []}, status=status))
    board = open_board()

    await board.health()

    assert (board.stats(), len(server.requests)) == ({}, 1)
