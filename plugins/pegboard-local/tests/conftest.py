"""The real model, watched while it writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import pytest
from pegboard import ChatRequest, Message
from pegboard_local._chat import LocalChat
from pegboard_local._llama import Load, open_server
from pegboard_local._shared import Models
from pegboard_local.options import LocalOptions

PATIENCE = 60.0
STORY = "Tell me a long story about a small dog in the snow."


class Watched:
    """A llama.cpp server that tells what it is asked and what it does."""

    def __init__(self, load: Load, begun: Event) -> None:
        self._server = open_server(load)
        self.bodies: list[dict[str, Any]] = []
        self.chunks: list[dict[str, Any]] = []
        self._begun = begun
        self._rests = Event()

    def handle_chat_completions(
        self, body: dict[str, Any], take: Callable[[dict[str, Any]], bool]
    ) -> None:
        self._rests.clear()
        self.bodies.append(body)

        def noted(chunk: dict[str, Any]) -> bool:
            self.chunks.append(chunk)
            self._begun.set()
            return take(chunk)

        try:
            self._server.handle_chat_completions(body, noted)
        finally:
            self._rests.set()

    def wait_for_rest(self) -> None:
        """Wait until llama.cpp itself says that it does nothing."""
        assert self._rests.wait(PATIENCE)
        while self.metric("requests_processing"):
            self._rests.wait(0)

    def metric(self, name: str) -> float:
        """Return what llama.cpp counts under *name*."""
        metrics = self._server.handle_metrics()
        line = re.search(rf"^llamacpp:{name} (\S+)$", metrics, re.MULTILINE)
        assert line, metrics
        return float(line[1])


class Opened:
    """The servers that were opened, the last one at hand."""

    def __init__(self) -> None:
        self.servers: list[Watched] = []
        self.begun = Event()

    def __call__(self, load: Load) -> Watched:
        self.servers.append(Watched(load, self.begun))
        return self.servers[-1]

    @property
    def last(self) -> Watched:
        return self.servers[-1]


@pytest.fixture
def opened() -> Opened:
    """Return what opens servers, and knows them."""
    return Opened()


@pytest.fixture
def models(opened: Opened) -> Iterator[Models]:
    """Return models that nothing else shares."""
    models = Models(opened)
    yield models
    models.close()


@pytest.fixture
def make_chat(models: Models) -> Callable[..., LocalChat]:
    """Return a function of the options that makes a model."""

    def make_chat(**options: Any) -> LocalChat:
        given = {"context_length": 1024, **options}
        return LocalChat(LocalOptions.model_validate(given), models)

    return make_chat


@pytest.fixture
def chat(make_chat: Callable[..., LocalChat]) -> LocalChat:
    """Return a model."""
    return make_chat()


def asked(
    text: str = "What is the capital of France?", **parameters: Any
) -> ChatRequest:
    """Return a request that says *text*."""
    parameters.setdefault("max_tokens", 8)
    return ChatRequest(messages=(Message.of("user", text),), **parameters)


@pytest.fixture
def ask() -> Callable[..., ChatRequest]:
    """Return a function that makes a request."""
    return asked


@pytest.fixture
def story(ask: Callable[..., ChatRequest]) -> ChatRequest:
    """Return a request that takes long to answer."""
    return ask(STORY, max_tokens=900)
