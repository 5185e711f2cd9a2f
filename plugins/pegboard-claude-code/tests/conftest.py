from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from pegboard import ChatRequest, Context, Message, Pegboard
from pegboard.testing import anthropic_wire as wire
from pegboard.testing.fault_server import FaultServer, Scripted
from pegboard_claude_code._model import ClaudeCodeModel
from pegboard_claude_code.options import ClaudeCodeOptions

OpenModel = Callable[..., ClaudeCodeModel]
OpenBoard = Callable[..., Pegboard]
HELLO = Scripted.events(*wire.message_stream("Hel", "lo."))


def processes() -> dict[int, int]:
    """Return the processes of Claude Code on this machine, with their parents."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = entry.joinpath("stat").read_text().rpartition(")")[2].split()
            command = entry.joinpath("cmdline").read_bytes()
        except OSError:  # gone since
            continue
        if status[0] != "Z" and b"stream-json" in command:
            found[int(entry.name)] = int(status[1])
    return found


def ours() -> set[int]:
    """Return those that are children of this process."""
    return {pid for pid, parent in processes().items() if parent == os.getpid()}


@pytest.fixture
def running() -> Callable[[], set[int]]:
    """Return what returns the processes of Claude Code that this one has."""
    return ours


@pytest.fixture
def inside(tmp_path: Path) -> Callable[[], set[int]]:
    """Return what returns the processes of Claude Code that work in the folder."""
    return lambda: {pid for pid in processes() if _works_in(pid, tmp_path)}


def _works_in(process: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{process}/cwd").readlink().is_relative_to(folder)
    except OSError:  # gone since
        return False


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Run in a folder of its own, and leave no process behind."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert ours() == set()


@pytest.fixture
def hello() -> ChatRequest:
    """Return a short request."""
    return ChatRequest(messages=(Message.of("user", "Hello?"),))


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    """Run a server that says hello to everybody, if not told otherwise."""
    async with FaultServer(otherwise=HELLO) as running:
        yield running


@pytest.fixture
async def open_model(server: FaultServer, tmp_path: Path) -> AsyncIterator[OpenModel]:
    """Return what makes models that talk to the server, closed at the end."""
    opened = []

    def make(**more: object) -> ClaudeCodeModel:
        given = {
            "model": "claude-sonnet-4-5",
            "base_url": server.url,
            "api_key": "k-1",
            "thinking": "disabled",
            **more,
        }
        options = ClaudeCodeOptions.model_validate(given)
        context = Context(
            address="llm.default",
            data_folder=tmp_path,
            clock=lambda: 1000.0,
            connect_timeout=60.0,
        )
        opened.append(ClaudeCodeModel(options, context))
        return opened[-1]

    yield make
    for model in opened:
        await model.aclose()


@pytest.fixture
async def open_board(server: FaultServer) -> AsyncIterator[OpenBoard]:
    """Return what makes boards whose default model asks the server."""
    opened = []

    def make(**more: object) -> Pegboard:
        section = {
            "provider": "claude-code",
            "model": "claude-sonnet-4-5",
            "base_url": server.url,
            "api_key": "sk-sentinel",
            "thinking": "disabled",
            "policy": {"backoff": 0},
            **more,
        }
        opened.append(Pegboard.isolated({"llm": {"default": section}}))
        return opened[-1]

    yield make
    for board in opened:
        await board.aclose()
