"""Files on a file system, each under its own name."""

from __future__ import annotations

from contextlib import aclosing, suppress
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeVar

from pegboard import FileEntry, FilePage
from pegboard.contracts.blob_content import is_repeatable
from pegboard.contracts.blobs import checked_range
from pegboard.contracts.files import (
    checked_entries,
    checked_folder,
    checked_move,
    checked_path,
    exists_already,
    in_the_way,
    is_a_file,
    is_a_folder,
    is_path,
    names_on_page,
    no_file,
    no_folder,
    not_empty,
)
from pegboard.errors import CallError, InvalidReply, InvalidRequest

from ._file_system import ABSENT, PIECE, changed_at, size_of
from ._growing import Growing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractContextManager
    from threading import Lock

    from pegboard.contracts.blobs import Buffer, Content
    from pegboard.contracts.file_guards import FileGuards

    from ._file_system import FileSystem
    from ._lanes import Lanes

Result = TypeVar("Result")


class _Opened(NamedTuple):
    """A file that is open for reading."""

    path: str
    file: IO[bytes]
    size: int

    def read(self, system: FileSystem, start: int, size: int) -> bytes:
        """Return *size* bytes of the content from *start*."""
        content = system.read_at(self.file, start, size)
        if len(content) < size:
            msg = f"{self.path!r} became shorter while it was read. Read it again."
            raise InvalidReply(msg)
        return content


class FsspecFiles:
    """
    Files on a file system.

    A file grows where nobody looks, and a renaming puts it in its place. What looks
    before it changes something does so as one, for all who use this instance.
    """

    def __init__(
        self,
        lanes: Lanes,
        errors: Callable[[], AbstractContextManager[None]],
        commits: Lock,
        guards: FileGuards,
    ) -> None:
        self._lanes = lanes
        self._errors = errors
        self._commits = commits
        self._guards = guards

    async def read(self, path: str, *, start: int = 0, end: int | None = None) -> bytes:
        """Return the content of *path*, or its bytes from *start* up to *end*."""
        checked_range(start, end)
        self._guards.check(path)
        return await self._run(_read, path, start, end)

    async def stream(
        self, path: str, *, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the same piece by piece."""
        checked_range(start, end)
        self._guards.check(path)
        lane = self._lanes.choose()
        with self._errors():
            opened = await lane.run(_open, path, undo=_close)
        end = opened.size if end is None else min(opened.size, end)
        try:
            while start < end:
                with self._errors():
                    piece = await lane.run(opened.read, start, min(PIECE, end - start))
                start += len(piece)
                yield piece
        finally:
            with suppress(ConnectionResetError):
                lane.begin(_close, opened)

    async def write(
        self, path: str, content: Content, *, if_absent: bool = False
    ) -> FileEntry:
        """Put *content* into the file *path* and return what is known of it."""
        self._guards.check(path)
        try:
            async with aclosing(self._guards.pieces(path, content)) as pieces:
                return await self._store(path, pieces, if_absent=if_absent)
        except CallError as error:
            if not is_repeatable(content):  # it is used up
                error.retryable = False
            raise

    async def stat(self, path: str) -> FileEntry | None:
        """Return what is known of the file or folder *path*, or None without one."""
        return await self._run(_stat, checked_folder(path))

    async def exists(self, path: str) -> bool:
        """Return whether there is a file or folder *path*."""
        return await self.stat(path) is not None

    async def list(
        self, folder: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> FilePage:
        """Return up to *limit* of what is directly in *folder*, in order."""
        limit = checked_entries(limit, cursor)
        return await self._run(_list, checked_folder(folder), limit, cursor)

    async def mkdir(self, path: str) -> None:
        """Make the folder *path*, and those on the way, where they are missing."""
        await self._run(self._alone, _make_folder, checked_folder(path))

    async def move(self, source: str, target: str) -> None:
        """Give the file or folder *source* the path *target*."""
        checked_move(source, target)
        await self._run(self._alone, self._move, source, target)

    async def copy(self, source: str, target: str) -> FileEntry:
        """Write the content of the file *source* to *target*."""
        self._guards.check(target)
        async with aclosing(self.stream(source)) as content:
            return await self._store(target, self._guards.limited(target, content))

    async def remove(self, path: str) -> None:
        """Remove the file *path*, or the folder if it is empty."""
        await self._run(self._alone, self._remove, checked_path(path))

    async def remove_all(self, path: str) -> None:
        """Remove the file or folder *path* with all that is in it."""
        await self._run(self._alone, self._remove_all, checked_path(path))

    async def _run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        with self._errors():
            return await self._lanes.choose().run(function, *arguments)

    async def _store(
        self,
        path: str,
        content: AsyncGenerator[Buffer, None],
        *,
        if_absent: bool = False,
    ) -> FileEntry:
        growing = Growing(self._lanes.choose())
        try:
            async for piece in content:
                with self._errors():
                    await growing.add(piece)
            with self._errors():
                await growing.finish()
                work = (self._alone, _commit, growing, path, if_absent)
                entry: FileEntry = await growing.lane.run(*work)
        finally:
            if growing.path is not None:
                growing.discard()
        return entry

    def _alone(
        self, system: FileSystem, function: Callable[..., Result], *arguments: Any
    ) -> Result:
        with self._commits:
            return function(system, *arguments)

    def _move(self, system: FileSystem, source: str, target: str) -> None:
        moved, there = _stat(system, source), _stat(system, target)
        if moved is None:
            raise no_file(source)
        if not moved.is_folder:
            self._guards.check(source)
            self._guards.check(target)
        if source == target:
            return
        if there and (there.is_folder or moved.is_folder):
            raise in_the_way(target)
        _make_folder(system, _folder_of(target), target)
        system.rename(source, target)

    def _remove(self, system: FileSystem, path: str) -> None:
        there = _stat(system, path)
        if there is None:
            return
        if not there.is_folder:
            system.remove_file(self._guards.check(path))
        elif system.names(path):
            raise not_empty(path)
        else:
            system.remove_folder(path)

    def _remove_all(self, system: FileSystem, path: str) -> None:
        there = _stat(system, path)
        if there is None:
            return
        if there.is_folder:
            system.remove_all(path)
        else:
            system.remove_file(self._guards.check(path))


def _stat(system: FileSystem, path: str) -> FileEntry | None:
    if not path:
        system.check()
    info = system.info(path)
    return None if info is None else _entry(path, info)


def _entry(path: str, info: dict[str, Any]) -> FileEntry:
    if info["type"] not in {"file", "directory"}:
        msg = f"{path!r} is neither a file nor a folder, but a {info['type']}."
        raise InvalidRequest(msg)
    is_folder = info["type"] == "directory"
    size = 0 if is_folder else info["size"]
    return FileEntry(path, is_folder, size, changed_at(info))


def _open(system: FileSystem, path: str) -> _Opened:
    there = _stat(system, path)
    if there is None:
        raise no_file(path)
    if there.is_folder:
        raise is_a_folder(path)
    try:
        file = system.open(path)
    except ABSENT as error:
        raise no_file(path) from error
    try:
        return _Opened(path, file, size_of(file))
    except BaseException:
        file.close()
        raise


def _close(_: FileSystem, opened: _Opened) -> None:
    opened.file.close()


def _read(system: FileSystem, path: str, start: int, end: int | None) -> bytes:
    opened = _open(system, path)
    end = opened.size if end is None else min(opened.size, end)
    try:
        return opened.read(system, start, max(0, end - start))
    finally:
        opened.file.close()


def _list(system: FileSystem, folder: str, limit: int, cursor: str | None) -> FilePage:
    there = _stat(system, folder)
    if there is None:
        raise no_folder(folder)
    if not there.is_folder:
        raise is_a_file(folder)
    lead = f"{folder}/" if folder else ""
    found = {
        entry["name"]: entry
        for entry in system.entries(folder)
        if is_path(lead + entry["name"]) and entry["type"] in {"file", "directory"}
    }
    listed, following = names_on_page(found, limit, cursor)
    entries = (_entry(lead + name, found[name]) for name in listed)
    return FilePage(tuple(entries), following)


def _commit(
    system: FileSystem,
    growing: Growing,
    path: str,
    if_absent: bool,  # noqa: FBT001 - as it was given
) -> FileEntry:
    there = _stat(system, path)
    if there and there.is_folder:
        raise in_the_way(path)
    if there and if_absent:
        raise exists_already(path)
    _make_folder(system, _folder_of(path), path)
    growing.rename(system, path)
    entry = _stat(system, path)
    return entry or FileEntry(path, is_folder=False, size=growing.size, modified=0)


def _make_folder(system: FileSystem, folder: str, path: str | None = None) -> None:
    """Make *folder*, in which *path* is to be."""
    if system.is_folder(folder):
        return
    above = folder
    while above:
        there = _stat(system, above)
        if there and not there.is_folder:
            raise in_the_way(path or folder)
        above = _folder_of(above)
    system.make_folder(folder)


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]
