"""Prove that a piece of a program leaves nothing behind."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

LISTING = Path("/proc/self/fd")


@asynccontextmanager
async def no_leaks(*, patience: float = 2.0) -> AsyncGenerator[None, None]:
    """
    Assert that the block leaves no task, and no file or socket open.

    Tasks are those of the running loop. Files and sockets are those of the process,
    and are seen on Linux only. What is on its way out, such as the other end of a
    connection in another thread, gets *patience* real seconds; what is gone sooner
    is not waited for.

    Raises:
        AssertionError: Something is left over; the message lists it.

    """
    tasks, files = asyncio.all_tasks(), open_files()
    yield
    ends = time.monotonic() + patience
    while left := _new_tasks(tasks) + _new_files(files):
        if time.monotonic() > ends:
            raise AssertionError("Left behind:\n" + "\n".join(left))
        await asyncio.sleep(0)
        _let_other_threads_run()


def open_files() -> dict[str, str]:
    """Return what each file descriptor of this process stands for."""
    found = {}
    for descriptor in list(LISTING.iterdir()) if LISTING.exists() else ():
        with suppress(FileNotFoundError):  # closed since, as is the listing's own
            found[descriptor.name] = str(descriptor.readlink())
    return found


def _new_tasks(before: set[asyncio.Task[object]]) -> list[str]:
    after = asyncio.all_tasks() - before - {asyncio.current_task()}
    return [repr(task) for task in after]


def _new_files(before: dict[str, str]) -> list[str]:
    return [
        f"file descriptor {number}: {target}"
        for number, target in open_files().items()
        if before.get(number) != target
    ]


def _let_other_threads_run() -> None:
    time.sleep(0.001)
