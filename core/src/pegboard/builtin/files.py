"""Files, and blobs, in a folder that all processes of a machine may share."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from pydantic import AfterValidator, Field

from pegboard import errors
from pegboard.contracts.blob_content import in_thread, pieces
from pegboard.contracts.blobs import (
    OCTETS,
    Blob,
    BlobPage,
    absent,
    checked_blob_key,
    checked_digest,
    checked_media_type,
    checked_metadata,
    checked_page,
    checked_range,
)
from pegboard.contracts.file_guards import FileGuards, checked_extension
from pegboard.contracts.files import OWN
from pegboard.contracts.key_value import checked_condition, new_version
from pegboard.options import Options

from ._blob_folder import BlobFolder
from ._folder import Folder
from ._machine_errors import machine_errors
from ._place import Root
from ._sqlite_file import Durability
from .folder_files import FolderFiles

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        Callable,
        Iterator,
        Mapping,
        Sequence,
    )
    from contextlib import AbstractContextManager

    from pegboard.contracts.blobs import Buffer, Content
    from pegboard.descriptors import Context

    from ._blob_file import IncomingBlob, StoredFile

PAUSE = 0.002
"""Seconds between two looks at a lock, which is held for less than one of them."""
Extension = Annotated[str, AfterValidator(checked_extension)]


class FilesOptions(Options):
    """Files, and blobs, in a folder that all processes of a machine may share."""

    path: Path | None = None
    """The folder. None is one in the data folder, named after the instance."""
    extensions: frozenset[Extension] | None = None
    """How names of files may end, such as ``.txt``. None is any way. Not for blobs."""
    max_size: int | None = Field(default=None, gt=0)
    """Bytes that a file may be written with. None is as many as fit. Not for blobs."""
    keep_versions: int = Field(default=0, ge=0)
    """How many replaced versions of each blob can still be read."""
    durability: Durability = "power"
    """What is stored survives: the end of the process, or a power cut too."""
    busy_timeout: float = Field(default=5.0, ge=0)
    """Seconds to wait while another process renames files."""


class FileBlobs:
    """
    Blobs in a folder, below one that is pegboard's own. Its files are a part of it.

    They are read and written in threads, by pieces. What makes a blob visible is one
    renaming, which is done where it is asked for, so that nobody can be told that it
    was cancelled when it was not.
    """

    def __init__(self, options: FilesOptions, context: Context) -> None:
        self._address = context.address
        self._clock = context.clock
        self._path = options.path or context.data_folder / quote(context.name, "")
        self._root = Root(self._path, context.data_folder)
        self._busy_timeout = options.busy_timeout
        sync = options.durability == "power"
        self._folder = BlobFolder(
            self._path / OWN, keep_versions=options.keep_versions, sync=sync
        )
        self.parts = {
            "Files": FolderFiles(
                Folder(self._root, sync=sync),
                FileGuards(options.extensions, options.max_size),
                path=self._path,
                address=self._address,
            )
        }

    async def ping(self) -> None:
        """Look for the folder, which is made if there is none."""
        with self._errors():
            await in_thread(self._prepare)

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
        checked_blob_key(key)
        described = partial(
            Blob,
            key=key,
            version=new_version(),
            media_type=checked_media_type(media_type),
            metadata=checked_metadata(metadata),
        )
        commit = partial(
            self._folder.commit, if_version=if_version, if_absent=if_absent
        )
        async with pieces(content) as read:
            return await self._store(key, read, described, sha256, commit)

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
            return await in_thread(self._read, key, version, start, end)

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
        with self._errors():
            file = await self._open(key, version)
        try:
            left = file.pieces(file.slice(start, end))
            while (piece := await self._next(left)) is not None:
                yield piece
        finally:
            file.close()

    async def stat(self, key: str, *, version: str | None = None) -> Blob | None:
        """Return what is known of the blob *key*, or None if there is none."""
        checked_blob_key(key)
        with self._errors():
            return await in_thread(self._folder.stat, key, version)

    async def list(
        self, prefix: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> BlobPage:
        """Return up to *limit* blobs whose keys begin with *prefix*, in order."""
        limit = checked_page(prefix, limit, cursor)
        with self._errors():
            return await in_thread(self._folder.list, prefix, limit, cursor or "")

    async def copy(self, source: str, target: str) -> Blob:
        """Store the content of *source*, with all that is said of it, as *target*."""
        checked_blob_key(target)
        with self._errors():
            file = await self._open(source, None)
        described = partial(
            Blob,
            key=target,
            version=new_version(),
            media_type=file.blob.media_type,
            metadata=file.blob.metadata,
        )
        commit = partial(self._folder.commit, if_version=None, if_absent=False)
        try:
            content, digest = self._content(file), file.blob.sha256
            return await self._store(target, content, described, digest, commit)
        finally:
            file.close()

    async def delete(self, key: str) -> None:
        """Remove the blob *key* and its older versions, if there are any."""
        checked_blob_key(key)
        with self._errors():
            await in_thread(self._prepare)
            async with self._alone():
                self._folder.delete(key)
            await in_thread(self._folder.settle, key)

    async def versions(self, key: str) -> Sequence[Blob]:
        """Return all versions of *key* that there are, the newest first."""
        checked_blob_key(key)
        with self._errors():
            return await in_thread(self._folder.versions, key)

    def _prepare(self) -> None:
        self._root.make()
        self._folder.prepare()

    async def _store(
        self,
        key: str,
        content: AsyncGenerator[Buffer, None],
        described: Callable[..., Blob],
        sha256: str | None,
        commit: Callable[[IncomingBlob, Blob], None],
    ) -> Blob:
        incoming = self._folder.incoming()
        try:
            await self._receive(incoming, content)
            blob = described(
                size=incoming.size,
                sha256=checked_digest(key, incoming.sha256, sha256),
                modified=self._clock(),
            )
            with self._errors():
                await in_thread(self._folder.finish, incoming, blob)
                async with self._alone():
                    commit(incoming, blob)
                await in_thread(self._folder.settle, key)
        finally:
            incoming.file.discard()
        return blob

    async def _receive(
        self, incoming: IncomingBlob, content: AsyncGenerator[Buffer, None]
    ) -> None:
        """Write *content* to *incoming*, each piece in a thread."""
        with self._errors():
            await in_thread(self._prepare)
        async for piece in content:
            with self._errors():
                await in_thread(incoming.write, piece)

    @asynccontextmanager
    async def _alone(self) -> AsyncGenerator[None, None]:
        """Keep others from changing the folder; wait for those who do."""
        with ExitStack() as held:
            await self._lock(held)
            yield

    async def _lock(self, held: ExitStack) -> None:
        time = asyncio.get_running_loop().time
        ends = time() + self._busy_timeout
        while True:
            try:
                held.enter_context(self._folder.lock())
            except BlockingIOError as error:
                if time() >= ends:
                    raise self._locked() from error
            else:
                return
            await asyncio.sleep(PAUSE)

    async def _open(self, key: str, version: str | None) -> StoredFile:
        checked_blob_key(key)
        file = await in_thread(self._folder.open, key, version, undo=_close)
        if file is None:
            raise absent(key, version)
        return file

    def _read(
        self, key: str, version: str | None, start: int, end: int | None
    ) -> bytes:
        file = self._folder.open(key, version)
        if file is None:
            raise absent(key, version)
        try:
            which = file.slice(start, end)
            return b"".join(file.pieces(which, most=max(which.size, 1)))
        finally:
            file.close()

    async def _content(self, file: StoredFile) -> AsyncGenerator[bytes, None]:
        left = file.pieces(file.slice(0, None))
        while (piece := await self._next(left)) is not None:
            yield piece

    async def _next(self, left: Iterator[bytes]) -> bytes | None:
        with self._errors():
            return await in_thread(next, left, None)

    def _locked(self) -> errors.Timeout:
        return errors.Timeout(
            f"Others kept {self._path} locked for {self._busy_timeout:g} s. Look for a "
            "process that stands still, or raise busy_timeout.",
            request_sent="no",
        )

    def _errors(self) -> AbstractContextManager[None]:
        return machine_errors(self._path, self._address)


def _close(file: StoredFile | None) -> None:
    if file is not None:
        file.close()
