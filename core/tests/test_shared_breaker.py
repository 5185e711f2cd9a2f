"""Breakers that tell each other of outages, through any KeyValue."""

import asyncio
import subprocess
import sys

import pegboard
import pytest
from pegboard import Options, Pegboard, errors
from pegboard.testing.clock import run_virtual


class Service:
    """One service, which several boards call."""

    def __init__(self):
        self.is_down = True
        self.calls = []

    @pegboard.hookimpl
    def pegboard_llm_providers(self):
        return [
            pegboard.LLMProvider(
                name="service",
                factory=lambda _options, context: Client(self, context),
                options=Options,
                contracts={"ChatModel": 1},
            )
        ]


class Client:
    """What a board makes to call the service."""

    def __init__(self, service, context):
        self.service = service
        self.address = context.address

    async def complete(self, request):
        self.service.calls.append(asyncio.get_running_loop().time())
        if self.service.is_down:
            msg = "down"
            raise errors.Unavailable(msg)
        return pegboard.Reply(
            parts=request.messages[0].parts,
            finish_reason="stop",
            usage=pegboard.Usage(input=1, output=1),
            model="m",
        )


def wall_clock():
    """Return a time of day that goes with the virtual loop."""
    return 1e9 + asyncio.get_running_loop().time()


def board_of(service, folder, **breaker):
    """Return one process's board: its own breaker, a storage that all share."""
    policy = {"attempts": 1, "breaker": {"failures": 3, "open_for": 30, **breaker}}
    given = {
        "llm": {"default": {"provider": "service", "policy": policy}},
        "storage": {"news": {"provider": "sqlite", "path": str(folder / "news.db")}},
    }
    return Pegboard.isolated(given, plugins=[service], clock=wall_clock)


async def ask(board):
    """Return the text of a reply, or the class of the error."""
    try:
        return (await board.llm().complete("hi")).text
    except errors.CallError as error:
        return type(error)


async def close(boards):
    """Close all *boards*."""
    for board in boards:
        await board.aclose()


def test_twenty_workers_learn_of_an_outage_once(tmp_path):
    """What one has found out, the others need not."""
    service = Service()

    async def main():
        boards = [board_of(service, tmp_path, shared="news") for _ in range(20)]
        for _ in range(3):
            await ask(boards[0])
        seen = [await ask(board) for board in boards]
        await close(boards)
        return seen

    seen = run_virtual(main())

    assert seen == [errors.CircuitOpen] * 20
    assert len(service.calls) == 3


def test_without_sharing_each_finds_out_for_itself(tmp_path):
    """The same without a storage to share: everybody runs into it."""
    service = Service()

    async def main():
        boards = [board_of(service, tmp_path) for _ in range(20)]
        for _ in range(3):
            for board in boards:
                await ask(board)
        await close(boards)

    run_virtual(main())

    assert len(service.calls) == 60


def test_one_probes_and_all_recover(tmp_path):
    """After the outage a probe at a time passes, and its success opens the way."""
    service = Service()

    async def main():
        boards = [board_of(service, tmp_path, shared="news") for _ in range(5)]
        for _ in range(3):
            await ask(boards[0])
        for board in boards:
            await ask(board)
        await asyncio.sleep(30)
        probing = len(service.calls)
        await asyncio.gather(*(ask(board) for board in boards))
        probes = len(service.calls) - probing
        service.is_down = False
        await asyncio.sleep(31)
        seen = []
        for _ in range(3):
            await asyncio.sleep(2)
            seen = [await ask(board) for board in boards]
        await close(boards)
        return probes, seen

    probes, seen = run_virtual(main())

    assert probes == 1
    assert seen == ["hi"] * 5


def test_storage_that_is_locked_harms_no_call(tmp_path, monkeypatch):
    """A storage that answers with errors is left out of it."""
    service = Service()
    service.is_down = False

    async def fail(*_, **__):
        msg = "locked"
        raise errors.Timeout(msg)

    async def main():
        board = board_of(service, tmp_path, shared="news")
        store = board.provider("storage.news")
        for name in ("get", "set", "delete"):
            monkeypatch.setattr(store, name, fail)
        seen = await ask(board)
        await board.aclose()
        return seen

    assert run_virtual(main()) == "hi"


def test_misspelt_storage_is_an_error(tmp_path):
    """A storage to share that does not exist is named when the model is opened."""
    board = board_of(Service(), tmp_path, shared="nws")

    with pytest.raises(errors.SettingsError, match="Did you mean 'news'"):
        board.llm()


WORKER = """
import asyncio, sys
from pegboard import Pegboard, errors

async def main():
    policy = {"attempts": 1, "breaker": {"failures": 2, "shared": "news"}}
    fake = {"provider": "fake", "failures": ["Unavailable"] * 9, "policy": policy}
    given = {
        "llm": {"default": fake},
        "storage": {"news": {"provider": "sqlite", "path": sys.argv[1]}},
    }
    async with Pegboard.isolated(given) as board:
        for _ in range(3):
            try:
                await board.llm().complete("hi")
            except errors.CallError as error:
                print(type(error).__name__)

asyncio.run(main())
"""


def test_other_processes_learn_of_an_outage(tmp_path):
    """A process that starts during an outage does not call into it."""

    def worker():
        command = [sys.executable, "-c", WORKER, str(tmp_path / "news.db")]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        return run.stdout.split()

    assert worker() == ["Unavailable", "Unavailable", "CircuitOpen"]
    assert worker() == ["CircuitOpen"] * 3
