"""Artifacts: versions of content by name, with tags and stages, over any blobs."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from pegboard.contracts.blobs import OCTETS, Blobs, Content, checked_blob_key
from pegboard.contracts.declare import built_on
from pegboard.contracts.key_value import decode, encode, new_version
from pegboard.errors import Conflict, InvalidRequest, NotFound

from .artifact_manifest import (
    Artifact,
    Manifest,
    Version,
    checked_choice,
    checked_label,
)
from .local_file import write_file

MOST_TRIES = 100
"""How often a change begins anew because others were faster."""
LONGEST_PAUSE = 0.1
"""Seconds before it does."""
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class ArtifactPage:
    """Some of the names of artifacts, in order."""

    names: tuple[str, ...]
    cursor: str | None
    """Where to go on; None at the end."""


@built_on(Blobs)
class Artifacts:
    """
    Versions of content by name: ``board.storage("models", Artifacts)``.

    A version is numbered and never changes; its tags do, and which version is at a
    stage such as ``production``. Each change of an artifact is one conditional put of
    its manifest: of those who push or promote at once, in whatever process, nothing is
    lost. Where a version can be chosen, it is by its number, by *stage*, or by *tag*,
    of which the newest is taken; the newest of all where nothing is said.
    """

    def __init__(self, store: Blobs, *, namespace: str = "artifacts") -> None:
        self._store = store
        self._prefix = checked_blob_key(namespace)

    async def push(  # noqa: PLR0913 - what can be said of a version
        self,
        name: str,
        content: Content,
        *,
        media_type: str = OCTETS,
        metadata: Mapping[str, Any] | None = None,
        tags: Iterable[str] = (),
        stage: str | None = None,
        sha256: str | None = None,
    ) -> Artifact:
        """
        Add a version of *name*, at once with *tags* and at *stage*, and return it.

        Raises:
            InvalidRequest: *metadata* has no JSON, or the content is not what *sha256*
                says or cannot be stored.

        """
        self._manifest_key(name)
        said = decode(name, encode(name, dict(metadata or {})))
        labels = tuple(sorted(map(checked_label, _texts(tags))))
        stage = stage and checked_label(stage)
        blob = await self._store.put(
            f"{self._prefix}/content/{new_version()}",
            content,
            media_type=media_type,
            sha256=sha256,
        )
        version = Version(
            number=0,
            content=blob.key,
            size=blob.size,
            sha256=blob.sha256 or "",
            media_type=blob.media_type,
            metadata=said,
            tags=labels,
            created=blob.modified,
        )
        await self._mark(name, labels)
        try:
            changed = await self._change(name, lambda m: m.with_version(version, stage))
        except Conflict:
            await self._store.delete(blob.key)
            raise
        return _shown_as(changed, blob.key)

    async def find(
        self,
        name: str,
        version: int | None = None,
        *,
        stage: str | None = None,
        tag: str | None = None,
    ) -> Artifact | None:
        """Return what is known of a version of *name*, or None if there is none."""
        checked_choice(version, stage, tag)
        manifest, _ = await self._manifest(name)
        found = manifest.find(version, stage, tag)
        return None if found is None else manifest.shown(found)

    async def versions(self, name: str) -> Sequence[Artifact]:
        """Return all versions of *name*, the newest first."""
        manifest, _ = await self._manifest(name)
        return [manifest.shown(one) for one in reversed(manifest.versions)]

    async def read(
        self,
        name: str,
        version: int | None = None,
        *,
        stage: str | None = None,
        tag: str | None = None,
    ) -> bytes:
        """
        Return the content of a version of *name*.

        Raises:
            NotFound: There is none.

        """
        found, _ = await self._existing(name, version, stage, tag)
        return await self._store.get(found.content)

    async def stream(
        self,
        name: str,
        version: int | None = None,
        *,
        stage: str | None = None,
        tag: str | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Yield the same piece by piece."""
        found, _ = await self._existing(name, version, stage, tag)
        async with aclosing(self._store.stream(found.content)) as pieces:
            async for piece in pieces:
                yield piece

    async def pull(
        self,
        name: str,
        target: str | os.PathLike[str],
        version: int | None = None,
        *,
        stage: str | None = None,
        tag: str | None = None,
    ) -> Artifact:
        """
        Write the content of a version of *name* into the local file *target*.

        The file is replaced when all of it is there, and its digest was compared.

        Raises:
            NotFound: There is none.
            InvalidRequest: The file cannot be written.

        """
        found, manifest = await self._existing(name, version, stage, tag)
        async with aclosing(self._store.stream(found.content)) as pieces:
            await write_file(pieces, target)
        return manifest.shown(found)

    async def promote(self, name: str, version: int, stage: str) -> Artifact:
        """
        Have *version* of *name* be the one at *stage*, and return it.

        Raises:
            NotFound: There is no such version.

        """
        checked_label(stage)
        changed = await self._change(name, lambda m: m.promoted(version, stage))
        return changed.shown(changed.version(version))

    async def tag(self, name: str, version: int, *tags: str) -> Artifact:
        """
        Add *tags* to *version* of *name* and return it.

        Raises:
            NotFound: There is no such version.

        """
        for label in tags:
            checked_label(label)
        await self._existing(name, version, None, None)
        await self._mark(name, tags)
        changed = await self._change(name, lambda m: m.tagged(version, tags))
        return changed.shown(changed.version(version))

    async def untag(self, name: str, version: int, *tags: str) -> Artifact:
        """
        Take *tags* from *version* of *name* and return it.

        Raises:
            NotFound: There is no such version.

        """
        changed = await self._change(name, lambda m: m.untagged(version, tags))
        return changed.shown(changed.version(version))

    async def find_by_tag(self, tag: str) -> Sequence[Artifact]:
        """Return all versions of all artifacts with *tag*, by name, newest first."""
        prefix = self._tag_key(tag, "")
        found: list[Artifact] = []
        cursor: str | None = None
        while True:
            page = await self._store.list(prefix, limit=1000, cursor=cursor)
            for key in page.keys:
                versions = await self.versions(key.removeprefix(prefix))
                found += (one for one in versions if tag in one.tags)
            cursor = page.cursor
            if cursor is None:
                return found

    async def names(
        self, prefix: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> ArtifactPage:
        """Return up to *limit* names that begin with *prefix*, in order."""
        lead = f"{self._prefix}/manifests/"
        page = await self._store.list(
            lead + prefix, limit=limit, cursor=cursor and lead + cursor
        )
        names = tuple(key.removeprefix(lead) for key in page.keys)
        return ArtifactPage(names, page.cursor and page.cursor.removeprefix(lead))

    async def delete_version(self, name: str, version: int) -> None:
        """
        Remove *version* of *name*, if it is there. Its number is not used again.

        Raises:
            Conflict: It is at a stage.

        """
        manifest, _ = await self._manifest(name)
        found = manifest.find(version, None, None)
        if found is not None:
            await self._change(name, lambda m: m.without(version))
            await self._store.delete(found.content)

    async def delete(self, name: str) -> None:
        """Remove all of *name*, its stages too."""
        manifest, _ = await self._manifest(name)
        await self._store.delete(self._manifest_key(name))
        for version in manifest.versions:
            await self._store.delete(version.content)

    async def _existing(
        self, name: str, version: int | None, stage: str | None, tag: str | None
    ) -> tuple[Version, Manifest]:
        checked_choice(version, stage, tag)
        manifest, _ = await self._manifest(name)
        found = manifest.find(version, stage, tag)
        if found is None:
            chosen = {"version": version, "stage": stage, "tag": tag}
            said = " and ".join(
                f"{k} {v!r}" for k, v in chosen.items() if v is not None
            )
            what = f"with the {said}" if said else "at all"
            known = ", ".join(sorted(manifest.stages or {})) or "none"
            msg = f"There is no version of {name!r} {what}. Its stages are: {known}."
            raise NotFound(msg)
        return found, manifest

    async def _change(
        self, name: str, change: Callable[[Manifest], Manifest]
    ) -> Manifest:
        """Return the manifest of *name* after *change*, which is stored by then."""
        for attempt in range(MOST_TRIES):
            manifest, stored = await self._manifest(name)
            changed = change(manifest)
            if changed == manifest:
                return manifest
            try:
                await self._store.put(
                    self._manifest_key(name),
                    changed.to_json(),
                    media_type=JSON,
                    if_version=stored,
                    if_absent=stored is None,
                )
            except Conflict:
                await asyncio.sleep(_pause(attempt))
                continue
            return changed
        raise _busy(name)

    async def _manifest(self, name: str) -> tuple[Manifest, str | None]:
        """Return the manifest of *name*, and the version that it is stored with."""
        key = self._manifest_key(name)
        for _ in range(MOST_TRIES):
            blob = await self._store.stat(key)
            if blob is None:
                return Manifest(name), None
            try:
                text = await self._store.get(key, version=blob.version)
            except NotFound:
                continue  # it was replaced in between
            return Manifest.from_json(name, text), blob.version
        raise _busy(name)

    async def _mark(self, name: str, tags: Iterable[str]) -> None:
        """
        Leave a mark by which ``find_by_tag`` looks into *name*.

        It comes before the tag and stays for ever: what has the tag is for the
        manifest to say, and a mark too many does no harm.
        """
        for tag in tags:
            try:
                await self._store.put(self._tag_key(tag, name), b"", if_absent=True)
            except Conflict:
                continue

    def _manifest_key(self, name: str) -> str:
        return f"{self._prefix}/manifests/{checked_blob_key(name)}"

    def _tag_key(self, tag: str, name: str) -> str:
        return f"{self._prefix}/tags/{checked_label(tag)}/{name}"


def _texts(tags: Iterable[str]) -> set[str]:
    if isinstance(tags, str):
        msg = f"tags is the text {tags!r}. Write them as a list: tags=[{tags!r}]."
        raise InvalidRequest(msg, request_sent="no")
    return {*tags}


def _busy(name: str) -> Conflict:
    msg = f"Others changed {name!r} in between, {MOST_TRIES} times. Try again."
    return Conflict(msg)


def _shown_as(manifest: Manifest, content: str) -> Artifact:
    return next(
        manifest.shown(one) for one in manifest.versions if one.content == content
    )


def _pause(attempt: int) -> float:
    """Return how long to wait, so that not all begin anew at the same time."""
    return random.uniform(0, min(0.001 * 2 ** min(attempt, 10), LONGEST_PAUSE))  # noqa: S311 - no secret
