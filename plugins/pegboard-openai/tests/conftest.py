from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pegboard import ChatRequest, Context, Message
from pegboard.testing.fault_server import FaultServer
from pegboard_openai._model import OpenAIModel
from pegboard_openai.options import OpenAIOptions
from pegboard_openai.services import SERVICES, Service

OpenModel = Callable[..., OpenAIModel]


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
