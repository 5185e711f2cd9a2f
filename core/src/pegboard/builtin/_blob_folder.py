"""A folder of blobs: what changes in it, and in which order, so that no crash shows."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from pegboard.contracts.blob_paths import keys_in, path_of
from pegboard.contracts.blobs import BlobPage, ListedBlob, changed

from ._blob_file import IncomingBlob, StoredFile
from ._incoming import Incoming, sync_folders

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pegboard.contracts.blobs import Blob


class BlobFolder:
    """
    A folder of blobs.

    A blob is one file below ``blobs/``, put there by one renaming. Until then it
    grows in ``incoming/``. Replaced versions are in ``versions/``. Whoever renames or
    removes holds the lock on ``lock``; who reads needs none.
    """

    def __init__(self, path: Path, *, keep_versions: int, sync: bool) -> None:
        self._blobs = path / "blobs"
        self._versions = path / "versions"
        self._incoming = Incoming(path / "incoming")
        self._lock = path / "lock"
        self._keep = keep_versions
        self._sync = sync
        self._is_ready = False

    def prepare(self) -> None:
        """Make the folders, and remove what writers that were killed left behind."""
        self._incoming.prepare()
        if not self._is_ready:
            self._blobs.mkdir(exist_ok=True)
            self._versions.mkdir(exist_ok=True)
            self._is_ready = True

    def incoming(self) -> IncomingBlob:
        """Return a blob to write to. Does no I/O."""
        return IncomingBlob(self._incoming.file())

    def finish(self, incoming: IncomingBlob, blob: Blob) -> None:
        """Complete *incoming*, which then needs but a renaming."""
        incoming.finish(blob, sync=self._sync)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """
        Keep all others, in other processes too, from changing anything.

        Raises:
            BlockingIOError: Someone else does.

        """
        descriptor = os.open(self._lock, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            _lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def commit(
        self,
        incoming: IncomingBlob,
        blob: Blob,
        *,
        if_version: str | None,
        if_absent: bool,
    ) -> None:
        """
        Show *incoming* as the blob of its key. Call it with the lock held.

        Raises:
            Conflict: The condition does not hold.

        """
        path = self._blobs / path_of(blob.key)
        if if_version is not None or if_absent:
            current = self.stat(blob.key)
            if (current and current.version) != if_version:
                raise changed(blob.key)
        if self._keep:
            self._keep_current(blob.key, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        incoming.file.path.replace(path)
        incoming.file.is_placed = True

    def settle(self, key: str) -> None:
        """Have what was renamed or removed survive a power cut as it is."""
        if self._sync:
            sync_folders(self._blobs / path_of(key), self._blobs)

    def delete(self, key: str) -> None:
        """Remove all of *key*, the oldest first. Call it with the lock held."""
        shutil.rmtree(self._history(key), ignore_errors=True)
        path = self._blobs / path_of(key)
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
        for folder in path.parents:
            if folder == self._blobs:
                return
            with suppress(OSError):  # it is not empty, or gone
                folder.rmdir()

    def open(self, key: str, version: str | None = None) -> StoredFile | None:
        """Return the open file of *key*, which stays as it is whatever others do."""
        try:
            file = StoredFile(self._blobs / path_of(key))
        except (FileNotFoundError, NotADirectoryError):
            return None
        if version is None or file.blob.version == version:
            return file
        file.close()
        old = [path for path in self._kept(key) if path.suffix == f".{version}"]
        try:
            return StoredFile(old[0]) if old else None
        except FileNotFoundError:
            return None

    def stat(self, key: str, version: str | None = None) -> Blob | None:
        """Return what is known of *key*, or None if it is not there."""
        file = self.open(key, version)
        if file is None:
            return None
        file.close()
        return file.blob

    def list(self, prefix: str, limit: int, after: str) -> BlobPage:
        """Return the page of blobs with *prefix* after the key *after*."""
        found: list[ListedBlob] = []
        for key, path in keys_in(self._names, prefix, after):
            if len(found) == limit:
                return BlobPage(tuple(found), found[-1].key)
            with suppress(FileNotFoundError):  # deleted since
                file = StoredFile(self._blobs / path)
                file.close()
                found.append(ListedBlob(key, file.blob.size, file.blob.modified))
        return BlobPage(tuple(found), None)

    def versions(self, key: str) -> Sequence[Blob]:
        """Return all versions of *key*, the newest first."""
        current = self.stat(key)
        if current is None:
            return []
        versions = {current.version: current}
        for path in self._kept(key):
            with suppress(FileNotFoundError):
                file = StoredFile(path)
                file.close()
                versions.setdefault(file.blob.version, file.blob)
        return list(versions.values())

    def _keep_current(self, key: str, path: Path) -> None:
        """Give the current version of *key* a second name, and drop the oldest."""
        current = self.stat(key)
        if current is None:
            return
        kept = self._kept(key)
        number = int(kept[0].stem) + 1 if kept else 0
        folder = self._history(key)
        folder.mkdir(parents=True, exist_ok=True)
        os.link(path, folder / f"{number:020}.{current.version}")
        for old in kept[self._keep - 1 :]:
            old.unlink()

    def _kept(self, key: str) -> Sequence[Path]:
        """Return the files of replaced versions of *key*, the newest first."""
        try:
            return sorted(self._history(key).iterdir(), reverse=True)
        except FileNotFoundError:
            return []

    def _names(self, folder: str) -> Sequence[str]:
        """Return what is in *folder* below the folder of all blobs."""
        try:
            return os.listdir(self._blobs / folder)  # noqa: PTH208 - names will do
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _history(self, key: str) -> Path:
        return self._versions / sha256(key.encode()).hexdigest()


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
