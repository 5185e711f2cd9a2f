"""Where files grow, and folders go, that nobody is to see."""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pegboard.contracts.key_value import new_version

from ._growing_file import GrowingFile

if TYPE_CHECKING:
    from pathlib import Path

ABANDONED_AFTER = 24 * 3600
"""Seconds since anything was added to an incoming file: its writer is gone."""


class Incoming:
    """A folder beside what is stored, from where a renaming puts files in place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_ready = False

    def prepare(self) -> None:
        """Make the folder, and remove what writers that were killed left behind."""
        if self._is_ready and self._path.is_dir():
            return
        self._path.mkdir(parents=True, exist_ok=True)
        for left in self._path.iterdir():
            with suppress(FileNotFoundError):  # its writer was faster
                if left.lstat().st_mtime < time.time() - ABANDONED_AFTER:
                    _remove(left)
        self._is_ready = True

    def place(self) -> Path:
        """Return a path in it that is nobody else's. Does no I/O."""
        return self._path / new_version()

    def file(self) -> GrowingFile:
        """Return a file to write to. Does no I/O."""
        return GrowingFile(self.place())


def sync_folders(path: Path, root: Path) -> None:
    """Have what was renamed to *path*, or removed there, survive a power cut."""
    if sys.platform == "win32":
        return
    for folder in path.parents:
        with suppress(FileNotFoundError):  # deleted since, with the last in it
            _sync(folder)
        if folder == root:
            return


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
