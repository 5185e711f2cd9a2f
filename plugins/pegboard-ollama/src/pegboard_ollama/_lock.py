"""A lock that one process of the machine holds at a time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from pegboard.errors import CallError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

BETWEEN_TRIES = 0.2
"""Seconds. A lock of the operating system goes with its process, but calls nobody."""


@asynccontextmanager
async def alone(path: Path, wait: Callable[[], None]) -> AsyncGenerator[None]:
    """
    Hold the lock at *path*; call *wait* each time that another one has it.

    Raises:
        CallError: There can be no file at *path*.

    """
    lock = FileLock(path)
    while not _taken(lock, path):
        wait()
        await asyncio.sleep(BETWEEN_TRIES)
    try:
        yield
    finally:
        lock.release()


def _taken(lock: FileLock, path: Path) -> bool:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        return False
    except OSError as error:
        msg = (
            f"Nothing was pulled, because {path} cannot be locked: {error}. "
            "Set data_folder to a folder that can be written to."
        )
        raise CallError(msg, request_sent="no") from error
    return True
