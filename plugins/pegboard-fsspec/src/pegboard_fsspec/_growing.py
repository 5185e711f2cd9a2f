"""A file that is being written, where nobody looks for it."""

from __future__ import annotations

from contextlib import suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import hashlib

    from pegboard.contracts.blobs import Buffer

    from ._file_system import FileSystem
    from ._lanes import Lane


class Growing:
    """A new file, made when it is first written to, in the thread of its lane."""

    def __init__(self, lane: Lane, *, digest: hashlib._Hash | None = None) -> None:
        self.lane = lane
        self.path: str | None = None
        self.size = 0
        self._digest = digest
        self._file: IO[bytes] | None = None

    async def add(self, piece: Buffer) -> None:
        """Add *piece* to the content."""
        await self.lane.run(self._add, piece)

    async def finish(self, trailer: bytes = b"") -> None:
        """Add *trailer*, which is no content, and close the file."""
        await self.lane.run(self._finish, trailer)

    def rename(self, system: FileSystem, path: str) -> None:
        """Put the file in its place, *path*. Call it in the thread."""
        assert self.path is not None  # noqa: S101 - it was finished
        system.rename(self.path, path)
        self.path = None

    def discard(self) -> None:
        """Leave nothing of it, unless it is in its place by now. Does not wait."""
        with suppress(ConnectionResetError):  # a file is left where nobody looks
            self.lane.begin(self._discard)

    def _add(self, system: FileSystem, piece: Buffer) -> None:
        whole = piece if isinstance(piece, bytes) else bytes(piece)
        self._opened(system).write(whole)
        if self._digest is not None:
            self._digest.update(whole)
        self.size += len(whole)

    def _finish(self, system: FileSystem, trailer: bytes) -> None:
        file = self._opened(system)
        if trailer:
            file.write(trailer)
        file.close()

    def _discard(self, system: FileSystem) -> None:
        if self._file is not None:
            with suppress(Exception):  # what it says does not matter any more
                self._file.close()
        if self.path is not None:
            system.remove_file(self.path)

    def _opened(self, system: FileSystem) -> IO[bytes]:
        if self._file is None:
            self.path = system.new_place()
            self._file = system.create(self.path)
        return self._file
