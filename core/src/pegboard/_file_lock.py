"""A lock that the processes of a machine share by a file."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from ._waiting import wait_for
from .errors import PermissionDenied, Timeout, Unavailable

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


@asynccontextmanager
async def file_lock(path: str | Path, *, wait: float = 30.0) -> AsyncGenerator[None]:
    """
    Hold the lock of the file *path* in an ``async with`` block.

    It keeps out other processes, other threads and other tasks. The system gives it
    back when the process ends, however that happens. Nobody blocks a thread while
    waiting, and who is cancelled holds nothing. The file is made if there is none, and
    is left where it is: a lock on a file that is deleted would lock nothing.

    Raises:
        Timeout: Others held it for *wait* seconds.
        PermissionDenied: The file may not be written.
        Unavailable: It cannot be opened.

    """

    async def attempt() -> bool | None:
        return _try_to_lock(descriptor)

    descriptor = _open(Path(path))
    try:  # closing the file gives the lock back, at once and without waiting
        if not await wait_for(attempt, wait):
            msg = f"Others held the lock {str(path)!r} for {wait:g} s. Wait longer."
            raise Timeout(msg, request_sent="no")
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        kind = PermissionDenied if isinstance(error, PermissionError) else Unavailable
        msg = f"The lock {str(path)!r} cannot be opened: {error.strerror}."
        raise kind(msg, request_sent="no") from error


def _try_to_lock(descriptor: int) -> bool | None:
    """Return True if the lock is held now, None if others hold it."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return None
    return True
