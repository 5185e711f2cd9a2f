"""
Stores of blobs that each break one promise, and the kit run against them.

Not collected by itself: ``test_blobs_kit.py`` runs it and looks at what fails.
"""

from __future__ import annotations

import asyncio
import io
import os
import unicodedata
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import hypothesis
import pytest
from pegboard import BlobPage, ListedBlob, StorageProvider, hookimpl
from pegboard.builtin.files import FileBlobs, FilesOptions
from pegboard.contracts.blobs import CHUNK, changed
from pegboard.errors import CallError, InvalidReply, InvalidRequest
from pegboard.testing.blobs import (
    EXAMPLES,
    PersistentBlobsContract,
    VersionedBlobsContract,
)


class Sound(FileBlobs):
    """A store that keeps every promise."""

    caught_by: ClassVar[tuple[str, ...]] = ()
    """The tests that have to fail."""


class KnowsOneTypeOfFile(Sound):
    caught_by = ("test_content_may_be_given_in_many_ways",)

    async def put(self, key, content, **options):
        if isinstance(content, io.BytesIO):
            msg = "not a BinaryIO"
            raise InvalidRequest(msg)
        return await super().put(key, content, **options)


class RenamesKeys(Sound):
    """What keys become is for those that are broken to say."""

    def renamed(self, key):
        return key

    async def put(self, key, content, **options):
        blob = await super().put(self.renamed(key), content, **options)
        return replace(blob, key=key)

    async def get(self, key, **options):
        return await super().get(self.renamed(key), **options)

    async def stat(self, key, **options):
        blob = await super().stat(self.renamed(key), **options)
        return blob and replace(blob, key=key)


class FlattensKeys(RenamesKeys):
    caught_by = ("test_keys_do_not_meet", "test_keys_are_listed_as_they_were_given")

    def renamed(self, key):
        return key.replace("/", "_")


class IgnoresCase(RenamesKeys):
    caught_by = ("test_keys_do_not_meet",)

    def renamed(self, key):
        return key.casefold()


class QuotesTwice(RenamesKeys):
    caught_by = ("test_keys_do_not_meet",)

    def renamed(self, key):
        return key.replace("%2F", "/").replace("%2f", "/")


class ComposesKeys(RenamesKeys):
    caught_by = ("test_bad_key_is_refused",)

    def renamed(self, key):
        return unicodedata.normalize("NFC", key) if isinstance(key, str) else key


class FollowsDots(RenamesKeys):
    caught_by = ("test_bad_key_is_refused",)

    def renamed(self, key):
        return os.path.normpath(key).lstrip("./") if key else key


class MetadataBySuffix(Sound):
    caught_by = ("test_keys_do_not_meet",)

    def __init__(self, options, context):
        super().__init__(options, context)
        self.said = {}

    async def put(self, key, content, **options):
        blob = await super().put(key, content, **options)
        self.said[Path(key).with_suffix(".meta")] = blob.metadata
        return blob

    async def stat(self, key, **options):
        blob = await super().stat(key, **options)
        return blob and replace(
            blob, metadata=self.said[Path(key).with_suffix(".meta")]
        )


class MetadataIsAnAlias(MetadataBySuffix):
    caught_by = ("test_known_metadata_is_a_copy",)


class MetadataStays(MetadataBySuffix):
    caught_by = ("test_new_content_has_its_own_metadata",)

    async def put(self, key, content, **options):
        known = await super().stat(key)
        options["metadata"] = options.get("metadata") or (known and known.metadata)
        return await super().put(key, content, **options)


class VersionsAreBesides(Sound):
    caught_by = ("test_versions_do_not_show",)

    async def put(self, key, content, **options):
        old = await super().stat(key)
        if old is not None:
            await super().put(f"{key}_{old.version}", b"")
        return await super().put(key, content, **options)


class VersionsShareTheirNames(Sound):
    caught_by = ("test_version_belongs_to_its_key",)

    def __init__(self, options, context):
        super().__init__(options, context)
        history = self._folder._history
        self._folder._history = lambda key: history(
            key.replace("/", "_").replace("%2f", "_")
        )


class VersionsOutliveTheBlob(Sound):
    caught_by = ("test_missing_blob_has_no_versions",)

    async def delete(self, key):
        history = self._folder._history
        self._folder._history = lambda key: Path("nowhere") / key
        try:
            await super().delete(key)
        finally:
            self._folder._history = history


class VersionIsEmpty(Sound):
    caught_by = ("test_new_content_has_a_new_version",)

    async def put(self, key, content, **options):
        return replace(await super().put(key, content, **options), version="")


class AnyVersionWillDo(Sound):
    caught_by = ("test_current_version_can_be_asked_for",)

    async def get(self, key, *, version=None, **options):  # noqa: ARG002 - the fault
        return await super().get(key, **options)


class EveryErrorIsAbsence(Sound):
    caught_by = ("test_bad_key_is_refused",)

    async def stat(self, key, **options):
        with suppress(CallError):
            return await super().stat(key, **options)


class ReadsWholeFiles(Sound):
    caught_by = ("test_large_blob_needs_little_memory",)

    async def stream(self, key, **options):
        content = await super().get(key, **options)
        for start in range(0, len(content), CHUNK):
            yield content[start : start + CHUNK]


class GathersStreams(Sound):
    caught_by = ("test_large_blob_needs_little_memory",)

    async def put(self, key, content, **options):
        if hasattr(content, "__aiter__"):
            try:
                content = b"".join([piece async for piece in content])
            except (OSError, TypeError) as error:
                raise InvalidRequest(str(error)) from error
        return await super().put(key, content, **options)


class BelievesWhatItReads(Sound):
    caught_by = ("test_damage_is_noticed", "test_damage_is_noticed_before_the_end")

    async def stream(self, key, **options):
        file = await self._open(key, options.get("version"))
        try:
            left = file.blob.size
            os.lseek(file._descriptor, 0, os.SEEK_SET)
            while left:
                piece = os.read(file._descriptor, min(CHUNK, left))
                left -= len(piece)
                yield piece
        finally:
            file.close()

    async def get(self, key, **options):
        return b"".join([piece async for piece in self.stream(key, **options)])


class ComparesTooLate(BelievesWhatItReads):
    caught_by = ("test_damage_is_noticed_before_the_end",)

    async def stream(self, key, **options):
        async for piece in super().stream(key, **options):
            yield piece
        msg = "The digest differs."
        raise InvalidReply(msg)


class IgnoresTheExpectedDigest(Sound):
    caught_by = ("test_expected_digest_is_compared",)

    async def put(self, key, content, *, sha256=None, **options):  # noqa: ARG002 - the fault
        return await super().put(key, content, **options)


class LooksBeforeItStores(Sound):
    caught_by = ("test_one_task_is_first", "test_one_task_replaces")

    async def put(self, key, content, *, if_version=None, if_absent=False, **options):
        known = await self.stat(key)
        if (if_version or if_absent) and (known and known.version) != if_version:
            raise changed(key)
        return await super().put(key, content, **options)


class IgnoresConditionsOfStreams(Sound):
    caught_by = ("test_conditions_hold_for_streams",)

    async def put(self, key, content, **options):
        if hasattr(content, "__aiter__"):
            options.pop("if_version", None)
            options.pop("if_absent", None)
        return await super().put(key, content, **options)


class BeginsWithAnEmptyBlob(Sound):
    caught_by = (
        "test_unfinished_blob_is_not_seen",
        "test_failing_stream_leaves_what_was_there",
    )

    async def put(self, key, content, **options):
        if hasattr(content, "__aiter__"):
            await super().put(key, b"")
        return await super().put(key, content, **options)


class StoresWhatHasArrived(Sound):
    caught_by = ("test_unfinished_blob_is_not_seen",)

    async def put(self, key, content, **options):
        if not hasattr(content, "__aiter__"):
            return await super().put(key, content, **options)
        whole = bytearray()
        try:
            async for piece in content:
                whole += piece
        finally:
            blob = await asyncio.shield(super().put(key, bytes(whole), **options))
        return blob


class RangesIncludeTheirEnd(Sound):
    caught_by = ("test_random_range_is_that_of_a_slice",)

    async def get(self, key, *, end=None, **options):
        return await super().get(key, end=end and end + 1, **options)


class GivesBytearrays(Sound):
    caught_by = ("test_content_comes_back_as_it_was",)

    async def get(self, key, **options):
        return bytearray(await super().get(key, **options))


class PrefixesAreFolders(Sound):
    caught_by = ("test_prefix_is_text",)

    async def list(self, prefix="", **options):
        return await super().list(prefix and prefix.rstrip("/") + "/", **options)


class PagesRepeatTheirCursor(Sound):
    caught_by = ("test_pages_show_every_key_once",)

    async def list(self, prefix="", *, limit=100, cursor=None):
        page = await super().list(prefix, limit=limit, cursor=cursor and cursor[:-1])
        return BlobPage(page.blobs, page.cursor)


class FilesComeFirst(Sound):
    caught_by = ("test_pages_show_every_key_once",)

    async def list(self, prefix="", **options):
        page = await super().list(prefix, **options)
        blobs = sorted(page.blobs, key=lambda blob: (blob.key.count("/"), blob.key))
        return BlobPage(tuple(blobs), page.cursor)


class LastPageHasACursor(Sound):
    caught_by = ("test_last_page_has_no_cursor",)

    async def list(self, prefix="", **options):
        page = await super().list(prefix, **options)
        return BlobPage(
            page.blobs, page.cursor or (page.keys and page.keys[-1]) or None
        )


class ShowsWhatIsIncoming(Sound):
    caught_by = ("test_unfinished_blob_is_not_seen",)

    async def list(self, prefix="", **options):
        page = await super().list(prefix, **options)
        growing = self._folder._incoming
        files = growing.iterdir() if growing.exists() else ()
        shown = [ListedBlob(file.name, 0, 0) for file in files]
        return BlobPage((*page.blobs, *shown), page.cursor)


class CopiesContentAlone(Sound):
    caught_by = ("test_copy_has_all_of_the_original",)

    async def copy(self, source, target):
        return await self.put(target, await self.get(source))


class CopyEmptiesItself(Sound):
    caught_by = ("test_copy_onto_itself_changes_nothing",)

    async def copy(self, source, target):
        blob = await super().copy(source, target)
        return await self.put(target, b"") if source == target else blob


class RewindsFiles(Sound):
    caught_by = ("test_file_is_read_from_where_it_stands",)

    async def put(self, key, content, **options):
        if hasattr(content, "seek"):
            content.seek(0)
        return await super().put(key, content, **options)


class ClosesFilesOfOthers(Sound):
    caught_by = ("test_file_is_read_from_where_it_stands",)

    async def put(self, key, content, **options):
        blob = await super().put(key, content, **options)
        if hasattr(content, "close"):
            content.close()
        return blob


class ErrorsOfStreamsAreRaw(Sound):
    caught_by = ("test_failing_stream_leaves_what_was_there",)

    async def put(self, key, content, **options):
        try:
            return await super().put(key, content, **options)
        except InvalidRequest as error:
            raise error.__cause__ or error from None


class LeavesFilesOpen(Sound):
    caught_by = ("test_stream_that_is_left_leaves_nothing",)

    async def stream(self, key, **options):
        left_open = await self._open(key, None)
        async for piece in super().stream(key, **options):
            yield piece
        left_open.close()


class BelongsToItsFirstLoop(Sound):
    caught_by = (
        "test_event_loops_may_follow_each_other",
        "test_threads_may_share_a_store",
    )

    loop = None

    async def put(self, key, content, **options):
        self.check()
        return await super().put(key, content, **options)

    async def copy(self, source, target):
        self.check()
        return await super().copy(source, target)

    def check(self):
        self.loop = self.loop or asyncio.get_running_loop()
        if self.loop is not asyncio.get_running_loop():
            msg = "attached to a different loop"
            raise RuntimeError(msg)


class ForgetsWithTheBoard(Sound):
    caught_by = ("test_blobs_outlive_the_board",)

    async def aclose(self):
        for key in (await self.list()).keys:
            await self.delete(key)


class Offer:
    """A plugin that offers one store."""

    def __init__(self, store):
        self.store = store

    @hookimpl
    def pegboard_storage_providers(self):
        """Offer the store under a name of its own."""
        return [
            StorageProvider(
                name="sample",
                factory=self.store,
                options=FilesOptions,
                contracts={"Blobs": 1, "VersionedBlobs": 1},
            )
        ]


class Kit(PersistentBlobsContract, VersionedBlobsContract):
    """The kit, for one of the stores."""

    __test__ = False
    store_class: ClassVar[type[Sound]]
    examples = hypothesis.settings(EXAMPLES, phases=[hypothesis.Phase.generate])
    """Nobody reads what fails here, so it is not made short."""

    @pytest.fixture
    def plugins(self):
        """Return what offers the store."""
        return [Offer(self.store_class)]

    @pytest.fixture
    def settings(self, tmp_path):
        """Return settings that name the store."""
        return {
            "provider": "sample",
            "path": tmp_path / "store",
            "keep_versions": 3,
            "durability": "process",
        }

    @pytest.fixture
    def damage(self, tmp_path):
        """Return a function that changes a byte of a stored file."""

        async def damage(key):
            with (tmp_path / "store" / ".pegboard" / "blobs" / f"{key}=").open(
                "r+b"
            ) as file:
                byte = file.read(1)[0]
                file.seek(0)
                file.write(bytes([byte ^ 1]))

        return damage


STORES = [
    kind
    for kind in [*vars().values()]
    if isinstance(kind, type) and issubclass(kind, Sound)
]
globals().update(
    {
        f"Test{store.__name__}": type(
            f"Test{store.__name__}", (Kit,), {"store_class": store, "__test__": True}
        )
        for store in STORES
    }
)
