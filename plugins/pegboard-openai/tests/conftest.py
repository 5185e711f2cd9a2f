from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from pegboard import ChatRequest, Context, Message, Pegboard
from pegboard.testing.fault_server import FaultServer
from pegboard_openai._model import OpenAIModel
from pegboard_openai.options import OpenAIOptions
from pegboard_openai.services import SERVICES, Service

OpenModel = Callable[..., OpenAIModel]
OpenBoard = Callable[..., Pegboard]
Clock = Callable[[], float]


@pytest.fixture(scope="session")
def mock_url(run_aimock: Callable[[Path], str]) -> str:
    """Return where a mock server is that others wrote."""
    return run_aimock(Path(__file__).parent / "fixtures")


@pytest.fixture
def services() -> dict[str, Service]:
    """Return all services by name."""
    return {service.name: service for service in SERVICES}


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
async def open_model(
    server: FaultServer, services: dict[str, Service]
) -> AsyncIterator[OpenModel]:
    """Return what makes models that talk to the server, closed at the end."""
    opened = []

    def make(
        api: str = "chat", *, service: str = "openai", **more: object
    ) -> OpenAIModel:
        given = {"model": "m", "base_url": f"{server.url}/v1", "api_key": "k-1", **more}
        options = OpenAIOptions.model_validate({"api": api, **given})
        context = Context(address="llm.default", data_folder=Path(), clock=lambda: 0.0)
        opened.append(OpenAIModel(services[service], options, context))
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
            "provider": "openai",
            "model": "m",
            "base_url": f"{server.url}/v1",
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
