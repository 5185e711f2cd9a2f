"""Whether the server can be reached, as the board's health tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from pegboard import Pegboard
from pegboard.testing import ollama_wire as wire
from pegboard.testing.fault_server import Fault, FaultServer, Scripted

if TYPE_CHECKING:
    from pegboard.health import Health

OpenBoard = Callable[..., Pegboard]
MODELS = Scripted.json(wire.tags("other:1b", "stub-1:latest"))
GONE = Scripted.json(wire.error("gone"), status=503)


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
    assert (request.method, request.path) == ("GET", "/api/tags")
    assert request.headers["authorization"] == "Bearer ol-sentinel"


async def test_missing_model_is_down(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """Calls would fail; what there is, is told."""
    server.respond(Scripted.json(wire.tags("a:1b", "b:2b")))

    found = await health(open_board())

    assert found.status == "down"
    assert "no model 'stub-1'. Known: a:1b, b:2b." in found.reason
    assert "ollama pull stub-1" in found.reason


async def test_missing_model_that_will_be_pulled_is_up(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """A call would bring it; the check does not."""
    server.respond(Scripted.json(wire.tags()))

    found = await health(open_board(auto_pull=True))

    assert (found.status, len(server.requests)) == ("up", 1)
    assert "will be pulled" in found.reason


async def test_health_follows_the_server(
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
    """A server may repeat the key; the reason does not."""
    answer = wire.error("wrong key: ol-sentinel")
    server.respond(Scripted.json(answer, status=401))

    found = await health(open_board())

    assert (found.status, "ol-sentinel" in found.reason) == ("down", False)
    assert found.reason.startswith("Authentication: ")


@pytest.mark.parametrize("answer", [b"[]", b"<html>", b"{}"])
async def test_something_else_at_the_address_is_down(
    server: FaultServer, open_board: OpenBoard, answer: bytes
) -> None:
    """It answers, but is no Ollama."""
    server.respond(Scripted(body=answer))

    assert (await health(open_board())).reason.startswith("InvalidReply: ")
