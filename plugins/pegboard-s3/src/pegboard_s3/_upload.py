"""Content on its way up: its digest has to be known before it is sent."""

from __future__ import annotations

import hashlib
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile, gettempdir
from typing import TYPE_CHECKING, Any, Self

from pegboard.contracts.blob_content import in_thread, is_whole, pieces
from pegboard.contracts.blobs import CHUNK
from pegboard.errors import InvalidRequest, Unavailable

from ._running_digest import digest_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from io import FileIO

    from pegboard.contracts.blobs import Buffer, Content

READS = 16
"""Chunks that one turn in a thread reads: a cancelled call waits for no more."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Content that is complete."""

    source: bytes | Path
    size: int
    sha256: str


@asynccontextmanager
async def complete(content: Content, most: int) -> AsyncIterator[Upload]:
    """
    Give all of *content*, in memory if it has up to *most* bytes.

    A file is read twice. A longer stream goes into a temporary file.
    """
    if is_whole(content):
        whole = bytes(content)  # type: ignore[arg-type]  # it is whole
        yield Upload(whole, len(whole), await digest_of(whole))
    elif isinstance(content, os.PathLike):
        yield await _of_file(Path(content))
    else:
        with _Spool(most) as spool:
            async with pieces(content) as read:
                async for piece in read:
                    await in_thread(_add, spool, piece)
            yield spool.upload()


async def _of_file(path: Path) -> Upload:
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb", buffering=0) as file:
            while read := await in_thread(_update, digest, file):
                size += read
    except OSError as error:
        msg = f"The content cannot be read: {type(error).__name__}: {error}."
        raise InvalidRequest(msg, request_sent="no") from error
    return Upload(path, size, digest.hexdigest())


def _update(digest: hashlib._Hash, file: FileIO) -> int:
    """Add to *digest* what comes next in *file*; return how many bytes that was."""
    read = 0
    for _ in range(READS):
        piece = file.read(CHUNK)
        digest.update(piece)
        read += len(piece)
    return read


class _Spool:
    """Where pieces are gathered."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._start = bytearray()
        self._size = 0
        self._digest = hashlib.sha256()
        self._file: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, piece: Buffer) -> None:
        self._digest.update(piece)
        self._size += len(piece)
        if self._size <= self._most:
            self._start += piece
        else:
            self._spill(piece)

    def upload(self) -> Upload:
        digest = self._digest.hexdigest()
        if self._file is None:
            return Upload(bytes(self._start), self._size, digest)
        self._file.flush()
        return Upload(Path(self._file.name), self._size, digest)

    def _spill(self, piece: Buffer) -> None:
        if self._file is None:
            self._file = NamedTemporaryFile(prefix="pegboard-")  # noqa: SIM115 - closed at the end
            self._file.write(self._start)
        self._file.write(piece)


def _add(spool: _Spool, piece: Buffer) -> None:
    try:
        spool.add(piece)
    except OSError as error:
        msg = f"{gettempdir()} cannot hold the content until it is sent: {error}."
        raise Unavailable(msg, request_sent="no") from error
