"""Files in the memory of this process."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from pegboard.contracts.blobs import CHUNK, checked_range
from pegboard.contracts.files import (
    FileEntry,
    FilePage,
    checked_entries,
    checked_folder,
    checked_move,
    checked_path,
    exists_already,
    in_the_way,
    is_a_file,
    is_a_folder,
    names_on_page,
    no_file,
    no_folder,
    not_empty,
    placed,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from pegboard.contracts.blobs import Content
    from pegboard.contracts.file_guards import FileGuards
    from pegboard.descriptors import Context


class _Node(NamedTuple):
    entry: FileEntry
    content: bytes


class MemoryFiles:
    """Files in the memory of this process. Threads may share them."""

    def __init__(self, guards: FileGuards, context: Context) -> None:
        self._guards = guards
        self._address = context.address
        self._clock = context.clock
        self._nodes = {"": _Node(_folder("", self._clock()), b"")}
        self._lock = Lock()

    async def read(self, path: str, *, start: int = 0, end: int | None = None) -> bytes:
        """Return the content of *path*, or its bytes from *start* up to *end*."""
        checked_range(start, end)
        return self._content(path)[start:end]

    async def stream(
        self, path: str, *, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the same piece by piece."""
        checked_range(start, end)
        content = self._content(path)
        stop = len(content) if end is None else min(end, len(content))
        for begin in range(start, stop, CHUNK):
            yield content[begin : min(begin + CHUNK, stop)]

    async def write(
        self, path: str, content: Content, *, if_absent: bool = False
    ) -> FileEntry:
        """Put *content* into the file *path* and return what is known of it."""
        self._guards.check(path)
        whole = bytearray()
        async with aclosing(self._guards.pieces(path, content)) as pieces:
            async for piece in pieces:
                whole += piece
        return self._put(path, bytes(whole), if_absent=if_absent)

    async def stat(self, path: str) -> FileEntry | None:
        """Return what is known of the file or folder *path*, or None without one."""
        found = self._nodes.get(checked_folder(path))
        return found and found.entry

    async def exists(self, path: str) -> bool:
        """Return whether there is a file or folder *path*."""
        return checked_folder(path) in self._nodes

    async def list(
        self, folder: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> FilePage:
        """Return up to *limit* of what is directly in *folder*, in order."""
        limit = checked_entries(limit, cursor)
        with self._lock:
            self._check_folder(checked_folder(folder))
            entries = {
                node.entry.name: node.entry
                for path, node in self._nodes.items()
                if path and _folder_of(path) == folder
            }
        listed, following = names_on_page(entries, limit, cursor)
        return FilePage(tuple(entries[name] for name in listed), following)

    async def mkdir(self, path: str) -> None:
        """Make the folder *path*, and those on the way, where they are missing."""
        with self._lock:
            self._make_folders(checked_folder(path))

    async def move(self, source: str, target: str) -> None:
        """Give the file or folder *source* the path *target*."""
        checked_move(source, target)
        with self._lock:
            moved = self._nodes.get(source)
            if moved is None:
                raise placed(no_file(source), self._address)
            if not moved.entry.is_folder:
                self._guards.check(source)
                self._guards.check(target)
            if source != target:
                self._check_place(target, moved.entry)
                self._make_folders(_folder_of(target))
                self._rename(source, target)

    async def copy(self, source: str, target: str) -> FileEntry:
        """Write the content of the file *source* to *target*."""
        content = self._content(source)
        return await self.write(target, content)

    async def remove(self, path: str) -> None:
        """Remove the file *path*, or the folder if it is empty."""
        with self._lock:
            self._check_removable(path)
            if any(below != path for below in self._below(path)):
                raise placed(not_empty(path), self._address)
            self._nodes.pop(path, None)

    async def remove_all(self, path: str) -> None:
        """Remove the file or folder *path* with all that is in it."""
        with self._lock:
            self._check_removable(path)
            for below in list(self._below(path)):
                del self._nodes[below]

    def _put(self, path: str, content: bytes, *, if_absent: bool) -> FileEntry:
        entry = FileEntry(
            path, is_folder=False, size=len(content), modified=self._clock()
        )
        with self._lock:
            self._check_place(path, entry)
            if if_absent and path in self._nodes:
                raise placed(exists_already(path), self._address)
            self._make_folders(_folder_of(path))
            self._nodes[path] = _Node(entry, content)
        return entry

    def _content(self, path: str) -> bytes:
        node = self._nodes.get(self._guards.check(path))
        if node is None:
            raise placed(no_file(path), self._address)
        if node.entry.is_folder:
            raise placed(is_a_folder(path), self._address)
        return node.content

    def _check_folder(self, path: str) -> None:
        node = self._nodes.get(path)
        if node is None:
            raise placed(no_folder(path), self._address)
        if not node.entry.is_folder:
            raise placed(is_a_file(path), self._address)

    def _check_place(self, path: str, entry: FileEntry) -> None:
        """Refuse to put *entry* where something is that it does not replace."""
        there = self._nodes.get(path)
        if there and (there.entry.is_folder or entry.is_folder):
            raise placed(in_the_way(path), self._address)
        self._check_folders(_folder_of(path))

    def _check_removable(self, path: str) -> None:
        node = self._nodes.get(checked_path(path))
        if node and not node.entry.is_folder:
            self._guards.check(path)

    def _check_folders(self, path: str) -> None:
        for folder in _and_above(path):
            node = self._nodes.get(folder)
            if node and not node.entry.is_folder:
                raise placed(in_the_way(path), self._address)

    def _make_folders(self, path: str) -> None:
        self._check_folders(path)
        for folder in _and_above(path):
            self._nodes.setdefault(folder, _Node(_folder(folder, self._clock()), b""))

    def _rename(self, source: str, target: str) -> None:
        for path in list(self._below(source)):
            node, new = self._nodes.pop(path), target + path.removeprefix(source)
            self._nodes[new] = node._replace(entry=replace(node.entry, path=new))

    def _below(self, path: str) -> Iterator[str]:
        return (one for one in self._nodes if one == path or one.startswith(f"{path}/"))


def _folder(path: str, modified: float) -> FileEntry:
    return FileEntry(path, is_folder=True, size=0, modified=modified)


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def _and_above(path: str) -> Iterator[str]:
    """Yield *path* and the folders that it is in, the root aside."""
    while path:
        yield path
        path = _folder_of(path)
