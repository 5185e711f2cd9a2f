"""Content on its way up: its digest has to be known before it is sent."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile, gettempdir
from typing import TYPE_CHECKING, Any, Self

from pegboard.contracts.blob_content import in_thread, is_whole, pieces
from pegboard.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pegboard.contracts.blobs import Buffer, Content


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

    A longer file is read twice. A longer stream goes into a temporary file.
    """
    if is_whole(content):
        whole = bytes(content)  # type: ignore[arg-type]  # it is whole
        digest = await in_thread(_digest, whole)
        yield Upload(whole, len(whole), digest)
        return
    with _Spool(content, most) as spool:
        async with pieces(content) as read:
            async for piece in read:
                await in_thread(_add, spool, piece)
        yield spool.upload()


class _Spool:
    """Where pieces are gathered."""

    def __init__(self, content: Content, most: int) -> None:
        self._path = Path(content) if _is_path(content) else None  # type: ignore[arg-type]  # it is one
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
        elif self._path is None:
            self._spill(piece)

    def upload(self) -> Upload:
        if self._size <= self._most:
            return Upload(bytes(self._start), self._size, self._digest.hexdigest())
        if self._file is not None:
            self._file.flush()
        path = self._path or Path(self._file.name)
        return Upload(path, self._size, self._digest.hexdigest())

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


def _is_path(content: object) -> bool:
    return hasattr(content, "__fspath__")


def _digest(whole: bytes) -> str:
    return hashlib.sha256(whole).hexdigest()
