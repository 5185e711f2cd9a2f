from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from pegboard import ChatRequest, Context, Message, Pegboard
from pegboard.testing import ollama_wire as wire
from pegboard.testing.fault_server import FaultServer, Received, Scripted, Step
from pegboard_ollama._model import OllamaModel
from pegboard_ollama._names import full_name
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


class Library:
    """What a server does that can pull: it answers each request by what is in it."""

    def __init__(self) -> None:
        self.models: set[str] = set()
        self.pull: Sequence[Step] = wire.pull()
        """The progress of the next pulls, before whose last line the model is there."""
        self.paths: list[str] = []

    def __call__(self, request: Received) -> Scripted:
        """Return the answer to *request*."""
        self.paths.append(request.path)
        if request.path == "/api/tags":
            return Scripted.json(wire.tags(*self.models))
        asked = request.json
        if request.path == "/api/pull":
            return self._pull(asked["model"])
        if full_name(asked["model"]) not in self.models:
            return Scripted.json(wire.error(), status=404)
        if request.path == "/api/embed":
            return Scripted.json(
                {"model": asked["model"], "embeddings": [[1.0]] * len(asked["input"])}
            )
        if asked["stream"]:
            return Scripted.lines(*wire.chat_stream("Hel", "lo."))
        return Scripted.json(wire.chat())

    @property
    def pulls(self) -> int:
        """How many there were."""
        return self.paths.count("/api/pull")

    def _pull(self, model: str) -> Scripted:
        async def arrive() -> None:
            self.models.add(full_name(model))

        if model == "no-such-model-anywhere":
            told = wire.error_line("pull model manifest: file does not exist")
            return Scripted.lines(wire.progress("pulling manifest"), told)
        *steps, last = self.pull
        return Scripted.lines(*steps, arrive, last)


@pytest.fixture
def library() -> Library:
    """Return a library without a model."""
    return Library()


@pytest.fixture
async def pulling(library: Library) -> AsyncIterator[FaultServer]:
    """Run a server that pulls into the library."""
    async with FaultServer(otherwise=library) as running:
        yield running


@pytest.fixture(scope="session")
def aimock(run_aimock: Callable[[Path], str]) -> str:
    """Run a mock server that others wrote; return its address."""
    return run_aimock(Path(__file__).parent / "aimock")
