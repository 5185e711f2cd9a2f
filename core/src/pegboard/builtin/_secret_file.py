"""Secrets as files of a folder: read as they are mounted, written for one user."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pegboard import errors

_FAILURES: Mapping[type[OSError], tuple[type[errors.CallError], str]] = {
    FileNotFoundError: (errors.NotFound, "does not exist"),
    NotADirectoryError: (errors.NotFound, "does not exist"),
    IsADirectoryError: (errors.NotFound, "is a folder"),
    PermissionError: (errors.PermissionDenied, "may not be used by this user"),
}
_OTHER_FAILURE = (errors.Unavailable, "cannot be used now")


def look_into(folder: Path) -> None:
    """Make sure that *folder* can be listed."""
    with _told(f"The folder of secrets {str(folder)!r}"):
        next(folder.iterdir(), None)


def names(folder: Path) -> list[str]:
    """Return the names of all files in *folder*, those that links lead to included."""
    with _told(f"The folder of secrets {str(folder)!r}"):
        return [path.name for path in folder.iterdir() if path.is_file()]


def read(path: Path) -> str:
    """Return the secret that the file at *path* holds."""
    with _told(f"The secret file {str(path)!r}"):
        content = path.read_bytes()
    text = _decoded(content)
    if text is None:
        msg = f"The secret file {str(path)!r} is not UTF-8 text."
        raise errors.InvalidReply(msg, request_sent="no")
    if not text:
        msg = f"The secret file {str(path)!r} is empty."
        raise errors.NotFound(msg, request_sent="no")
    return text


def write(path: Path, secret: str) -> None:
    """
    Put *secret* into the file at *path*, which nobody else may read.

    It appears whole or not at all, also if the machine stops in the middle: it is
    written beside, under a name that no secret can have, and then put in its place.
    """
    content = (secret + _end_for(secret)).encode()
    with _told(f"The secret file {str(path)!r}"):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, beside = tempfile.mkstemp(prefix="~", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def remove(path: Path) -> None:
    """Remove the file at *path*, if there is one."""
    with _told(f"The secret file {str(path)!r}"):
        path.unlink(missing_ok=True)


def _decoded(content: bytes) -> str | None:
    """Return *content* as text, or None: the error would show the secret."""
    try:
        return content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        return None


def _end_for(secret: str) -> str:
    """Return the line end to put behind *secret* where reading would take its own."""
    return {"\r": "\r\n", "\n": "\n"}.get(secret[-1], "")


def _sync_folder(folder: Path) -> None:
    """Have the file's new name survive a crash, where folders can be synced."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn an error of the system into ours, which says *what* it is about."""
    try:
        yield
    except OSError as error:
        kind, how = _FAILURES.get(type(error), _OTHER_FAILURE)
        msg = f"{what} {how} ({error.strerror})."
        raise kind(msg, request_sent="no") from error
