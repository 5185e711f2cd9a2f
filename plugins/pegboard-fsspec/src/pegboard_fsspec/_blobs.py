"""Blobs on a file system, in files as those of the built-in provider are."""

from __future__ import annotations

import hashlib
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pegboard import Blob, BlobPage, ListedBlob
from pegboard.contracts.blob_content import pieces
from pegboard.contracts.blob_paths import keys_in, path_of
from pegboard.contracts.blob_trailer import OFTEN_ENOUGH, blob_of, needed, trailer_of
from pegboard.contracts.blobs import (
    OCTETS,
    absent,
    changed,
    checked_blob_key,
    checked_digest,
    checked_media_type,
    checked_metadata,
    checked_page,
    checked_range,
    damaged,
)
from pegboard.contracts.files import OWN
from pegboard.contracts.key_value import checked_condition, new_version

from ._file_system import ABSENT, PIECE, size_of
from ._growing import Growing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from contextlib import AbstractContextManager
    from threading import Lock
    from typing import IO

    from pegboard.contracts.blobs import Buffer, Content

    from ._file_system import FileSystem
    from ._lanes import Lanes

FOLDER = f"{OWN}/blobs"


class _Opened(NamedTuple):
    """A file with a blob, open for reading."""

    file: IO[bytes]
    blob: Blob

    def read(self, system: FileSystem, start: int, size: int) -> bytes:
        """Return up to *size* bytes of the content from *start*."""
        wanted = max(0, min(size, self.blob.size - start))
        content = system.read_at(self.file, start, wanted)
        if len(content) < wanted:
            raise damaged(self.blob.key)
        return content


class FsspecBlobs:
    """
    Blobs on a file system.

    A blob is one file: its content, then what is said of it. It grows where nobody
    looks, and a renaming puts it in its place.
    """

    def __init__(
        self,
        lanes: Lanes,
        errors: Callable[[], AbstractContextManager[None]],
        commits: Lock,
        clock: Callable[[], float],
    ) -> None:
        self._lanes = lanes
        self._errors = errors
        self._commits = commits
        self._clock = clock

    async def put(  # noqa: PLR0913 - as the contract has it
        self,
        key: str,
        content: Content,
        *,
        media_type: str = OCTETS,
        metadata: Mapping[str, str] | None = None,
        sha256: str | None = None,
        if_version: str | None = None,
        if_absent: bool = False,
    ) -> Blob:
        """Store *content* under *key* and return what is known of it."""
        checked_condition(if_version, if_absent=if_absent)
        described = partial(
            Blob,
            key=checked_blob_key(key),
            version=new_version(),
            media_type=checked_media_type(media_type),
            metadata=checked_metadata(metadata),
        )
        may = partial(self._check, key, if_version, is_open=not if_absent)
        conditional = if_absent or if_version is not None
        async with pieces(content) as read:
            return await self._store(
                read, described, sha256, may if conditional else _nothing
            )

    async def get(
        self,
        key: str,
        *,
        version: str | None = None,
        start: int = 0,
        end: int | None = None,
    ) -> bytes:
        """Return the content of *key*, or its bytes from *start* up to *end*."""
        checked_range(start, end)
        checked_blob_key(key)
        with self._errors():
            return await self._lanes.choose().run(_read, key, version, start, end)

    async def stream(
        self,
        key: str,
        *,
        version: str | None = None,
        start: int = 0,
        end: int | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Yield the same piece by piece."""
        checked_range(start, end)
        checked_blob_key(key)
        lane = self._lanes.choose()
        with self._errors():
            opened = await lane.run(_existing, key, version, undo=_close)
        size = opened.blob.size
        stop = size if end is None else min(end, size)
        digest = hashlib.sha256() if (start, stop) == (0, size) else None
        try:
            while start < stop:
                with self._errors():
                    piece = await lane.run(opened.read, start, min(PIECE, stop - start))
                start += len(piece)
                if digest is not None:
                    digest.update(piece)
                    _check_digest(opened.blob, digest, is_whole=start == stop)
                yield piece
        finally:
            with suppress(ConnectionResetError):
                lane.begin(_close, opened)

    async def stat(self, key: str, *, version: str | None = None) -> Blob | None:
        """Return what is known of the blob *key*, or None if there is none."""
        checked_blob_key(key)
        with self._errors():
            return await self._lanes.choose().run(_stat, key, version)

    async def list(
        self, prefix: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> BlobPage:
        """Return up to *limit* blobs whose keys begin with *prefix*, in order."""
        limit = checked_page(prefix, limit, cursor)
        with self._errors():
            return await self._lanes.choose().run(_list, prefix, limit, cursor or "")

    async def copy(self, source: str, target: str) -> Blob:
        """Store the content of *source*, with all that is said of it, as *target*."""
        checked_blob_key(target)
        known = await self.stat(source)
        if known is None:
            raise absent(source)
        described = partial(
            Blob,
            key=target,
            version=new_version(),
            media_type=known.media_type,
            metadata=known.metadata,
        )
        async with aclosing(self.stream(source, version=known.version)) as content:
            return await self._store(content, described, known.sha256, _nothing)

    async def delete(self, key: str) -> None:
        """Remove the blob *key* and its older versions, if there are any."""
        checked_blob_key(key)
        with self._errors():
            await self._lanes.choose().run(self._delete, key)

    async def _store(
        self,
        content: AsyncGenerator[Buffer, None],
        described: Callable[..., Blob],
        sha256: str | None,
        check: Callable[[FileSystem], object],
    ) -> Blob:
        digest = hashlib.sha256()
        growing = Growing(self._lanes.choose(), digest=digest)
        try:
            async for piece in content:
                with self._errors():
                    await growing.add(piece)
            key = described.keywords["key"]  # type: ignore[attr-defined]  # a partial
            blob = described(
                size=growing.size,
                sha256=checked_digest(key, digest.hexdigest(), sha256),
                modified=self._clock(),
            )
            with self._errors():
                await growing.finish(trailer_of(blob))
                await growing.lane.run(self._commit, growing, key, check)
        finally:
            if growing.path is not None:
                growing.discard()
        return blob

    def _commit(
        self,
        system: FileSystem,
        growing: Growing,
        key: str,
        check: Callable[[FileSystem], object],
    ) -> None:
        path = f"{FOLDER}/{path_of(key)}"
        with self._commits:
            check(system)
            system.make_folder(path.rpartition("/")[0])
            growing.rename(system, path)

    def _check(
        self, key: str, if_version: str | None, system: FileSystem, *, is_open: bool
    ) -> None:
        current = _stat(system, key, None)
        if (current and current.version) != (if_version if is_open else None):
            raise changed(key)

    def _delete(self, system: FileSystem, key: str) -> None:
        path = f"{FOLDER}/{path_of(key)}"
        with self._commits:
            system.remove_file(path)
            while (path := path.rpartition("/")[0]) != FOLDER:
                if system.names(path):
                    return
                system.remove_folder(path)


def _nothing(_: FileSystem) -> None:
    """Check nothing."""


def _open(system: FileSystem, key: str, version: str | None) -> _Opened | None:
    path = f"{FOLDER}/{path_of(key)}"
    try:
        file = system.open(path)
    except ABSENT:
        return None
    try:
        opened = _Opened(file, _said(system, file, path))
    except BaseException:
        file.close()
        raise
    if version in {None, opened.blob.version}:
        return opened
    file.close()
    return None


def _said(system: FileSystem, file: IO[bytes], path: str) -> Blob:
    """Return what the end of *file* says of its blob."""
    length = size_of(file)
    wanted = min(length, OFTEN_ENOUGH)
    end = system.read_at(file, length - wanted, wanted)
    if (wanted := needed(end, length, path)) > len(end):
        end = system.read_at(file, length - wanted, wanted)
    return blob_of(end, length, path)


def _existing(system: FileSystem, key: str, version: str | None) -> _Opened:
    opened = _open(system, key, version)
    if opened is None:
        raise absent(key, version)
    return opened


def _close(_: FileSystem, opened: _Opened) -> None:
    opened.file.close()


def _stat(system: FileSystem, key: str, version: str | None) -> Blob | None:
    opened = _open(system, key, version)
    if opened is None:
        return None
    opened.file.close()
    return opened.blob


def _read(
    system: FileSystem, key: str, version: str | None, start: int, end: int | None
) -> bytes:
    opened = _existing(system, key, version)
    size = opened.blob.size
    stop = size if end is None else min(end, size)
    try:
        content = opened.read(system, start, stop - start)
    finally:
        opened.file.close()
    if (start, stop) == (0, size):
        _check_digest(opened.blob, hashlib.sha256(content), is_whole=True)
    return content


def _check_digest(blob: Blob, digest: hashlib._Hash, *, is_whole: bool) -> None:
    if is_whole and digest.hexdigest() != blob.sha256:
        raise damaged(blob.key)


def _list(system: FileSystem, prefix: str, limit: int, after: str) -> BlobPage:
    def names_of(folder: str) -> list[str]:
        return [*system.names(f"{FOLDER}/{folder}" if folder else FOLDER)]

    found: list[ListedBlob] = []
    for key, _ in keys_in(names_of, prefix, after):
        if len(found) == limit:
            return BlobPage(tuple(found), found[-1].key)
        blob = _stat(system, key, None)
        if blob is not None:  # it was not deleted since
            found.append(ListedBlob(key, blob.size, blob.modified))
    return BlobPage(tuple(found), None)
