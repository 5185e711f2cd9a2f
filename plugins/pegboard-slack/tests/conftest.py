from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from pegboard import Pegboard
from pegboard.testing import FaultServer
from pegboard.testing.slack_wire import TOKEN, Workspace

NOW = 1_800_000_000.0
OpenBoard = Callable[..., Pegboard]


@pytest.fixture
def workspace() -> Workspace:
    """Return a workspace in which nothing was said."""
    return Workspace()


@pytest.fixture
async def server(workspace: Workspace) -> AsyncIterator[FaultServer]:
    """Run a server that does what the workspace does, unless it is scripted."""
    async with FaultServer(otherwise=workspace) as running:
        yield running


@pytest.fixture
def settings(server: FaultServer) -> dict[str, object]:
    """Return the settings of an instance that posts to the server."""
    place = f"{server.url}/api"
    return {"provider": "slack", "token": TOKEN, "base_url": place}


@pytest.fixture
async def open_board(settings: dict[str, object]) -> AsyncIterator[OpenBoard]:
    """Return what makes boards with the workspace in them, closed at the end."""
    boards = []

    def open_board(**changes: object) -> Pegboard:
        section = {"policy": {"backoff": 0}, **settings, **changes}
        board = Pegboard.isolated(
            {"integrations": {"alerts": section}}, clock=lambda: NOW
        )
        boards.append(board)
        return board

    yield open_board
    for board in boards:
        await board.aclose()
