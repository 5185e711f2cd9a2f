"""The plugin as programs use it: through a board that finds it by its name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pegboard import Pegboard, Tool
from pegboard.errors import Unsupported
from pegboard.testing import ollama_wire as wire
from pegboard.testing.fault_server import FaultServer, Scripted

OpenBoard = Callable[..., Pegboard]


async def test_completes(server: FaultServer, open_board: OpenBoard) -> None:
    """With the key of the settings."""
    server.respond(Scripted.json(wire.chat()))

    assert (await open_board().llm().complete("Hi")).text == "Hello."
    assert server.requests[0].headers["authorization"] == "Bearer ol-sentinel"


async def test_streams(server: FaultServer, open_board: OpenBoard) -> None:
    """Words as they arrive, and the whole at the end."""
    server.respond(Scripted.lines(*wire.chat_stream("Hel", "lo.")))

    async with open_board().llm().stream("Hi") as stream:
        words = [word async for word in stream.text]

    assert words == ["Hel", "lo."]
    assert stream.reply.usage.total == 18


async def test_variables_of_ollama_are_fallbacks(server: FaultServer) -> None:
    """In Ollama's own spelling: what it listens on everywhere is here."""
    port = server.url.rpartition(":")[2]
    server.respond(Scripted.json(wire.chat()))
    settings = {"llm": {"default": {"provider": "ollama", "model": "m"}}}
    environ = {"OLLAMA_HOST": f"0.0.0.0:{port}", "OLLAMA_API_KEY": "ol-1"}

    async with Pegboard.isolated(settings, environ=environ) as board:
        assert (await board.llm().complete("Hi")).text == "Hello."

    assert server.requests[0].headers["authorization"] == "Bearer ol-1"


def test_wrong_variable_is_a_problem_of_the_settings() -> None:
    """It is named, before anything is sent."""
    settings = {"llm": {"default": {"provider": "ollama", "model": "m"}}}
    environ = {"OLLAMA_HOST": "ftp://gpu.lan"}

    (problem,) = Pegboard.isolated(settings, environ=environ).check()

    assert problem.where == "llm.default.host"
    assert "Use http or https" in problem.message
    assert "OLLAMA_HOST" in str(problem.origin)


async def test_call_that_cannot_be_demanded_is_refused(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """Before anything is sent, and once."""
    tool = Tool("plan", "Plan.", {"type": "object"})

    with pytest.raises(Unsupported, match="no tool_choice") as caught:
        await open_board().llm().complete("Hi", tools=[tool], tool_choice="required")

    assert (server.requests, caught.value.request_sent) == ([], "no")


async def test_fallback_answers_while_a_model_is_pulled(
    library: Any, pulling: FaultServer, tmp_path: Path
) -> None:
    """The next target does not wait for gigabytes, and the pull goes on."""
    library.pull = [*wire.pull()[:2], asyncio.Event(), *wire.pull()[2:]]
    library.models.add("small:latest")
    ollama = {"provider": "ollama", "host": pulling.url, "disk_reserve": 0}
    policy = {"deadline": 1}
    settings = {
        "data_folder": str(tmp_path),
        "llm": {
            "default": {"provider": "fallback", "targets": ["big", "small"]},
            "big": {**ollama, "model": "big", "auto_pull": True, "policy": policy},
            "small": {**ollama, "model": "small"},
        },
    }

    async with Pegboard.isolated(settings) as board:
        assert (await board.llm().complete("Hi")).text == "Hello."
        assert not pulling.requests[2].left.is_set()

    assert library.paths == ["/api/chat", "/api/tags", "/api/pull", "/api/chat"]
