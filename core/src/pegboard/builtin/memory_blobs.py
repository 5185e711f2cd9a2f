"""Blobs in the memory of this process."""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from pegboard.contracts.blob_content import pieces
from pegboard.contracts.blobs import (
    CHUNK,
    OCTETS,
    Blob,
    BlobPage,
    ListedBlob,
    absent,
    changed,
    checked_blob_key,
    checked_digest,
    checked_media_type,
    checked_metadata,
    checked_page,
    checked_range,
)
from pegboard.contracts.key_value import checked_condition, new_version

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from pegboard.contracts.blobs import Content
    from pegboard.descriptors import Context
    from pegboard.errors import CallError


class _Stored(NamedTuple):
    blob: Blob
    content: bytes


class MemoryBlobs:
    """Blobs in the memory of this process. Threads may share them."""

    def __init__(self, context: Context, *, keep_versions: int) -> None:
        self._address = context.address
        self._clock = context.clock
        self._most = keep_versions + 1
        self._stored: dict[str, list[_Stored]] = {}
        self._lock = Lock()

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
        media_type, said = checked_media_type(media_type), checked_metadata(metadata)
        whole = await _read(content)
        digest = checked_digest(key, hashlib.sha256(whole).hexdigest(), sha256)
        blob = Blob(
            key=key,
            size=len(whole),
            version=new_version(),
            sha256=digest,
            media_type=media_type,
            metadata=said,
            modified=self._clock(),
        )
        with self._lock:
            if if_version is not None or if_absent:
                self._check(key, if_version)
            kept = self._stored.get(key, [])
            self._stored[key] = [_Stored(blob, whole), *kept][: self._most]
        return _copied(blob)

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
        return self._existing(key, version).content[start:end]

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
        content = self._existing(key, version).content
        stop = min(len(content), len(content) if end is None else end)
        for begin in range(start, stop, CHUNK):
            yield content[begin : min(begin + CHUNK, stop)]

    async def stat(self, key: str, *, version: str | None = None) -> Blob | None:
        """Return what is known of the blob *key*, or None if there is none."""
        found = self._find(key, version)
        return None if found is None else _copied(found.blob)

    async def list(
        self, prefix: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> BlobPage:
        """Return up to *limit* blobs whose keys begin with *prefix*, in order."""
        limit, after = checked_page(prefix, limit, cursor), cursor or ""
        with self._lock:
            found = [
                ListedBlob(key, versions[0].blob.size, versions[0].blob.modified)
                for key, versions in self._stored.items()
                if key.startswith(prefix) and key > after
            ]
        first = heapq.nsmallest(limit + 1, found, key=lambda blob: blob.key)
        more = len(first) > limit
        return BlobPage(tuple(first[:limit]), first[limit - 1].key if more else None)

    async def copy(self, source: str, target: str) -> Blob:
        """Store the content of *source*, with all that is said of it, as *target*."""
        blob, content = self._existing(source, None)
        return await self.put(
            target, content, media_type=blob.media_type, metadata=blob.metadata
        )

    async def delete(self, key: str) -> None:
        """Remove the blob *key* and its older versions, if there are any."""
        checked_blob_key(key)
        with self._lock:
            self._stored.pop(key, None)

    async def versions(self, key: str) -> Sequence[Blob]:
        """Return all versions of *key* that there are, the newest first."""
        kept = self._stored.get(checked_blob_key(key), ())
        return [_copied(stored.blob) for stored in kept]

    def _find(self, key: str, version: str | None) -> _Stored | None:
        kept = self._stored.get(checked_blob_key(key), ())
        return next((s for s in kept if version in {None, s.blob.version}), None)

    def _existing(self, key: str, version: str | None) -> _Stored:
        found = self._find(key, version)
        if found is None:
            raise self._placed(absent(key, version))
        return found

    def _check(self, key: str, version: str | None) -> None:
        found = self._find(key, None)
        if (found and found.blob.version) != version:
            raise self._placed(changed(key))

    def _placed(self, error: CallError) -> CallError:
        error.address = self._address
        return error


def _copied(blob: Blob) -> Blob:
    return replace(blob, metadata=dict(blob.metadata))


async def _read(content: Content) -> bytes:
    if isinstance(content, bytes):
        return content
    whole = bytearray()
    async with pieces(content) as read:
        async for piece in read:
            whole += piece
    return bytes(whole)
