from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from pegboard import ChatRequest, Context, Message, Pegboard
from pegboard.testing.fault_server import FaultServer
from pegboard_ollama._model import OllamaModel
from pegboard_ollama.options import OllamaOptions

OpenModel = Callable[..., OllamaModel]
OpenBoard = Callable[..., Pegboard]
Clock = Callable[[], float]


@pytest.fixture
def hello() -> ChatRequest:
    """Return a short request."""
    return ChatRequest(messages=(Message.of("user", "Hello?"),))


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    """Run a server with an empty script."""
    async with FaultServer() as running:
        yield running


@pytest.fixture
async def open_model(server: FaultServer, tmp_path: Path) -> AsyncIterator[OpenModel]:
    """Return what makes models that talk to the server, closed at the end."""
    opened = []

    def make(**more: object) -> OllamaModel:
        given = {"model": "stub-1", "host": server.url, "disk_reserve": 0, **more}
        options = OllamaOptions.model_validate(given)
        context = Context(
            address="llm.default", data_folder=tmp_path / "data", clock=lambda: 0.0
        )
        opened.append(OllamaModel(options, context))
        return opened[-1]

    yield make
    for model in opened:
        await model.aclose()


@pytest.fixture
async def open_board(server: FaultServer, tmp_path: Path) -> AsyncIterator[OpenBoard]:
    """Return what makes boards whose default model is at the server."""
    opened = []

    def make(
        *, plugins: Sequence[object] = (), clock: Clock = time.time, **more: object
    ) -> Pegboard:
        section = {
            "provider": "ollama",
            "model": "stub-1",
            "host": server.url,
            "api_key": "ol-sentinel",
            "disk_reserve": 0,
            "policy": {"backoff": 0},
            **more,
        }
        settings = {
            "data_folder": str(tmp_path / "data"),
            "llm": {"default": section},
        }
        opened.append(Pegboard.isolated(settings, plugins=plugins, clock=clock))
        return opened[-1]

    yield make
    for board in opened:
        await board.aclose()
