"""A file with one blob: its content, then what is said of it, then how long that is."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, NamedTuple

from pegboard.contracts.blob_trailer import OFTEN_ENOUGH, blob_of, needed, trailer_of
from pegboard.contracts.blobs import CHUNK, damaged

from ._growing_file import BINARY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pegboard.contracts.blobs import Blob, Buffer

    from ._growing_file import GrowingFile


class IncomingBlob:
    """A blob whose file grows."""

    def __init__(self, file: GrowingFile) -> None:
        self.file = file
        self.size = 0
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The digest of what was written."""
        return self._digest.hexdigest()

    def write(self, piece: Buffer) -> None:
        """Add *piece* to the content."""
        self.file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)

    def finish(self, blob: Blob, *, sync: bool) -> None:
        """Add what is said of the blob; with *sync*, have it survive a power cut."""
        self.file.write(trailer_of(blob))
        if sync:
            os.fsync(self.file.opened())
        self.file.close()


class Slice(NamedTuple):
    """Which bytes of a blob to read."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """How many they are."""
        return max(0, self.end - self.start)


class StoredFile:
    """A file with a blob, open for reading."""

    def __init__(self, path: str | Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | BINARY)
        try:
            self.blob = self._said(path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def slice(self, start: int, end: int | None) -> Slice:
        """Return the bytes from *start* up to *end* that there are."""
        size = self.blob.size
        return Slice(start, size if end is None else min(end, size))

    def pieces(self, which: Slice, most: int = CHUNK) -> Iterator[bytes]:
        """Yield the bytes of *which*, at most so many at once, the digest compared."""
        digest = hashlib.sha256() if which == (0, self.blob.size) else None
        left = which.size
        os.lseek(self._descriptor, which.start, os.SEEK_SET)
        while left:
            piece = self._read(min(most, left))
            left -= len(piece)
            if digest:
                digest.update(piece)
            if digest and not left and digest.hexdigest() != self.blob.sha256:
                raise damaged(self.blob.key)
            yield piece

    def _read(self, size: int) -> bytes:
        piece = os.read(self._descriptor, size)
        if not piece:
            raise damaged(self.blob.key)
        return piece

    def _said(self, path: str | Path) -> Blob:
        """Return what the end of the file says of its blob."""
        length = os.fstat(self._descriptor).st_size
        end = self._last(length, OFTEN_ENOUGH)
        if (wanted := needed(end, length, str(path))) > len(end):
            end = self._last(length, wanted)
        return blob_of(end, length, str(path))

    def _last(self, length: int, wanted: int) -> bytes:
        os.lseek(self._descriptor, max(0, length - wanted), os.SEEK_SET)
        return os.read(self._descriptor, wanted)
