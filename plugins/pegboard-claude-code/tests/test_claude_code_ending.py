"""How processes end that are not of Claude Code, so that each case can be made."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from pegboard_claude_code._ending import kill_all, tied

COMMAND = ("claude", "--flag")
NESTED = "setsid sh -c 'setsid sleep 1000 & echo $!; wait' & wait"
"""A shell with a shell with a program, each in a session of its own."""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the only programs that are found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_a_process_is_tied_where_the_system_can(programs: Path) -> None:
    """The program that does it comes first, and the command is untouched."""
    real = programs / "setpriv"
    shutil.copy("/bin/true", real)

    assert tied(COMMAND) == (str(real), "--pdeathsig", "TERM", "--", *COMMAND)


def test_a_process_is_not_tied_without_the_program(programs: Path) -> None:
    """It is started all the same."""
    assert list(programs.iterdir()) == []
    assert tied(COMMAND) == COMMAND


def test_a_busybox_is_not_asked(programs: Path) -> None:
    """It has the name and not the ability."""
    shutil.copy("/bin/true", programs / "busybox")
    programs.joinpath("setpriv").symlink_to("busybox")

    assert tied(COMMAND) == COMMAND


async def test_all_that_was_started_is_killed() -> None:
    """However deep, and whatever group or session it made for itself."""
    shell = await asyncio.create_subprocess_exec(
        *("sh", "-c", NESTED), stdout=PIPE, start_new_session=True
    )
    assert shell.stdout is not None
    sleeper = int(await shell.stdout.readline())
    assert _is_running(sleeper)

    kill_all(shell.pid)

    assert await shell.wait() == -signal.SIGKILL
    assert await shell.stdout.read() == b""  # the last one that holds it is gone
    assert not _is_running(sleeper)


async def test_what_is_gone_is_no_error() -> None:
    """A process may end by itself just before it is killed."""
    process = await asyncio.create_subprocess_exec("true", start_new_session=True)
    await process.wait()

    kill_all(process.pid)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
