"""Blobs in a bucket."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from pegboard import Blob, BlobPage, ListedBlob
from pegboard.contracts.blob_content import is_repeatable
from pegboard.contracts.blobs import (
    CHUNK,
    OCTETS,
    absent,
    changed,
    checked_blob_key,
    checked_digest,
    checked_expiry,
    checked_media_type,
    checked_metadata,
    checked_page,
    checked_range,
    damaged,
)
from pegboard.contracts.key_value import checked_condition
from pegboard.errors import CallError, Conflict

from ._convert import (
    attributes_of,
    blob_of,
    is_version,
    mode_of,
    options_of,
    version_of,
)
from ._errors import KNOWN, is_missing_bucket, translated
from ._running_digest import RunningDigest, digest_of
from ._upload import Upload, complete

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping

    from obstore import GetResult
    from pegboard import Context
    from pegboard.contracts.blobs import Content

    from ._service import Service, Store
    from .options import BucketOptions

NO_SUCH_RANGE = 416
LONGEST_URL = 7 * 24 * 3600.0
"""Seconds that S3 lets a URL be good for."""


class ObjectBlobs:
    """
    Blobs in a bucket.

    The SDK has threads of its own and belongs to no event loop. The digest of each
    blob stands in its metadata; versions are ETags, with the bucket's version if it
    keeps any.
    """

    def __init__(
        self, options: BucketOptions, context: Context, service: Service
    ) -> None:
        self._clock = context.clock
        self._options = options
        self._prefix = options.prefix
        self._where = service.where
        self._names = service.names
        self._connect = service.connect
        self._connected: Store | None = None

    async def ping(self) -> None:
        """Ask for one key, so that the bucket and the right to see it are there."""
        with self._errors():
            await anext(obstore.list(self._store, chunk_size=1), None)

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
        path = self._path(key)
        media_type, said = checked_media_type(media_type), checked_metadata(metadata)
        if not is_version(if_version):
            raise changed(key)
        async with complete(content, self._options.part_size) as upload:
            digest = checked_digest(key, upload.sha256, sha256)
            attributes = attributes_of(media_type, said, digest, self._names)
            try:
                with self._errors():
                    result = await obstore.put_async(
                        self._store,
                        path,
                        upload.source,
                        attributes=attributes,
                        mode=mode_of(if_version, if_absent=if_absent),
                        use_multipart=self._needs_parts(upload, if_version, if_absent),
                        chunk_size=self._options.part_size,
                        max_concurrency=self._options.parts_at_once,
                    )
            except CallError as error:
                raise _final(error, key, content) from error.__cause__
        return Blob(
            key=key,
            size=upload.size,
            version=version_of(result),
            sha256=digest,
            media_type=media_type,
            metadata=said,
            modified=self._clock(),
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
        result = await self._opened(key, version, start, end)
        if result is None:
            return b""
        with self._errors():
            content = bytes(await result.bytes_async())
        expected = self._expected(result)
        if expected and await digest_of(content) != expected:
            raise damaged(key)
        return content

    async def stream(
        self,
        key: str,
        *,
        version: str | None = None,
        start: int = 0,
        end: int | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Yield the same piece by piece."""
        result = await self._opened(key, version, start, end)
        if result is None:
            return
        first, last = result.range
        left, check = last - first, RunningDigest(self._expected(result))
        pieces = aiter(result.stream(min_chunk_size=CHUNK))
        async with check:
            while left:
                with self._errors():
                    piece = bytes(await anext(pieces, b""))
                left -= len(piece)
                await check.add(piece)
                if not piece or (not left and not await check.is_met()):
                    raise damaged(key)
                yield piece

    async def stat(self, key: str, *, version: str | None = None) -> Blob | None:
        """Return what is known of the blob *key*, or None if there is none."""
        path = self._path(key)
        if not is_version(version):
            return None
        try:
            with self._errors():
                result = await obstore.get_async(
                    self._store, path, options={**options_of(version), "head": True}
                )
        except CallError as error:
            if _is_absent(error, version):
                return None
            raise
        return self._blob(key, result)

    async def list(
        self, prefix: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> BlobPage:
        """Return up to *limit* blobs whose keys begin with *prefix*, in order."""
        limit = checked_page(prefix, limit, cursor)
        folder = f"{self._prefix}{prefix}".rpartition("/")[0]
        found: list[ListedBlob] = []
        with self._errors():
            listing = obstore.list(
                self._store,
                folder or None,
                offset=cursor and f"{self._prefix}{cursor}",
                chunk_size=limit + 1,
            )
            async for metas in listing:
                for meta in metas:
                    key = meta["path"].removeprefix(self._prefix)
                    if key.startswith(prefix) and key > (cursor or ""):
                        modified = meta["last_modified"].timestamp()
                        found.append(ListedBlob(key, meta["size"], modified))
                if len(found) > limit:
                    break
        blobs = tuple(sorted(found, key=lambda blob: blob.key)[:limit])
        return BlobPage(blobs, blobs[-1].key if len(found) > limit else None)

    async def copy(self, source: str, target: str) -> Blob:
        """Store the content of *source*, with all that is said of it, as *target*."""
        old, new = self._path(source), self._path(target)
        if old != new:  # which S3 refuses
            try:
                with self._errors():
                    await obstore.copy_async(self._store, old, new)
            except CallError as error:
                raise (
                    absent(source) if _is_absent(error) else error
                ) from error.__cause__
        blob = await self.stat(target)
        if blob is None:
            raise absent(source if old == new else target)
        return blob

    async def delete(self, key: str) -> None:
        """Remove the blob *key*. A bucket that keeps versions keeps this one, too."""
        path = self._path(key)
        try:
            with self._errors():
                await obstore.delete_async(self._store, path)
        except CallError as error:
            if not _is_absent(error):  # which S3 does not tell
                raise

    async def presign_download(self, key: str, *, expires_in: float = 3600) -> str:
        """Return a URL to GET *key* at, within *expires_in* seconds."""
        return await self._presign("GET", key, expires_in)

    async def presign_upload(self, key: str, *, expires_in: float = 3600) -> str:
        """Return a URL to PUT *key* to, within *expires_in* seconds."""
        return await self._presign("PUT", key, expires_in)

    async def aclose(self) -> None:
        """Leave the connections, which the SDK closes then."""
        self._connected = None

    @property
    def _store(self) -> Store:
        """The SDK's own object, with its connections."""
        if self._connected is None:
            self._connected = self._connect()
        return self._connected

    async def _presign(self, method: str, key: str, expires_in: float) -> str:
        path = self._path(key)
        time = timedelta(seconds=checked_expiry(expires_in, LONGEST_URL))
        with self._errors():
            return await obstore.sign_async(self._store, method, path, time)  # type: ignore[call-overload, no-any-return]  # one of its literals

    async def _opened(
        self, key: str, version: str | None, start: int, end: int | None
    ) -> GetResult | None:
        """Return what is to be read; None if these are no bytes of it."""
        checked_range(start, end)
        path = self._path(key)
        if not is_version(version):
            raise absent(key, version)
        if start == end:  # which HTTP cannot ask for
            if await self.stat(key, version=version) is None:
                raise absent(key, version)
            return None
        try:
            with self._errors():
                return await obstore.get_async(
                    self._store, path, options=options_of(version, start, end)
                )
        except CallError as error:
            if error.status == NO_SUCH_RANGE:
                return None
            if _is_absent(error, version):
                raise absent(key, version) from error.__cause__
            raise

    def _path(self, key: str) -> str:
        return f"{self._prefix}{checked_blob_key(key)}"

    def _needs_parts(
        self,
        upload: Upload,
        if_version: str | None,
        if_absent: bool,  # noqa: FBT001 - as the contract has it
    ) -> bool:
        """Return whether to send parts, which the SDK cannot under a condition."""
        is_free = if_version is None and not if_absent
        return is_free and upload.size > self._options.part_size

    def _expected(self, result: GetResult) -> str | None:
        """Return the digest of what is read, if that is all there is."""
        is_all = result.range == (0, result.meta["size"])
        return self._blob("", result).sha256 if is_all else None

    def _blob(self, key: str, result: GetResult) -> Blob:
        return blob_of(key, result.meta, result.attributes, self._names)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except KNOWN as error:
            raise translated(error, self._where) from error


def _final(error: CallError, key: str, content: Content) -> CallError:
    """Return *error* of storing *content* as it is for who may want to repeat it."""
    if isinstance(error, Conflict):
        return changed(key)
    if not is_repeatable(content):  # it is used up: a repeat would store nothing
        error.retryable = False
    return error


def _is_absent(error: CallError, version: str | None = None) -> bool:
    cause = error.__cause__
    if isinstance(cause, FileNotFoundError):
        return not is_missing_bucket(cause)
    # Another version is there, or the version is none that the bucket could have.
    is_other = isinstance(error, Conflict) or error.code == "InvalidArgument"
    return version is not None and is_other
