"""No process outlives its use: real processes of Claude Code, counted in /proc."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from pegboard import ChatRequest, Message, Pegboard, TextDelta
from pegboard.errors import CallError, DeadlineExceeded
from pegboard.testing import anthropic_wire as wire
from pegboard.testing.fault_server import Fault, FaultServer, Scripted
from pegboard_claude_code._launch import Launch
from pegboard_claude_code._model import ClaudeCodeModel
from pegboard_claude_code._process import ClaudeCodeProcess

OpenModel = Callable[..., ClaudeCodeModel]
OpenBoard = Callable[..., Pegboard]
Running = Callable[[], set[int]]

HANGS = Scripted(before=Fault.HANG)
BEGINS = Scripted.events(*wire.message_stream("Hel", "lo.")).broken_at(4, Fault.HANG)
PATIENCE = 20.0
"""Seconds after which something that was to happen has not."""
PROGRAM = """
import asyncio, sys
from pegboard import Pegboard

async def main():
    settings = {{
        "provider": "claude-code",
        "model": "claude-sonnet-4-5",
        "base_url": sys.argv[1],
        "api_key": "k",
    }}
    board = Pegboard.isolated({{"llm": {{"default": settings}}}})
    {call}

{run}
"""


async def until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, "It never came to be."
        await asyncio.sleep(0.01)


async def test_a_cancelled_call_kills_its_process(
    open_model: OpenModel, server: FaultServer, hello: ChatRequest, running: Running
) -> None:
    """The process is gone once the cancellation is through, and so is its request."""
    server.respond(HANGS)
    call = asyncio.ensure_future(open_model().complete(hello))
    request = await server.next_request()
    assert len(running()) == 1

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert running() == set()
    await request.left.wait()


async def test_a_cancelled_start_kills_its_process(
    open_model: OpenModel, hello: ChatRequest, running: Running
) -> None:
    """A process that nobody waits for does not come to be."""
    call = asyncio.ensure_future(open_model().complete(hello))
    await until(lambda: bool(running()))

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert running() == set()


async def test_the_deadline_kills_the_process(
    open_board: OpenBoard, server: FaultServer, running: Running
) -> None:
    """Nothing goes on behind the back of who was told that time is over."""
    server.respond(HANGS)
    board = open_board(policy={"deadline": 3})

    with pytest.raises(DeadlineExceeded):
        await board.llm().complete("Hello?")

    assert running() == set()


async def test_a_left_stream_kills_its_process(
    open_model: OpenModel, server: FaultServer, hello: ChatRequest, running: Running
) -> None:
    """Who leaves in the middle has the rest not written."""
    server.respond(BEGINS)
    async with aclosing(open_model().stream(hello)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break

    assert running() == set()
    await server.all_left()


async def test_closing_kills_processes_at_work(
    open_model: OpenModel, server: FaultServer, hello: ChatRequest, running: Running
) -> None:
    """A call that is under way when the board closes fails, and says so."""
    server.respond(HANGS)
    model = open_model()
    call = asyncio.ensure_future(model.complete(hello))
    await server.next_request()

    await model.aclose()

    assert running() == set()
    with pytest.raises(CallError):
        await call


async def test_closing_kills_idle_processes(
    open_model: OpenModel, hello: ChatRequest, running: Running
) -> None:
    """A process waits for the conversation to go on, and not after the board."""
    model = open_model()
    await model.complete(hello)
    assert len(running()) == 1

    await model.aclose()

    assert running() == set()


async def test_an_idle_process_ends(
    open_model: OpenModel, hello: ChatRequest, running: Running
) -> None:
    """Memory is not held for ever."""
    model = open_model(idle=0.01)
    await model.complete(hello)

    await until(lambda: running() == set())


async def test_a_process_that_died_is_replaced(
    open_board: OpenBoard, running: Running
) -> None:
    """Whoever killed it, the conversation goes on in another one."""
    llm = open_board().llm()
    first = await llm.complete("Hello?")
    (victim,) = running()
    os.kill(victim, signal.SIGKILL)
    turns = [Message.of("user", "Hello?"), first.message, Message.of("user", "Well?")]

    reply = await llm.complete(turns)

    assert reply.text == "Hello."
    assert len(running() - {victim}) == 1


async def test_a_process_that_dies_at_work_is_an_error(
    open_model: OpenModel, server: FaultServer, hello: ChatRequest, running: Running
) -> None:
    """The call does not wait for an answer that cannot come."""
    server.respond(HANGS)
    call = asyncio.ensure_future(open_model().complete(hello))
    await server.next_request()

    os.kill(*running(), signal.SIGKILL)

    with pytest.raises(CallError, match="Claude Code"):
        await call


def test_a_loop_that_ends_takes_its_processes_along(
    folder: Path, running: Running
) -> None:
    """Each asyncio.run leaves nothing, though nobody closed the board."""
    assert folder

    async def ask() -> None:
        async with FaultServer(
            otherwise=Scripted.events(*wire.message_stream("Hi"))
        ) as server:
            settings = {
                "provider": "claude-code",
                "base_url": server.url,
                "api_key": "k",
            }
            board = Pegboard.isolated({"llm": {"default": settings}})
            await board.llm().complete("Hello?")
            assert len(running()) == 1

    asyncio.run(ask())

    assert running() == set()


async def test_what_tools_started_dies_too(
    open_model: OpenModel, server: FaultServer, tmp_path: Path
) -> None:
    """A command that is still running does not go on without its process."""
    mark = tmp_path / "pid"
    command = f"echo $$ > {mark}; exec sleep 1000"
    arguments = f'{{"command": "{command}"}}'
    server.respond(
        Scripted.events(
            wire.message_start(),
            *wire.tool_use_block("Bash", arguments),
            *wire.message_end("tool_use"),
        )
    )
    model = open_model(
        tools=["Bash"],
        permission_mode="bypassPermissions",
        environment={"IS_SANDBOX": "1"},
        cwd=tmp_path,
    )
    request = ChatRequest(messages=(Message.of("user", "Sleep."),))
    call = asyncio.ensure_future(model.complete(request))
    await until(lambda: call.done() or (mark.exists() and bool(mark.read_text())))
    assert not call.done(), call
    sleeper = Path("/proc") / mark.read_text().strip()
    assert sleeper.exists()

    call.cancel()
    await asyncio.wait([call])

    await until(lambda: not sleeper.exists() or " Z " in _stat(sleeper))


def _stat(process: Path) -> str:
    try:
        return process.joinpath("stat").read_text()
    except OSError:
        return " Z "


@pytest.mark.parametrize(
    ("call", "run", "ends_by"),
    [
        ("await board.llm().complete('Hi')", "asyncio.run(main())", "SIGKILL"),
        (
            "await board.llm().complete('Hi'); print('done', flush=True)",
            "asyncio.new_event_loop().run_until_complete(main())",
            "itself",
        ),
    ],
    ids=["killed at work", "ended without closing"],
)
async def test_a_program_takes_its_processes_along(
    server: FaultServer,
    call: str,
    run: str,
    ends_by: str,
    tmp_path: Path,
    inside: Running,
) -> None:
    """However a program ends, Claude Code does not go on without it."""
    if ends_by == "SIGKILL":
        server.respond(HANGS)
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-c", PROGRAM.format(call=call, run=run)),
        server.url,
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    await server.next_request()
    if ends_by == "SIGKILL":
        assert inside()
        program.kill()
    await program.wait()

    await until(lambda: inside() == set())


async def test_a_forgotten_process_is_killed(tmp_path: Path) -> None:
    """Not even an object that nobody closes leaves a process behind."""
    launch = Launch(("sleep", "1000"), tmp_path, (("PATH", os.environ["PATH"]),))
    process = ClaudeCodeProcess(launch)
    await process.connect()
    inner, complaints = process._process, process._complaints
    assert inner is not None
    assert complaints is not None

    del process
    gc.collect()

    assert await inner.wait() == -signal.SIGKILL
    await inner.communicate()
    complaints.close()


async def test_closed_while_it_starts(tmp_path: Path) -> None:
    """Who is closed before there is a process has none afterwards."""
    launch = Launch(("sleep", "1000"), tmp_path, (("PATH", os.environ["PATH"]),))
    process = ClaudeCodeProcess(launch)
    process.kill()

    with pytest.raises(Exception, match="closed while it started"):
        await process.connect()

    assert not process.is_ready()


async def test_closing_waits_for_nobody_who_slipped_away(tmp_path: Path) -> None:
    """A daemon that has inherited a pipe does not hold up the end."""
    script = "(setsid sleep 1000 & echo $! > pid); exec sleep 1000"
    path = (("PATH", os.environ["PATH"]),)
    process = ClaudeCodeProcess(Launch(("sh", "-c", script), tmp_path, path))
    await process.connect()
    mark = tmp_path / "pid"
    await until(lambda: mark.exists() and bool(mark.read_text().strip()))

    await process.close()

    assert not process.is_ready()
    os.kill(int(mark.read_text()), signal.SIGKILL)
