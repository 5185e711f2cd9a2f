"""Files in a folder, each under its own name."""

from __future__ import annotations

import os
from contextlib import aclosing
from typing import TYPE_CHECKING

from pegboard.contracts.blob_content import in_thread, is_whole
from pegboard.contracts.blobs import CHUNK, checked_range
from pegboard.contracts.files import (
    checked_entries,
    checked_folder,
    checked_move,
    checked_path,
)

from ._machine_errors import machine_errors

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pegboard.contracts.blobs import Buffer, Content
    from pegboard.contracts.file_guards import FileGuards
    from pegboard.contracts.files import FileEntry, FilePage

    from ._folder import Folder
    from ._growing_file import GrowingFile


class FolderFiles:
    """
    Files in a folder.

    They are read and written in threads, by pieces. What makes a change visible is
    one renaming, which is done where it is asked for, so that nobody can be told that
    it was cancelled when it was not.
    """

    def __init__(
        self, folder: Folder, guards: FileGuards, *, path: Path, address: str
    ) -> None:
        self._folder = folder
        self._guards = guards
        self._path = path
        self._address = address

    async def read(self, path: str, *, start: int = 0, end: int | None = None) -> bytes:
        """Return the content of *path*, or its bytes from *start* up to *end*."""
        checked_range(start, end)
        self._guards.check(path)
        with self._errors():
            return await in_thread(self._read, path, start, end)

    async def stream(
        self, path: str, *, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the same piece by piece."""
        checked_range(start, end)
        file = await self._open(path)
        try:
            async for piece in self._pieces(file, start, end):
                yield piece
        finally:
            os.close(file)

    async def write(
        self, path: str, content: Content, *, if_absent: bool = False
    ) -> FileEntry:
        """Put *content* into the file *path* and return what is known of it."""
        self._guards.check(path)
        growing = self._folder.incoming()
        try:
            async with aclosing(self._guards.pieces(path, content)) as pieces:
                if is_whole(content) and len(content) <= CHUNK:  # type: ignore[arg-type]  # it is
                    await self._take(growing, path, await anext(pieces, b""))
                else:
                    await self._receive(growing, path, pieces)
            return await self._commit(growing, path, if_absent=if_absent)
        finally:
            growing.discard()

    async def stat(self, path: str) -> FileEntry | None:
        """Return what is known of the file or folder *path*, or None without one."""
        checked_folder(path)
        with self._errors():
            return await in_thread(self._folder.stat, path)

    async def exists(self, path: str) -> bool:
        """Return whether there is a file or folder *path*."""
        return await self.stat(path) is not None

    async def list(
        self, folder: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> FilePage:
        """Return up to *limit* of what is directly in *folder*, in order."""
        limit = checked_entries(limit, cursor)
        checked_folder(folder)
        with self._errors():
            return await in_thread(self._folder.list, folder, limit, cursor)

    async def mkdir(self, path: str) -> None:
        """Make the folder *path*, and those on the way, where they are missing."""
        checked_folder(path)
        with self._errors():
            await in_thread(self._folder.mkdir, path)
            await self._settle(path)

    async def move(self, source: str, target: str) -> None:
        """Give the file or folder *source* the path *target*."""
        checked_move(source, target)
        await self._check_if_file(source, target)
        with self._errors():
            self._folder.move(source, target)
            await self._settle(source, target)

    async def copy(self, source: str, target: str) -> FileEntry:
        """Write the content of the file *source* to *target*."""
        self._guards.check(target)
        growing = self._folder.incoming()
        file = await self._open(source)
        try:
            content = self._pieces(file, 0, None)
            await self._receive(growing, target, self._guards.limited(target, content))
            return await self._commit(growing, target)
        finally:
            os.close(file)
            growing.discard()

    async def remove(self, path: str) -> None:
        """Remove the file *path*, or the folder if it is empty."""
        checked_path(path)
        await self._check_if_file(path)
        with self._errors():
            self._folder.remove(path)
            await self._settle(path)

    async def remove_all(self, path: str) -> None:
        """Remove the file or folder *path* with all that is in it."""
        checked_path(path)
        await self._check_if_file(path)
        with self._errors():
            await in_thread(self._folder.prepare)
            away = self._folder.take_away(path)
            if away is not None:
                await self._settle(path)
                await in_thread(self._folder.destroy, away)

    async def _take(self, growing: GrowingFile, path: str, content: Buffer) -> None:
        with self._errors():
            await in_thread(self._folder.take, growing, path, content)

    async def _receive(
        self, growing: GrowingFile, path: str, pieces: AsyncGenerator[Buffer, None]
    ) -> None:
        """Write *pieces* to *growing*, each in a thread."""
        with self._errors():
            await in_thread(self._folder.prepare)
        async for piece in pieces:
            with self._errors():
                await in_thread(growing.write, piece)
        with self._errors():
            await in_thread(self._folder.finish, growing, path)

    async def _commit(
        self, growing: GrowingFile, path: str, *, if_absent: bool = False
    ) -> FileEntry:
        with self._errors():
            entry = self._folder.commit(growing, path, if_absent=if_absent)
            await self._settle(path)
        return entry

    async def _settle(self, *paths: str) -> None:
        if self._folder.syncs:
            await in_thread(self._folder.settle, *paths)

    async def _check_if_file(self, *paths: str) -> None:
        """Refuse *paths* if the first is that of a file, and they are none for it."""
        with self._errors():
            is_file = await in_thread(self._folder.is_file, paths[0])
        for path in paths if is_file else ():
            self._guards.check(path)

    def _read(self, path: str, start: int, end: int | None) -> bytes:
        file = self._folder.open(path)
        try:
            return _bytes_of(file, start, end)
        finally:
            os.close(file)

    async def _open(self, path: str) -> int:
        self._guards.check(path)
        with self._errors():
            return await in_thread(self._folder.open, path, undo=os.close)

    async def _pieces(
        self, file: int, start: int, end: int | None
    ) -> AsyncGenerator[bytes, None]:
        with self._errors():
            os.lseek(file, start, os.SEEK_SET)
        while piece := await self._next(file, start, end):
            start += len(piece)
            yield piece

    async def _next(self, file: int, start: int, end: int | None) -> bytes:
        most = CHUNK if end is None else min(CHUNK, end - start)
        with self._errors():
            return await in_thread(os.read, file, most)

    def _errors(self) -> AbstractContextManager[None]:
        return machine_errors(self._path, self._address)


def _bytes_of(file: int, start: int, end: int | None) -> bytes:
    """Return the bytes of *file* from *start* up to *end*, however many there are."""
    os.lseek(file, start, os.SEEK_SET)
    size = max(0, os.fstat(file).st_size - start)
    left = size if end is None else min(size, end - start)
    pieces = []
    while left and (piece := os.read(file, left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
