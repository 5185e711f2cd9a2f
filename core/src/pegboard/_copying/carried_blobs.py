"""Blobs that are carried from one storage to another."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, NamedTuple

from pegboard._gather import gather
from pegboard.contracts.blobs import MOST_BLOBS, Blob, Blobs, VersionedBlobs
from pegboard.errors import InvalidReply, NotFound

from .carrying import Item, Items, some_at_a_time

AT_ONCE = 8
DAMAGED = "its content is not what was stored"
Digest = Callable[[Blob], Coroutine[Any, Any, str]]


class Origin(NamedTuple):
    """Where the content of a blob comes from, the oldest version first."""

    side: CarriedBlobs
    versions: list[Blob]


class CarriedBlobs:
    """
    The blobs of *store* whose keys begin with *prefix*.

    With *versions*, all versions that there are of each, else the newest alone.
    """

    def __init__(
        self, store: Blobs, prefix: str, versions: VersionedBlobs | None
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._versions = versions

    async def pages(self) -> AsyncGenerator[Items, None]:
        """Yield all of them, some at a time."""
        async for page in self._keys():
            for keys in some_at_a_time(page, AT_ONCE):
                yield await self.find(keys)

    async def count(self) -> int:
        """Return how many there are."""
        return sum([len(keys) async for keys in self._keys()])

    async def find(self, names: Iterable[str]) -> Items:
        """Return what is known of those with these *names* that exist."""
        return await self._items(names, self._known_digest)

    async def read(self, names: Iterable[str]) -> Items:
        """Return the same, after having read all of their contents."""
        return await self._items(names, self.digest)

    async def store(self, items: Items, there: Items) -> None:
        """Store *items*; what was *there* before is begun, or is to be replaced."""
        call = partial(self._store_one, there)
        for outcome in await gather(call, items.items(), at_once=AT_ONCE):
            outcome.result  # noqa: B018 - raises what went wrong

    def stream(self, blob: Blob) -> AsyncGenerator[bytes, None]:
        """Yield the content of *blob*, or of what has replaced it."""
        version = blob.version if self._versions else None
        return self._store.stream(blob.key, version=version)

    async def digest(self, blob: Blob) -> str:
        """Return the digest of the content of *blob*, read now."""
        digest = hashlib.sha256()
        async with aclosing(self.stream(blob)) as pieces:
            async for piece in pieces:
                digest.update(piece)
        return digest.hexdigest()

    async def _known_digest(self, blob: Blob) -> str:
        return blob.sha256 or await self.digest(blob)

    async def _items(self, names: Iterable[str], digest: Digest) -> Items:
        call = partial(self._item, digest)
        outcomes = await gather(call, names, at_once=AT_ONCE)
        found = {outcome.item: outcome.result for outcome in outcomes}
        return {key: item for key, item in found.items() if item is not None}

    async def _item(self, digest: Digest, key: str) -> Item | None:
        versions = await self._all_versions(key)
        try:
            parts = [_part(blob, await digest(blob)) for blob in versions]
        except NotFound:  # it was deleted meanwhile
            return None
        except InvalidReply:
            return Item((DAMAGED,), Origin(self, versions))
        return Item(tuple(parts), Origin(self, versions)) if parts else None

    async def _all_versions(self, key: str) -> list[Blob]:
        if self._versions is not None:
            return list(reversed(await self._versions.versions(key)))
        blob = await self._store.stat(key)
        return [] if blob is None else [blob]

    async def _store_one(self, there: Items, named: tuple[str, Item]) -> None:
        key, wanted = named
        begun = there.get(key)
        if begun is not None and not begun.is_begun(wanted):
            await self._make_room(key)
            begun = None
        origin: Origin = wanted.content
        for blob in origin.versions[len(begun.parts) if begun else 0 :]:
            with suppress(NotFound):  # it was deleted meanwhile
                await self._put(blob, origin.side)

    async def _make_room(self, key: str) -> None:
        if self._versions is not None:  # else it is replaced
            await self._store.delete(key)

    async def _put(self, blob: Blob, origin: CarriedBlobs) -> None:
        async with aclosing(origin.stream(blob)) as content:
            await self._store.put(
                blob.key, content, media_type=blob.media_type, metadata=blob.metadata
            )

    async def _keys(self) -> AsyncGenerator[tuple[str, ...], None]:
        cursor = None
        while True:
            page = await self._store.list(self._prefix, limit=MOST_BLOBS, cursor=cursor)
            yield page.keys
            if (cursor := page.cursor) is None:
                return


def _part(blob: Blob, digest: str) -> tuple[object, ...]:
    return (digest, blob.size, blob.media_type, tuple(sorted(blob.metadata.items())))


def blob_sides(source: Blobs, target: Blobs, prefix: str) -> list[CarriedBlobs]:
    """Return both as what is carried: with all versions, if both of them have some."""
    versioned = [_versioned(one) for one in (source, target)]
    if None in versioned:
        versioned = [None, None]
    return [
        CarriedBlobs(one, prefix, versions)
        for one, versions in zip((source, target), versioned, strict=True)
    ]


def _versioned(store: Any) -> VersionedBlobs | None:
    return store if callable(getattr(store, "versions", None)) else None
