"""What is asked of a file system, in the same words whichever it is."""

from __future__ import annotations

import socket
from contextlib import suppress
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from fsspec import AbstractFileSystem  # type: ignore[import-untyped]  # no types
from fsspec.core import url_to_fs  # type: ignore[import-untyped]  # as above
from pegboard.contracts.files import OWN
from pegboard.contracts.key_value import new_version
from pegboard.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .options import FsspecOptions

TIMES = ("mtime", "modified", "LastModified", "created")
"""What file systems call the time of a change."""
TRIES = 5
PIECE = 512 * 1024
"""Bytes that are read at once: some libraries have them in memory twice."""
ABSENT = (FileNotFoundError, NotADirectoryError)


class FileSystem:
    """A file system below a folder of it. One thread uses it."""

    def __init__(self, options: FsspecOptions) -> None:
        self._fs: Any
        try:
            self._fs, root = url_to_fs(
                options.url, skip_instance_cache=True, **options.all_options
            )
        except (TypeError, ValueError) as error:
            msg = f"{options.url} cannot be used with these options: {error}."
            raise InvalidRequest(msg, request_sent="no") from error
        self._root = root
        _send_at_once(self._fs)
        self._copies = type(self._fs).mv is AbstractFileSystem.mv

    def close(self) -> None:
        """Close the connection, where there is one."""
        for name in ("client", "ftp"):
            close = getattr(getattr(self._fs, name, None), "close", None)
            if callable(close):
                with suppress(Exception):
                    close()

    def is_connected(self) -> bool:
        """Return whether it is not known to have lost its connection."""
        transport = _transport(self._fs)
        return transport is None or transport.is_active()

    def check(self) -> None:
        """Make the folder if it is missing."""
        self.make_folder("")

    def info(self, path: str) -> dict[str, Any] | None:
        """Return what is said of *path*, or None if there is nothing."""
        self._fs.invalidate_cache()
        try:
            info: dict[str, Any] = self._fs.info(self._at(path))
        except ABSENT:
            return None
        return info

    def is_folder(self, path: str) -> bool:
        """Return whether there is a folder *path*."""
        info = self.info(path)
        return info is not None and info["type"] == "directory"

    def entries(self, folder: str) -> Sequence[dict[str, Any]]:
        """Return what is said of all that is in *folder*, by name."""
        self._fs.invalidate_cache()
        at = self._at(folder)
        listed = self._fs.ls(at, detail=True)
        for entry in listed:
            entry["name"] = entry["name"].rstrip("/").rpartition("/")[2]
        return [entry for entry in listed if entry["name"]]

    def names(self, folder: str) -> Sequence[str]:
        """Return the names in *folder*; none if it is not there."""
        try:
            return [entry["name"] for entry in self.entries(folder)]
        except ABSENT:
            return []

    def make_folder(self, path: str) -> None:
        """Make the folder *path*, and those on the way, where they are missing."""
        for left in reversed(range(TRIES)):
            if self.is_folder(path):
                return
            try:
                self._fs.makedirs(self._at(path), exist_ok=True)
            except OSError:  # others may have made one of them in between
                if not left:
                    raise

    def new_place(self) -> str:
        """Return a path that is nobody else's, where nobody looks."""
        self.make_folder(f"{OWN}/incoming")
        return f"{OWN}/incoming/{new_version()}"

    def rename(self, old: str, new: str) -> None:
        """
        Give *old* the path *new*, in a folder that is there, in place of any file.

        Where the file system cannot, files are copied one by one.
        """
        if not self._copies:
            self._fs.mv(self._at(old), self._at(new))
        elif self.is_folder(old):
            self._rename_one_by_one(old, new)
        else:
            self._fs.cp_file(self._at(old), self._at(new))
            self._fs.rm_file(self._at(old))

    def _rename_one_by_one(self, old: str, new: str) -> None:
        self.make_folder(new)
        for entry in self.entries(old):
            self.rename(f"{old}/{entry['name']}", f"{new}/{entry['name']}")
        self.remove_folder(old)

    def remove_file(self, path: str) -> None:
        """Remove the file *path*, if it is there."""
        with suppress(*ABSENT):
            self._fs.rm_file(self._at(path))

    def remove_folder(self, path: str) -> None:
        """Remove the folder *path*, which is empty."""
        with suppress(*ABSENT):
            self._fs.rmdir(self._at(path))

    def remove_all(self, path: str) -> None:
        """Remove *path* with all that is in it."""
        for entry in self.entries(path):
            inside = f"{path}/{entry['name']}"
            if entry["type"] == "directory":
                self.remove_all(inside)
            else:
                self.remove_file(inside)
        self.remove_folder(path)

    def create(self, path: str) -> IO[bytes]:
        """Return the new file *path*, open for writing."""
        file: IO[bytes] = self._fs.open(self._at(path), "wb")
        if hasattr(file, "set_pipelined"):  # or each 32 KiB wait for an answer
            file.set_pipelined(True)
        return file

    def open(self, path: str) -> IO[bytes]:
        """Return the file *path*, open for reading."""
        file: IO[bytes] = self._fs.open(self._at(path), "rb")
        return file

    def read_at(self, file: IO[bytes], start: int, size: int) -> bytes:
        """
        Return *size* bytes of *file* from *start*, or fewer if it has no more.

        Raises:
            ConnectionResetError: The connection is lost, which some libraries take for
                the end of the file.

        """
        file.seek(start)
        pieces = []
        while size and (piece := file.read(size)):
            pieces.append(bytes(piece))
            size -= len(piece)
        if size:
            self._ask(file)
        return b"".join(pieces)

    def _ask(self, file: IO[bytes]) -> None:
        """Raise if the connection is lost: it may not be known before one asks."""
        stat = getattr(file, "stat", bool)  # what is over SSH has one
        try:
            stat()
        except (EOFError, OSError) as error:
            msg = "the connection was lost while a file was read"
            raise ConnectionResetError(msg) from error

    def _at(self, path: str) -> str:
        lead = f"{self._root.rstrip('/')}/" if self._root else ""
        return lead + path if path else self._root


def _send_at_once(fs: Any) -> None:
    """Have the end of each request sent at once: SSH waits 40 ms with it otherwise."""
    if transport := _transport(fs):
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _transport(fs: Any) -> Any:
    """Return the connection of *fs*, if it is one over SSH."""
    find = getattr(getattr(fs, "client", None), "get_transport", None)
    return find and find()


def size_of(file: IO[bytes]) -> int:
    """Return how many bytes are in *file*."""
    file.seek(0, 2)  # which not all of them answer
    return file.tell()


def changed_at(info: dict[str, Any]) -> float:
    """Return when a file was changed, in seconds since 1970; 0 if nobody knows."""
    found = next((info[name] for name in TIMES if info.get(name) is not None), 0)
    return found.timestamp() if isinstance(found, datetime) else float(found)
