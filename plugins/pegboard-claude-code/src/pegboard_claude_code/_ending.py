"""How a process of Claude Code is brought to its end, with all that it started."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TIE = "setpriv"
"""The program of Linux that has a process end with the one that started it."""


def tied(command: tuple[str, ...]) -> tuple[str, ...]:
    """
    Return *command* such that it ends when this process is killed, where that is known.

    Claude Code alone would notice only once it has an answer to print.
    """
    found = shutil.which(TIE)
    # A BusyBox of that name cannot do it.
    if found is None or Path(found).resolve().name != TIE:
        return command
    return (found, "--pdeathsig", "TERM", "--", *command)


def kill_all(pid: int) -> None:
    """Kill the process *pid*, which leads a group, and what it has started."""
    if not hasattr(os, "killpg"):
        _signal(pid, signal.SIGTERM)
        return
    _signal(pid, signal.SIGSTOP)  # or it could start more
    # Commands of tools lead groups of their own.
    for group in [*_descendants(pid), pid]:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def _descendants(pid: int) -> Iterator[int]:
    """Yield the processes below *pid*, on systems that list them."""
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, listing.read_text().split()):
                yield from _descendants(child)
                yield child


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
