"""A process of Claude Code that can always be killed, with all that it started."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import weakref
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from claude_agent_sdk import (
    CLIConnectionError,
    CLIJSONDecodeError,
    CLINotFoundError,
    ProcessError,
    Transport,
)

from ._ending import kill_all, tied
from ._errors import not_started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import IO

    from ._launch import Launch

LONGEST_LINE = 64 * 2**20
"""Bytes that one message of Claude Code may have."""
GRACE = 2.0
"""Seconds that a killed process may take to be gone."""
LAST_WORDS = 2000
"""Bytes of its complaints that are told when it fails."""


class ClaudeCodeProcess(Transport):
    """
    What the SDK speaks through.

    The SDK's own transport hands the whole environment of this process on, and waits
    for seconds before it ends a process. This one hands on what the launch says, and
    kills: with the process dies what its tools have started, and if this object is
    forgotten, or the program ends, so does the process.
    """

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._process: Process | None = None
        self._files = ExitStack()
        self._complaints: IO[bytes] | None = None
        self._reaper: weakref.finalize[..., Any] | None = None
        self._is_closed = False

    async def connect(self) -> None:
        """Start the process."""
        self._check_place()
        self._complaints = self._new_file()
        try:
            self._process = process = await self._start(self._complaints)
        except OSError as error:
            msg = f"{self._launch.command[0]} cannot be started: {error.strerror}"
            raise CLIConnectionError(msg) from error
        self._reaper = weakref.finalize(self, kill_all, process.pid)
        if self._is_closed:
            await self.close()
            msg = "The process was closed while it started"
            raise CLIConnectionError(msg)

    async def write(self, data: str) -> None:
        """Tell the process something."""
        stdin = self._process.stdin if self._process else None
        if stdin is None or not self.is_ready():
            msg = "Claude Code is not running"
            raise CLIConnectionError(msg)
        try:
            stdin.write(data.encode())
            await stdin.drain()
        except OSError as error:
            msg = f"Claude Code does not listen: {error}"
            raise CLIConnectionError(msg) from error

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what the process says, until it ends."""
        process = self._process
        if process is None or process.stdout is None:
            msg = "Claude Code is not running"
            raise CLIConnectionError(msg)
        while line := await _next_line(process.stdout):
            # Some builds print remarks between the messages.
            if line.startswith(b"{"):
                yield _parsed(line)
        await self._check_end(process)

    async def end_input(self) -> None:
        """Let the process end once it has said everything."""
        if self._process and self._process.stdin:
            self._process.stdin.close()

    def is_ready(self) -> bool:
        """Return whether the process can be told something."""
        process = self._process
        running = process is not None and process.returncode is None
        return running and not self._is_closed

    def kill(self) -> None:
        """End the process and its children, at once and without waiting."""
        self._is_closed = True
        if self._reaper is not None:
            self._reaper()

    async def close(self) -> None:
        """Kill the process, and wait until it and its pipes are gone."""
        self.kill()
        process, self._process = self._process, None
        with self._files:
            if process is not None:
                await _gone(process)

    def _new_file(self) -> IO[bytes]:
        return self._files.enter_context(TemporaryFile())

    async def _start(self, complaints: IO[bytes]) -> Process:
        flags, files = self._instructions()
        return await asyncio.create_subprocess_exec(
            *tied((*self._launch.command, *flags)),
            pass_fds=files,
            stdin=PIPE,
            stdout=PIPE,
            stderr=complaints,
            cwd=self._launch.cwd,
            env=dict(self._launch.environment),
            start_new_session=True,
            limit=LONGEST_LINE,
        )

    def _instructions(self) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Return the flags that tell the instructions, and the files they name."""
        if self._launch.instructions is None:
            return (), ()
        flag, words = self._launch.instructions
        file = self._new_file()
        file.write(words.encode())
        file.seek(0)
        return (f"{flag}=/dev/fd/{file.fileno()}",), (file.fileno(),)

    async def _check_end(self, process: Process) -> None:
        code = await process.wait()
        if self._reaper is not None:
            self._reaper()
        if code and not self._is_closed:
            msg = "Claude Code failed"
            raise ProcessError(msg, exit_code=code, stderr=self._last_words())

    def _last_words(self) -> str:
        if self._complaints is None or self._complaints.closed:
            return ""
        end = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, end - LAST_WORDS))
        return self._complaints.read().decode(errors="replace").strip()

    def _check_place(self) -> None:
        """Tell what is not there, which the system would tell less clearly."""
        program, cwd = self._launch.command[0], self._launch.cwd
        if shutil.which(program) is None:
            raise CLINotFoundError(cli_path=program)
        if not cwd.is_dir():
            msg = f"There is no folder {cwd}"
            raise CLIConnectionError(msg)


async def version(program: str) -> str:
    """
    Return what *program* calls its version.

    Raises:
        NotFound: It is not there.
        Unavailable: It cannot be started, or fails.

    """
    process = None
    try:
        process = await asyncio.create_subprocess_exec(
            *(program, "--version"), stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env={}
        )
        told, _ = await process.communicate()
    except OSError as error:
        raise not_started(error) from error
    finally:
        if process is not None and process.returncode is None:
            process.kill()
    if process.returncode:
        raise not_started(ProcessError("it failed", exit_code=process.returncode))
    return told.decode(errors="replace").strip()


async def _gone(process: Process) -> None:
    """Wait until *process*, which was killed, has ended and its pipes are closed."""
    try:
        async with asyncio.timeout(GRACE):
            await process.communicate()
    except TimeoutError:
        # Somebody who slipped away has inherited a pipe; there is no public way.
        process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001


async def _next_line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readline()
    except ValueError as error:
        msg = f"a message of more than {LONGEST_LINE} bytes"
        raise CLIJSONDecodeError(msg, error) from error


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        message: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise CLIJSONDecodeError(line.decode(errors="replace"), error) from error
    return message
