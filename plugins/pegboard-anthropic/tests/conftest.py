from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from pegboard import ChatRequest, Context, Message, Pegboard
from pegboard.testing.fault_server import FaultServer
from pegboard_anthropic._model import AnthropicModel
from pegboard_anthropic.options import AnthropicOptions

OpenModel = Callable[..., AnthropicModel]
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
async def open_model(server: FaultServer) -> AsyncIterator[OpenModel]:
    """Return what makes models that talk to the server, closed at the end."""
    opened = []

    def make(*, clock: Clock = lambda: 0.0, **more: object) -> AnthropicModel:
        given = {"model": "claude-opus-5-5", "base_url": server.url, "api_key": "k-1"}
        options = AnthropicOptions.model_validate({**given, **more})
        context = Context(address="llm.default", data_folder=Path(), clock=clock)
        opened.append(AnthropicModel(options, context))
        return opened[-1]

    yield make
    for model in opened:
        await model.aclose()


@pytest.fixture
async def open_board(server: FaultServer) -> AsyncIterator[OpenBoard]:
    """Return what makes boards whose default model is at the server."""
    opened = []

    def make(
        *, plugins: Sequence[object] = (), clock: Clock = time.time, **more: object
    ) -> Pegboard:
        section = {
            "provider": "anthropic",
            "model": "claude-opus-5-5",
            "base_url": server.url,
            "api_key": "sk-sentinel",
            "policy": {"backoff": 0},
            **more,
        }
        settings = {"llm": {"default": section}}
        opened.append(Pegboard.isolated(settings, plugins=plugins, clock=clock))
        return opened[-1]

    yield make
    for board in opened:
        await board.aclose()


@pytest.fixture(scope="session")
def aimock(run_aimock: Callable[[Path], str]) -> str:
    """Run a mock server that others wrote; return its address."""
    return run_aimock(Path(__file__).parent / "aimock")
