"""
Stores of files that each break one promise, and the kit run against them.

Not collected by itself: ``test_files_kit.py`` runs it and looks at what fails.
"""

from __future__ import annotations

import asyncio
import io
import os
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import hypothesis
import pytest
from pegboard import StorageProvider, hookimpl
from pegboard.builtin.files import FileBlobs, FilesOptions
from pegboard.contracts.blob_content import pieces
from pegboard.contracts.blobs import CHUNK
from pegboard.contracts.file_guards import FileGuards
from pegboard.contracts.files import exists_already
from pegboard.errors import CallError, Conflict, InvalidRequest, NotFound
from pegboard.testing.files import EXAMPLES, PersistentFilesContract


class Sound:
    """A store that keeps every promise."""

    caught_by: ClassVar[tuple[str, ...]] = ()
    """The tests that have to fail."""

    def __init__(self, options, context):
        self.root = options.path
        self.whole = FileBlobs(options, context).parts["Files"]

    def __getattr__(self, name):
        return getattr(self.whole, name)

    def at(self, path):
        """Return where *path* is, made sure of its folder."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


class WritesInPlace(Sound):
    caught_by = (
        "test_unfinished_file_is_not_seen",
        "test_failing_stream_leaves_what_was_there",
        "test_cancelled_write_writes_all_or_nothing",
    )

    async def write(self, path, content, *, if_absent=False):
        if if_absent or isinstance(content, bytes):
            return await self.whole.write(path, content, if_absent=if_absent)
        with self.at(path).open("wb") as file:
            async with pieces(content) as read:
                async for piece in read:
                    await asyncio.sleep(0)
                    file.write(piece)
        return await self.whole.stat(path)


class SharesOneBuffer(Sound):
    caught_by = ("test_readers_see_one_whole_file",)

    def __init__(self, options, context):
        super().__init__(options, context)
        self.buffer = b""

    async def write(self, path, content, **options):
        if not isinstance(content, bytes):
            return await self.whole.write(path, content, **options)
        self.buffer = b""
        for part in (content[:CHUNK], content[CHUNK:]):
            self.buffer += part
            await asyncio.sleep(0)
        return await self.whole.write(path, self.buffer, **options)


class TemporaryFileBeside(Sound):
    caught_by = ("test_unfinished_file_is_not_seen", "test_files_do_not_meet")

    async def write(self, path, content, *, if_absent=False):
        if isinstance(path, str) and path == "a":
            beside = self.at("a.tmp")
            beside.write_bytes(b"")
            entry = await self.whole.write(path, content, if_absent=if_absent)
            beside.unlink()
            return entry
        return await self.whole.write(path, content, if_absent=if_absent)


class KnowsOneTypeOfFile(Sound):
    caught_by = ("test_content_may_be_given_in_many_ways",)

    async def write(self, path, content, **options):
        if isinstance(content, io.BytesIO):
            msg = "not a BinaryIO"
            raise InvalidRequest(msg)
        return await self.whole.write(path, content, **options)


class KeepsWhatWasLonger(Sound):
    caught_by = ("test_new_content_replaces_all_of_the_old",)

    async def write(self, path, content, **options):
        try:
            old = await self.whole.read(path)
        except CallError:
            old = b""
        if isinstance(content, bytes):
            content += old[len(content) :]
        return await self.whole.write(path, content, **options)


class LooksThenWrites(Sound):
    caught_by = ("test_one_task_is_first",)

    async def write(self, path, content, *, if_absent=False):
        if if_absent and await self.whole.exists(path):
            raise exists_already(path)
        return await self.whole.write(path, content)


class ForgetsIfAbsent(Sound):
    caught_by = ("test_write_if_absent_writes_once",)

    async def write(self, path, content, **_):
        return await self.whole.write(path, content)


class TakesAnyPath(Sound):
    caught_by = ("test_bad_path_is_refused",)

    async def read(self, path, **_):
        try:
            return (self.root / str(path)).read_bytes()
        except (OSError, ValueError) as error:
            raise NotFound(str(error)) from error


class CleansPaths(Sound):
    caught_by = ("test_bad_path_is_refused",)

    async def exists(self, path):
        if isinstance(path, str):
            path = os.path.normpath(path).strip("/")  # noqa: ASYNC240 - no I/O
            path = unicodedata.normalize("NFC", path.replace("..", ""))
        return await self.whole.exists(path)


class AllowsTheNamesOfThisSystem(Sound):
    caught_by = ("test_bad_path_is_refused",)

    async def mkdir(self, path):
        if isinstance(path, str) and path.lower().startswith(("nul", "com")):
            self.at(path).mkdir(exist_ok=True)
            return
        await self.whole.mkdir(path)


class OverwritesFolders(Sound):
    caught_by = (
        "test_folder_does_not_replace_a_folder",
        "test_random_calls_agree_with_the_model",
    )

    async def move(self, source, target):
        try:
            await self.whole.move(source, target)
        except Conflict:
            await self.whole.remove_all(target)
            await self.whole.move(source, target)


class MovesByPrefix(Sound):
    caught_by = ("test_folder_moves_with_all_that_is_in_it",)

    async def move(self, source, target):
        await self.whole.move(source, target)
        for path in [*self.root.glob(f"{source}*")]:
            path.rename(self.root / f"{target}{path.name.removeprefix(source)}")


class RemovesByPrefix(Sound):
    caught_by = ("test_all_in_a_folder_can_be_removed",)

    async def remove_all(self, path):
        await self.whole.remove_all(path)
        for other in (await self.whole.list()).paths:
            if other.startswith(path):
                await self.whole.remove_all(other)


class RemovesWhatIsFull(Sound):
    caught_by = (
        "test_file_in_place_of_a_folder_is_a_conflict",
        "test_random_calls_agree_with_the_model",
    )

    async def remove(self, path):
        await self.whole.remove_all(path)


class MovingForgetsTheOld(Sound):
    caught_by = ("test_moving_replaces_a_file",)

    async def move(self, source, target):
        await self.whole.copy(source, target)


class CopiesByLink(Sound):
    caught_by = ("test_copy_is_apart_from_its_source",)

    async def copy(self, source, target):
        entry = await self.whole.copy(source, target)
        if source != target:
            self.at(target).unlink()
            os.link(self.at(source), self.at(target))
        return entry

    async def write(self, path, content, **options):
        entry = await self.whole.write(path, content, **options)
        for other in self.root.rglob("*"):
            if other.is_file() and other.name == "b" and path == "a":
                other.write_bytes(self.at(path).read_bytes())
        return entry


class AnyErrorIsAbsence(Sound):
    caught_by = ("test_bad_path_is_refused",)

    async def stat(self, path):
        try:
            return await self.whole.stat(path)
        except CallError:
            return None


class RangesWithoutRules(Sound):
    caught_by = ("test_bad_range_is_refused",)

    async def read(self, path, *, start=0, end=None):
        return (await self.whole.read(path))[start:end]


class RangesOneTooLong(Sound):
    caught_by = ("test_range_is_that_of_a_slice",)

    async def read(self, path, *, start=0, end=None):
        return await self.whole.read(path, start=start, end=end and end + 1)


class ListsAllThatIsBelow(Sound):
    caught_by = ("test_pages_show_every_entry_once",)

    async def list(self, folder="", *, limit=100, cursor=None):
        page = await self.whole.list(folder, limit=limit, cursor=cursor)
        inside = [e for e in page.entries if e.is_folder and cursor is None]
        below = [
            e
            for f in inside
            for e in (await self.whole.list(f.path, limit=1000)).entries
        ]
        return replace(page, entries=(*page.entries, *below)[: max(limit, 1)])


class ListsByFoldersFirst(Sound):
    caught_by = ("test_pages_show_every_entry_once",)

    async def list(self, folder="", *, limit=100, cursor=None):
        page = await self.whole.list(folder, limit=limit, cursor=cursor)
        first = sorted(page.entries, key=lambda entry: not entry.is_folder)
        return replace(page, entries=tuple(first))


class ListsItsOwn(Sound):
    caught_by = ("test_missing_file_is_not_found", "test_root_is_an_empty_folder")

    async def list(self, folder="", **options):
        page = await self.whole.list(folder, **options)
        self.at(".pegboard").mkdir(exist_ok=True)
        entry = replace(await self.whole.stat(""), path=".pegboard")
        return page if folder else replace(page, entries=(entry, *page.entries))


class CutsTheLastPage(Sound):
    caught_by = ("test_pages_show_every_entry_once",)

    async def list(self, folder="", *, limit=100, cursor=None):
        page = await self.whole.list(folder, limit=limit, cursor=cursor)
        full = len(page.entries) == limit
        last = page.entries[-1].name if full else None
        return replace(page, cursor=last)


class TellsSizesOfFolders(Sound):
    caught_by = ("test_root_is_an_empty_folder",)

    async def stat(self, path):
        entry = await self.whole.stat(path)
        return entry and replace(entry, size=(self.root / path).stat().st_size)


class ChecksExtensionsOfPaths(Sound):
    caught_by = ("test_other_extensions_are_refused",)

    def __init__(self, options, context):
        super().__init__(options, context)

        class Guards(FileGuards):
            def check(self, path):
                fits = self.extensions and any(e in path for e in self.extensions)
                return path if fits else super().check(path)

        guards = self.whole._guards
        self.whole._guards = Guards(guards.extensions, guards.max_size)


class ChecksExtensionsOnWriting(Sound):
    caught_by = ("test_files_with_other_extensions_are_left_alone",)

    async def read(self, path, **_):
        return (self.root / path).read_bytes()


class MeasuresWhatIsWhole(Sound):
    caught_by = ("test_longer_content_is_refused",)

    async def write(self, path, content, **options):
        if isinstance(content, bytes):
            return await self.whole.write(path, content, **options)
        guards, self.whole._guards = self.whole._guards, FileGuards(None, None)
        try:
            return await self.whole.write(path, content, **options)
        finally:
            self.whole._guards = guards


class ReadsAllBeforeTheFirstPiece(Sound):
    caught_by = ("test_large_file_needs_little_memory",)

    async def stream(self, path, *, start=0, end=None):
        content = await self.whole.read(path, start=start, end=end)
        for begin in range(0, len(content), CHUNK):
            yield content[begin : begin + CHUNK]


class LeavesFilesOpen(Sound):
    caught_by = ("test_stream_that_is_left_leaves_nothing",)

    def __init__(self, options, context):
        super().__init__(options, context)
        self.open = []

    async def stream(self, path, **options):
        async for piece in self.whole.stream(path, **options):
            self.open.append(os.open(Path(self.root) / path, os.O_RDONLY))
            yield piece
        for file in self.open:
            os.close(file)


class BelongsToOneLoop(Sound):
    caught_by = (
        "test_event_loops_may_follow_each_other",
        "test_threads_may_share_a_store",
    )

    def __init__(self, options, context):
        super().__init__(options, context)
        self.loop = None

    def check(self):
        self.loop = self.loop or asyncio.get_running_loop()
        if self.loop is not asyncio.get_running_loop():
            msg = "attached to a different loop"
            raise RuntimeError(msg)

    async def write(self, path, content, **options):
        self.check()
        return await self.whole.write(path, content, **options)

    async def copy(self, source, target):
        self.check()
        return await self.whole.copy(source, target)


class ForgetsWithTheBoard(Sound):
    caught_by = ("test_files_outlive_the_board",)

    async def aclose(self):
        for path in (await self.whole.list()).paths:
            await self.whole.remove_all(path)


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
                contracts={"Files": 1},
            )
        ]


class Kit(PersistentFilesContract):
    """The kit, for one of the stores."""

    __test__ = False
    store_class: ClassVar[type[Sound]]
    examples = hypothesis.settings(
        EXAMPLES, max_examples=15, phases=[hypothesis.Phase.generate]
    )
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
            "durability": "process",
        }


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
