"""A file that is being written, where nobody looks for it."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pegboard.contracts.blobs import Buffer

BINARY = getattr(os, "O_BINARY", 0)
NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | BINARY


class GrowingFile:
    """A new file at *path*, made when it is first written to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_placed = False
        self.found: os.stat_result | None = None
        """What the machine said of it when it was complete."""
        self._descriptor: int | None = None

    def write(self, piece: Buffer) -> None:
        """Add *piece*."""
        descriptor, left = self.opened(), memoryview(piece)
        while left:
            left = left[os.write(descriptor, left) :]

    def opened(self) -> int:
        """Return its descriptor."""
        if self._descriptor is None:
            self._descriptor = os.open(self.path, NEW, 0o666)
        return self._descriptor

    def close(self) -> None:
        """Close the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def discard(self) -> None:
        """Leave nothing of it where it was written, unless it was put in its place."""
        with suppress(OSError):
            self.close()
        if not self.is_placed:
            with suppress(OSError):
                self.path.unlink()
