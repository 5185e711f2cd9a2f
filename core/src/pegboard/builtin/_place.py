"""Where a path leads below a root: links are followed, but never out of it."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from pegboard.contracts.files import OWN
from pegboard.errors import InvalidRequest, PermissionDenied

from ._data_folder import make_ignored
from ._growing_file import BINARY

# Not through a link that was made since it was looked at, and without waiting for
# the other end of a pipe.
READ = (
    os.O_RDONLY | BINARY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
)


class Root:
    """A folder out of which no path leads."""

    def __init__(self, path: Path, data_folder: Path) -> None:
        self.path = path
        self._data_folder = data_folder if data_folder in path.parents else None

    def make(self) -> None:
        """Make the folder if it is missing."""
        if self.path.is_dir():
            return
        if self._data_folder is not None:
            make_ignored(self._data_folder)
        self.path.mkdir(parents=True, exist_ok=True)

    def place(self, path: str) -> Path:
        """
        Return where *path* leads, all links followed.

        Raises:
            PermissionDenied: A link leads out.

        """
        place = str(self.path)
        for name in path.split("/") if path else ():
            place = os.path.join(place, name)  # noqa: PTH118 - ten times as fast
            mode = _mode(place)
            if mode is None:
                break
            if stat.S_ISLNK(mode):
                return self._followed(path)
        return self.path / path

    def own_place(self, path: str) -> Path:
        """Return where *path* itself is, and not where it leads if it is a link."""
        folder, _, name = path.rpartition("/")
        return self.place(folder) / name

    def open(self, path: str) -> int:
        """Return the descriptor of the file *path*, open for reading."""
        place = self.place(path)
        try:
            descriptor = os.open(place, READ)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _leads_out(path) from error
            raise
        try:
            _check_file(path, os.fstat(descriptor).st_mode)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _followed(self, path: str) -> Path:
        root = os.path.realpath(self.path)
        real = os.path.realpath(self.path / path)
        inside = os.path.commonpath([root, real]) == root
        if not inside or Path(real).relative_to(root).parts[:1] == (OWN,):
            raise _leads_out(path)
        return Path(real)


def _mode(place: str) -> int | None:
    """Return what is at *place*, as the machine says it; None of nothing."""
    with suppress(FileNotFoundError, NotADirectoryError):
        return os.lstat(place).st_mode
    return None


def _check_file(path: str, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        msg = f"{path!r} is no file, but a device or the like."
        raise InvalidRequest(msg)


def _leads_out(path: str) -> PermissionDenied:
    return PermissionDenied(
        f"A link on the way to {path!r} leads out of the folder. Only what is in it "
        "can be used; copy it there."
    )
