"""Whether the service can be reached, as the board's health tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pegboard import Pegboard
from pegboard.testing import gemini_wire as wire
from pegboard.testing.fault_server import Fault, FaultServer, Scripted

if TYPE_CHECKING:
    from pegboard.health import Health

OpenBoard = Callable[..., Pegboard]
MODEL = Scripted.json({"name": "models/gemini-3-flash"})
GONE = Scripted.json(wire.error(), status=503)


async def health(board: Pegboard) -> Health:
    """Return what *board* says of its default model."""
    return (await board.health())["llm.default"]


async def test_check_asks_for_the_model(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """With the key, and without a token."""
    server.respond(MODEL)

    assert (await health(open_board())).status == "up"
    (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/v1/models/gemini-3-flash")
    assert request.headers["x-goog-api-key"] == "key-sentinel"


async def test_health_follows_the_service(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """Down and up again, with nothing remembered and nothing retried."""
    server.respond(*[MODEL, GONE] * 5)
    board = open_board()

    seen = [(await health(board)).status for _ in range(10)]

    assert seen == ["up", "down"] * 5
    assert (board.stats(), len(server.requests)) == ({}, 10)


async def test_broken_connection_is_down(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """The reason is what a call would fail with."""
    server.respond(Scripted(before=Fault.RESET))

    down = await health(open_board())

    assert down.status == "down"
    assert down.reason.startswith("ConnectionFailed: ")


async def test_wrong_key_is_down_and_not_shown(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """A service may repeat the key; the reason does not."""
    told = wire.error("INVALID_ARGUMENT", "Bad key-sentinel.", wire.error_info())
    server.respond(Scripted.json(told, status=400))

    found = await health(open_board())

    assert (found.status, "key-sentinel" in found.reason) == ("down", False)
    assert found.reason.startswith("Authentication: ")
