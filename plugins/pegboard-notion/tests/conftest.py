from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from pegboard import Pegboard
from pegboard.testing import FaultServer
from pegboard_notion.fake import TOKEN, FakeNotion

NOW = 1_800_000_000.0
OpenBoard = Callable[..., Pegboard]


@pytest.fixture
def workspace() -> FakeNotion:
    """Return a workspace with one page."""
    return FakeNotion()


@pytest.fixture
async def server(workspace: FakeNotion) -> AsyncIterator[FaultServer]:
    """Run a server that does what the workspace does, unless it is scripted."""
    async with FaultServer(otherwise=workspace) as running:
        yield running


@pytest.fixture
def settings(server: FaultServer) -> dict[str, object]:
    """Return the settings of an instance that asks the server."""
    return {"provider": "notion", "token": TOKEN, "base_url": server.url}


@pytest.fixture
async def open_board(settings: dict[str, object]) -> AsyncIterator[OpenBoard]:
    """Return what makes boards with the workspace in them, closed at the end."""
    boards = []

    def open_board(**changes: object) -> Pegboard:
        section = {"policy": {"backoff": 0}, **settings, **changes}
        board = Pegboard.isolated(
            {"integrations": {"pages": section}}, clock=lambda: NOW
        )
        boards.append(board)
        return board

    yield open_board
    for board in boards:
        await board.aclose()
