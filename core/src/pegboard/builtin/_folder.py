"""A folder with files, and no way out of it: what is done to it, call by call."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from pegboard.contracts.files import (
    OWN,
    FileEntry,
    FilePage,
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
from pegboard.errors import InvalidRequest, PermissionDenied

from ._incoming import Incoming, sync_folders

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pegboard.contracts.blobs import Buffer

    from ._growing_file import GrowingFile
    from ._place import Root

ABSENT = (FileNotFoundError, NotADirectoryError)
BLOCKED = (FileExistsError, NotADirectoryError, IsADirectoryError)


class Folder:
    """
    A folder with files.

    A file grows in ``.pegboard/incoming`` and is put in its place by one renaming,
    and what is removed with all that is in it leaves by one.
    """

    def __init__(self, root: Root, *, sync: bool) -> None:
        self._root = root
        self._incoming = Incoming(root.path / OWN / "incoming")
        self.syncs = sync

    def incoming(self) -> GrowingFile:
        """Return a file to write to. Does no I/O."""
        return self._incoming.file()

    def prepare(self) -> None:
        """Make what is needed to write."""
        self._root.make()
        self._incoming.prepare()

    def take(self, growing: GrowingFile, path: str, content: Buffer) -> None:
        """Write *content*, the only piece of what *path* will have."""
        self.prepare()
        growing.write(content)
        self.finish(growing, path)

    def finish(self, growing: GrowingFile, path: str) -> None:
        """Complete *growing*, which then needs but a renaming to be *path*."""
        descriptor = growing.opened()
        growing.found = os.fstat(descriptor)
        with suppress(*ABSENT):  # who may read a file stays as it was
            old = self._root.place(path).lstat()
            if old.st_mode != growing.found.st_mode:
                growing.path.chmod(stat.S_IMODE(old.st_mode))
        if self.syncs:
            os.fsync(descriptor)
        growing.close()

    def commit(
        self, growing: GrowingFile, path: str, *, if_absent: bool = False
    ) -> FileEntry:
        """
        Show *growing*, which is finished, as the file *path*.

        Raises:
            Conflict: Something that it cannot replace is in its place.

        """
        assert growing.found is not None  # noqa: S101 - it is finished
        place = self._place_for_file(path)
        if if_absent:
            _in_folder(os.link, growing.path, place, path)
        else:
            _in_folder(os.replace, growing.path, place, path)
            growing.is_placed = True
        return _entry(path, growing.found)

    def settle(self, *paths: str) -> None:
        """Have what was put at *paths*, or removed, survive a power cut as it is."""
        for path in paths:
            sync_folders(self._root.path / path, self._root.path)

    def open(self, path: str) -> int:
        """Return the descriptor of the file *path*, open for reading."""
        try:
            return self._root.open(path)
        except ABSENT as error:
            raise no_file(path) from error
        except IsADirectoryError as error:
            raise is_a_folder(path) from error

    def stat(self, path: str) -> FileEntry | None:
        """Return what is known of *path*, or None if nothing is there."""
        if not path:
            self._root.make()
        return self._entry_at(self._root.place(path), path)

    def is_file(self, path: str) -> bool:
        """Return whether *path* itself is there, and no folder."""
        try:
            return not stat.S_ISDIR(self._root.own_place(path).lstat().st_mode)
        except ABSENT:
            return False

    def list(self, folder: str, limit: int, cursor: str | None) -> FilePage:
        """Return the page of what is in *folder* after *cursor*."""
        self._root.make()
        try:
            names = os.listdir(self._root.place(folder))  # noqa: PTH208 - names will do
        except ABSENT as error:
            refusal = is_a_file if self.stat(folder) else no_folder
            raise refusal(folder) from error
        lead = f"{folder}/" if folder else ""
        fit = (name for name in names if is_path(lead + name))
        listed, following = names_on_page(fit, limit, cursor)
        found = (self._listed(lead + name) for name in listed)
        return FilePage(tuple(filter(None, found)), following)

    def mkdir(self, path: str) -> None:
        """Make the folder *path*, and those on the way, where they are missing."""
        self._root.make()
        try:
            self._root.place(path).mkdir(parents=True, exist_ok=True)
        except BLOCKED as error:
            raise in_the_way(path) from error

    def move(self, source: str, target: str) -> None:
        """Rename *source* to *target*."""
        old = self._root.own_place(source)
        try:
            moved = old.lstat()
        except ABSENT as error:
            raise no_file(source) from error
        if stat.S_ISDIR(moved.st_mode):
            new = self._place_for_folder(target, moved)
        else:
            new = self._place_for_file(target)
        _in_folder(os.replace, old, new, target)

    def remove(self, path: str) -> None:
        """Remove the file *path*, or the folder if nothing is in it."""
        place = self._root.own_place(path)
        try:
            if stat.S_ISDIR(place.lstat().st_mode):
                place.rmdir()
            else:
                place.unlink()
        except ABSENT:
            return
        except OSError as error:
            if _has_entries(place):
                raise not_empty(path) from error
            raise

    def take_away(self, path: str) -> Path | None:
        """Rename *path* to where nobody looks for it, and return where that is."""
        away = self._incoming.place()
        try:
            self._root.own_place(path).replace(away)
        except ABSENT:
            return None
        return away

    def destroy(self, away: Path) -> None:
        """Remove what was taken away."""
        if away.is_dir() and not away.is_symlink():
            shutil.rmtree(away)
        else:
            away.unlink()

    def _listed(self, path: str) -> FileEntry | None:
        """Return what is known of *path*; None of what is gone, or is no file."""
        try:
            return self.stat(path)
        except (InvalidRequest, PermissionDenied):
            return None

    def _entry_at(self, place: Path, path: str) -> FileEntry | None:
        """Return what is known of *path*, which is at *place*."""
        try:
            found = place.lstat()
        except ABSENT:
            return None
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            msg = f"{path!r} is neither a file nor a folder, but a device or the like."
            raise InvalidRequest(msg)
        return _entry(path, found)

    def _place_for_file(self, path: str) -> Path:
        """Return where a file *path* goes, if nothing but a file is there."""
        place = self._root.place(path)
        there = self._entry_at(place, path)
        if there and there.is_folder:
            raise in_the_way(path)
        return place

    def _place_for_folder(self, path: str, moved: os.stat_result) -> Path:
        """Return where the folder *moved* goes, if nothing else is there."""
        place = self._root.own_place(path)
        with suppress(*ABSENT):
            if not os.path.samestat(place.lstat(), moved):
                raise in_the_way(path)
        return place


def _in_folder(
    put: Callable[[Path, Path], None], source: Path, place: Path, path: str
) -> None:
    """*put* what is at *source* into *place*, whose folder is made if it is missing."""
    try:
        try:
            put(source, place)
        except FileNotFoundError:
            place.parent.mkdir(parents=True, exist_ok=True)
            put(source, place)
    except FileExistsError as error:
        refusal = exists_already if put is os.link and place.exists() else in_the_way
        raise refusal(path) from error
    except (NotADirectoryError, IsADirectoryError) as error:
        raise in_the_way(path) from error


def _has_entries(place: Path) -> bool:
    with suppress(OSError):
        return any(place.iterdir())
    return False


def _entry(path: str, found: os.stat_result) -> FileEntry:
    is_folder = stat.S_ISDIR(found.st_mode)
    size = 0 if is_folder else found.st_size
    return FileEntry(path, is_folder, size, found.st_mtime)
