"""What is carried from one storage to another, and what is said of it."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
from pegboard import (
    Blobs,
    Collection,
    Documents,
    DocumentStore,
    Files,
    Index,
    Key,
    KeyValue,
    Namespaced,
    Pegboard,
    VersionedBlobs,
    errors,
)
from pegboard.copying import (
    Copied,
    Difference,
    copy_blobs,
    copy_documents,
    copy_files,
    copy_storage,
    copy_values,
)
from pegboard.testing.clock import ManualClock
from pydantic import BaseModel

WORKER = Path(__file__).with_name("copying_worker.py")
NASTY = ("a", "a/b", "a_b", "%", "\x00", "\u00e9", "e\u0301", "\U0001f600", "k" * 999)
VALUES = {
    **dict.fromkeys(NASTY, "nasty"),
    **{f"k{n:04}": [n, {"z": 1, "a": n * 0.1}] for n in range(230)},
    "none": None,
    "half of a pair": "\ud83d",
    "big": 2**80,
}


class Emoji(BaseModel):
    name: Annotated[str, Key()]
    uses: Annotated[int, Index()] = 0


class Interrupted(Exception):
    """What Ctrl-C is to a test."""


@pytest.fixture
def clock():
    """Return a clock that is moved by hand."""
    return ManualClock()


@pytest.fixture
async def board(clock, tmp_path):
    """Return a board with some storages, all of them empty."""
    storages = {
        "memory": {"provider": "memory"},
        "versions": {"provider": "memory", "keep_versions": 9},
        "sqlite": {"provider": "sqlite"},
        "hasty": {"provider": "sqlite", "ttl": 1},
        "files": {"provider": "files"},
        "versioned-files": {"provider": "files", "keep_versions": 9},
        "few-versions": {"provider": "files", "keep_versions": 1},
    }
    settings = {"data_folder": str(tmp_path), "storage": storages}
    async with Pegboard.isolated(settings, clock=clock) as board:
        yield board


def values(board, name):
    """Return a storage as values."""
    return board.storage(name, KeyValue)


async def fill(store, items):
    """Store *items*, one by one."""
    for key, value in items.items():
        await store.set(key, value, ttl=math.inf)


async def all_of(store):
    """Return all that *store* has."""
    keys = (await store.scan(limit=10_000)).keys
    return {key: await store.get(key) for key in keys}


def at(what, step, done, act):
    """Return what does *act* when a copy has come that far."""

    def tell(progress):
        if (progress.what, progress.step, progress.done) == (what, step, done):
            act()

    return tell


def interrupt():
    """End a copy in the middle."""
    raise Interrupted


class TestValues:
    @pytest.mark.parametrize("target", ["memory", "sqlite", "hasty"])
    @pytest.mark.parametrize("source", ["versions", "sqlite", "hasty"])
    async def test_all_values_arrive(self, board, source, target):
        """What was in one storage is in the other, and is told."""
        if source == target:
            target = "versions"
        await fill(values(board, source), VALUES)
        (copied,) = await copy_storage(board, source, target, only=["values"])

        assert copied == Copied("values", len(VALUES), len(VALUES), 0, ())
        assert await all_of(values(board, target)) == VALUES
        assert await all_of(values(board, source)) == VALUES

    async def test_time_that_is_left_is_kept(self, board, clock):
        """What expires does so when it would have; what does not, never does."""
        source, target = values(board, "memory"), values(board, "hasty")
        await source.set("soon", 1, ttl=60)
        clock.advance(20)
        await source.set("late", 1, ttl=1000)
        await source.set("never", 1)
        await copy_values(source, target)

        left = [await target.ttl(key) for key in ("soon", "late", "never")]
        assert left == [pytest.approx(40), pytest.approx(1000), None]

    async def test_prefix_is_all_that_is_copied(self, board):
        """Only what begins with it, and only that is in the way."""
        source, target = values(board, "memory"), values(board, "sqlite")
        await fill(source, {"a/1": 1, "a/2": 2, "b/1": 3})
        await target.set("b/2", 4)
        (copied,) = await copy_storage(
            board, "memory", "sqlite", only=["values"], prefix="a/"
        )

        assert (copied.found, copied.copied) == (2, 2)
        assert await all_of(target) == {"a/1": 1, "a/2": 2, "b/2": 4}

    async def test_parts_are_copied_into_parts(self, board):
        """A namespace is a storage like any other."""
        shared = values(board, "sqlite")
        await fill(Namespaced(shared, "old"), {"a": 1, "b": 2})
        await copy_values(Namespaced(shared, "old"), Namespaced(shared, "new"))

        assert await all_of(Namespaced(shared, "new")) == {"a": 1, "b": 2}

    async def test_interrupted_copy_goes_on(self, board):
        """What an earlier copy left is passed over, to the last page."""
        source, target = values(board, "memory"), values(board, "sqlite")
        await fill(source, VALUES)
        with pytest.raises(Interrupted):
            await copy_values(source, target, tell=at("values", "copy", 200, interrupt))
        begun = await all_of(target)
        copied = await copy_values(source, target)

        assert 200 == len(begun) < len(VALUES)
        assert copied == Copied("values", len(VALUES), len(VALUES) - 200, 0, ())
        assert await all_of(target) == VALUES

    async def test_copy_that_is_done_does_nothing(self, board, clock):
        """Another time only compares; what was touched gets its new time."""
        source, target = values(board, "memory"), values(board, "sqlite")
        await fill(source, {"a": 1, "b": 2})
        await source.set("c", 3, ttl=60)
        await copy_values(source, target)
        version = (await target.get_entry("a")).version
        clock.advance(30)
        await source.touch("c", ttl=60)
        copied = await copy_values(source, target)

        assert copied == Copied("values", 3, 1, 0, ())
        assert (await target.get_entry("a")).version == version
        assert await target.ttl("c") == pytest.approx(60)

    @pytest.mark.parametrize(
        "there", [{"a": "other"}, {"stranger": 1}, {"z": 0}], ids=ascii
    )
    async def test_what_is_there_is_not_overwritten(self, board, there):
        """Nothing is written where something else is, be it the last key."""
        source, target = values(board, "memory"), values(board, "sqlite")
        await fill(source, {**VALUES, "a": 1, "z": 1})
        await fill(target, there)

        with pytest.raises(errors.Conflict, match="The target is not empty: it has"):
            await copy_values(source, target)
        assert await all_of(target) == there

    async def test_what_is_there_is_overwritten_if_asked(self, board):
        """What the source has replaces the other; what it has not stays."""
        source, target = values(board, "memory"), values(board, "sqlite")
        await fill(source, {"a": 1, "b": 2})
        await fill(target, {"a": "other", "stranger": 1})
        copied = await copy_values(source, target, overwrite=True)

        assert copied == Copied("values", 2, 2, 0, ())
        assert await all_of(target) == {"a": 1, "b": 2, "stranger": 1}

    async def test_what_came_in_between_is_not_overwritten(self, board):
        """What another program writes while the copy runs is not lost either."""
        source, target = board.provider("storage.memory"), values(board, "sqlite")
        other = board.provider("storage.sqlite")
        await fill(source, VALUES)

        def write():
            drive(other.set("none", "mine"))

        with pytest.raises(errors.Conflict, match="'none'"):
            await copy_values(source, target, tell=at("values", "copy", 100, write))
        assert await target.get("none") == "mine"

    @pytest.mark.parametrize(
        ("change", "name", "reason"),
        [
            (lambda one: one.set("k0001", "new"), "k0001", "is not the same"),
            (lambda one: one.delete("k0001"), "k0001", "is not in the source"),
            (lambda one: one.set("a new one", 1), "a new one", "is missing"),
            (lambda one: one.touch("k0001", ttl=99), "k0001", "is not the same"),
        ],
        ids=["changed", "deleted", "added", "expires"],
    )
    async def test_change_in_between_is_told(self, board, change, name, reason):
        """What others change in the source after it was copied is named."""
        source = values(board, "memory")
        await fill(source, VALUES)
        last = at("values", "copy", len(VALUES), lambda: drive(change(source)))
        copied = await copy_values(source, values(board, "sqlite"), tell=last)

        assert copied.differing == 1
        assert copied.differences[0].name == name
        assert copied.differences[0].reason.startswith(reason)

    async def test_target_that_loses_something_is_told(self, board):
        """Nothing is believed that was not read again."""

        class Forgetful(type(board.provider("storage.memory"))):
            async def set_many(self, values, **options):
                kept = {k: v for k, v in values.items() if k != "k0100"}
                return await super().set_many(kept | {"k0007": 0}, **options)

        source, target = values(board, "memory"), values(board, "versions")
        await fill(source, VALUES)
        target.__class__ = Forgetful
        copied = await copy_values(source, target)

        assert copied.differing == 2
        assert {one.name for one in copied.differences} == {"k0007", "k0100"}

    async def test_what_expires_meanwhile_is_no_difference(self, board, clock):
        """A copy takes its time, and sessions end in it."""
        source, target = values(board, "memory"), values(board, "sqlite")
        await fill(source, VALUES)
        for number in range(20):
            await source.set(f"s{number}", 1, ttl=4 + number / 2)
        wait = at("values", "copy", 200, lambda: clock.advance(5))
        copied = await copy_values(source, target, tell=wait)

        assert (copied.differing, copied.differences) == (0, ())

    async def test_many_differences_are_counted(self, board):
        """A hundred are named, so that a report stays one."""
        source = values(board, "memory")
        await fill(source, VALUES)

        def change():
            for key in VALUES:
                drive(source.set(key, "new"))

        last = at("values", "copy", len(VALUES), change)
        copied = await copy_values(source, values(board, "sqlite"), tell=last)

        assert copied.differing == len(VALUES)
        assert len(copied.differences) == 100


class TestBlobs:
    @pytest.mark.parametrize("target", ["memory", "files", "versions"])
    @pytest.mark.parametrize("source", ["versioned-files", "versions"])
    async def test_blobs_arrive_with_what_is_said_of_them(self, board, source, target):
        """Content, media type and metadata are the same."""
        if source == target:
            target = "versioned-files"
        one, other = board.storage(source, Blobs), board.storage(target, Blobs)
        for number in range(20):
            await one.put(
                f"folder/{number}",
                bytes([number]) * number * 70_000,
                media_type="text/plain",
                metadata={"number": str(number)},
            )
        (copied,) = await copy_storage(board, source, target, only=["blobs"])

        assert copied == Copied("blobs", 20, 20, 0, ())
        found = await other.stat("folder/7")
        assert (found.media_type, found.metadata) == ("text/plain", {"number": "7"})
        assert await other.get("folder/19") == bytes([19]) * 19 * 70_000

    async def test_versions_arrive_in_order(self, board):
        """The history of a blob is that of the source, the newest on top."""
        source = board.storage("versions", VersionedBlobs)
        target = board.storage("versioned-files", VersionedBlobs)
        for content in (b"one", b"two", b"one", b"three"):
            await source.put("key", content)
        copied = await copy_blobs(source, target)

        versions = await target.versions("key")
        contents = [await target.get("key", version=one.version) for one in versions]
        assert contents == [b"three", b"one", b"two", b"one"]
        assert copied == Copied("blobs", 1, 1, 0, ())
        assert await copy_blobs(source, target) == Copied("blobs", 1, 0, 0, ())

    async def test_history_that_was_begun_goes_on(self, board):
        """A copy that ended between two versions adds those that are missing."""
        source = board.storage("versions", VersionedBlobs)
        target = board.storage("versioned-files", VersionedBlobs)
        for content in (b"one", b"two", b"three"):
            await source.put("key", content)
        await target.put("key", b"one")
        first = (await target.stat("key")).version
        copied = await copy_blobs(source, target)

        versions = await target.versions("key")
        assert copied == Copied("blobs", 1, 1, 0, ())
        assert len(versions) == 3
        assert versions[-1].version == first

    async def test_target_may_keep_fewer_versions(self, board):
        """What it does not keep is no difference, and is not copied again."""
        source = board.storage("versions", VersionedBlobs)
        target = board.storage("few-versions", VersionedBlobs)
        for content in (b"one", b"two", b"three"):
            await source.put("key", content)

        assert await copy_blobs(source, target) == Copied("blobs", 1, 1, 0, ())
        assert await copy_blobs(source, target) == Copied("blobs", 1, 0, 0, ())
        assert await target.get("key") == b"three"

    async def test_other_history_is_replaced_if_asked(self, board):
        """Of what was there, no version stays among those of the source."""
        source = board.storage("versions", VersionedBlobs)
        target = board.storage("versioned-files", VersionedBlobs)
        await source.put("key", b"new")
        await target.put("key", b"old")
        await target.put("other", b"stays")

        with pytest.raises(errors.Conflict):
            await copy_blobs(source, target)
        await copy_blobs(source, target, overwrite=True)
        versions = await target.versions("key")
        assert [blob.size for blob in versions] == [3]
        assert await target.get("key") == b"new"
        assert await target.get("other") == b"stays"

    async def test_content_that_is_damaged_in_the_target_is_told(self, board, tmp_path):
        """What was stored is read again to the end, not believed."""
        source, target = board.storage("memory", Blobs), board.storage("files", Blobs)
        await source.put("key", b"x" * 100_000)

        def damage():
            hits = [
                file
                for file in tmp_path.rglob("*")
                if file.is_file() and b"x" * 1000 in file.read_bytes()
            ]
            for file in hits:
                file.write_bytes(file.read_bytes().replace(b"xxxxx", b"xxyxx", 1))

        damaged = at("blobs", "copy", 1, damage)
        copied = await copy_blobs(source, target, tell=damaged)

        assert [one.name for one in copied.differences] == ["key"]

    async def test_interrupted_copy_goes_on(self, board):
        """Blobs that are there are not sent again."""
        source, target = board.storage("memory", Blobs), board.storage("files", Blobs)
        for number in range(20):
            await source.put(f"k{number:02}", b"x" * number)
        with pytest.raises(Interrupted):
            await copy_blobs(source, target, tell=at("blobs", "copy", 8, interrupt))

        assert await copy_blobs(source, target) == Copied("blobs", 20, 12, 0, ())

    async def test_change_in_between_is_told(self, board):
        """A blob that was replaced after it was copied is named."""
        source, target = board.storage("memory", Blobs), board.storage("files", Blobs)
        for number in range(10):
            await source.put(f"k{number:02}", b"old")
        change = at("blobs", "copy", 10, lambda: drive(source.put("k03", b"new")))
        copied = await copy_blobs(source, target, tell=change)

        assert [one.name for one in copied.differences] == ["k03"]


class TestDocuments:
    @pytest.mark.parametrize(("source", "target"), ["ms", "sm"], ids=str)
    async def test_documents_arrive_and_are_found(self, board, source, target):
        """All collections come along, and whoever knows an index finds by it."""
        names = {"m": "memory", "s": "sqlite"}
        source, target = names[source], names[target]
        store = board.storage(source, DocumentStore)
        for number in range(130):
            body = {"name": f"e{number}", "uses": number, "z": None, "a": [1.5]}
            await store.put_document(Collection("Emoji"), f"e{number}", body)
        await store.put_document(Collection("other/one"), "key", {})
        found = await copy_storage(board, source, target, only=["documents"])

        assert [(one.what, one.found, one.differing) for one in found] == [
            ("documents of Emoji", 130, 0),
            ("documents of other/one", 1, 0),
        ]
        emojis = board.storage(target, Documents[Emoji])
        assert (await emojis.find({"uses": 70})).values == (Emoji(name="e70", uses=70),)

    async def test_named_collections_are_all(self, board):
        """Others stay where they are, and so do keys with another prefix."""
        store = board.storage("memory", DocumentStore)
        for name in ("one", "two"):
            await store.put_document(Collection(name), "a1", {})
            await store.put_document(Collection(name), "b1", {})
        (copied,) = await copy_storage(
            board,
            "memory",
            "sqlite",
            only=["documents"],
            collections=["two"],
            prefix="b",
        )
        target = board.storage("sqlite", DocumentStore)

        assert copied == Copied("documents of two", 1, 1, 0, ())
        assert (await target.find_documents(Collection("one"))).documents == ()

    async def test_change_in_between_is_told(self, board):
        """A document that was changed after it was copied is named."""
        source = board.storage("memory", DocumentStore)
        target = board.storage("sqlite", DocumentStore)
        plain = Collection("plain")
        for number in range(3):
            await source.put_document(plain, f"k{number}", {"n": number})
        change = at(
            "documents of plain",
            "copy",
            3,
            lambda: drive(source.put_document(plain, "k1", {"n": 7})),
        )
        copied = await copy_documents(source, target, "plain", tell=change)

        assert [one.name for one in copied.differences] == ["k1"]
        assert isinstance(copied.differences[0], Difference)


class TestFiles:
    @pytest.fixture
    async def old(self, board):
        """Return a storage with files, large ones and in folders that are empty."""
        files = board.storage("memory", Files)
        for path in ("a", "a.b", "f/a", "f/g/\u00e9", "fa"):
            await files.write(path, path.encode())
        await files.write("large", bytes(3_000_000))
        await files.mkdir("empty/folder")
        return files

    async def test_files_and_folders_are_copied(self, board, old):
        """Their content is read from the target again; then nothing is left to do."""
        new = board.storage("files", Files)
        said = []

        assert await copy_files(old, new, tell=said.append) == Copied(
            "files", 10, 10, 0, ()
        )
        assert await new.read("f/g/\u00e9") == "f/g/\u00e9".encode()
        assert await new.read("large") == bytes(3_000_000)
        assert (await new.stat("empty/folder")).is_folder
        assert (said[-1].step, said[-1].done, said[-1].total) == ("verify", 10, 10)
        assert (await copy_files(old, new)).copied == 0

    async def test_copy_goes_on_where_it_was(self, board, old):
        """What is there already is not written again."""
        new = board.storage("files", Files)
        await new.write("f/a", b"f/a")
        before = await new.stat("f/a")

        assert (await copy_files(old, new)).copied == 8
        assert await new.stat("f/a") == before

    async def test_prefix_chooses_paths(self, board, old):
        """Folders are gone through only where they lead to it."""
        new = board.storage("files", Files)

        assert (await copy_files(old, new, prefix="f/g")).copied == 2
        assert (await new.list("f")).paths == ("f/g",)
        assert (await new.list()).paths == ("f",)

    async def test_what_is_there_is_left_alone(self, board, old):
        """Something else in the target is a conflict, until it is to be replaced."""
        new = board.storage("files", Files)
        await new.write("a", b"mine")
        await new.mkdir("fa")
        await new.write("f", b"no folder")

        with pytest.raises(errors.Conflict, match="'a'"):
            await copy_files(old, new)
        assert await new.read("a") == b"mine"
        copied = await copy_files(old, new, overwrite=True)
        assert (copied.found, copied.differing) == (10, 0)
        assert await new.read("fa") == b"fa"
        assert await new.read("f/a") == b"f/a"

    async def test_changed_files_are_named(self, board, old):
        """What was written or removed during a copy differs, and is told."""
        new = board.storage("files", Files)

        class Changing:
            def __getattr__(self, name):
                return getattr(new, name)

            async def write(self, path, content):
                await new.write(path, content)
                if path == "fa":
                    await old.write("a", b"changed")

        found = await copy_files(old, Changing())

        assert [one.name for one in found.differences] == ["a"]


class TestStorages:
    async def test_everything_that_both_keep_is_copied(self, board):
        """Values, blobs, files and documents, in one go."""
        await values(board, "memory").set("a", 1)
        await board.storage("memory", Blobs).put("b", b"")
        await board.storage("memory", DocumentStore).put_document(
            Collection("c"), "d", {}
        )
        await board.storage("memory", Files).write("e", b"")
        found = await copy_storage(board, "memory", "versions")

        kinds = ["values", "blobs", "files", "documents of c"]
        assert [one.what for one in found] == kinds
        assert all(one.found == one.copied == 1 for one in found)

    async def test_nothing_is_copied_if_anything_is_in_the_way(self, board):
        """All is looked at before anything is written."""
        await values(board, "memory").set("a", 1)
        await board.storage("memory", Blobs).put("b", b"")
        await board.storage("versions", Blobs).put("c", b"")

        with pytest.raises(errors.Conflict):
            await copy_storage(board, "memory", "versions")
        assert await all_of(values(board, "versions")) == {}

    async def test_what_the_target_cannot_keep_is_not_left_out(self, board):
        """It is told, unless there is none, or it was not asked for."""
        await board.storage("memory", Blobs).put("b", b"")
        assert len(await copy_storage(board, "memory", "files")) == 2
        await values(board, "memory").set("a", 1)

        with pytest.raises(errors.InvalidRequest, match="cannot keep"):
            await copy_storage(board, "memory", "files")
        assert len(await copy_storage(board, "memory", "files", only=["blobs"])) == 1

    async def test_storage_is_not_copied_to_itself(self, board):
        """That is a mistake of the one who asks."""
        with pytest.raises(errors.InvalidRequest, match="to itself"):
            await copy_storage(board, "memory", "memory")

    async def test_missing_storage_is_named(self, board):
        """What is not configured and not embedded is an error of the settings."""
        with pytest.raises(errors.SettingsError):
            await copy_storage(board, "memory", "no-such:thing")


@pytest.mark.parametrize("killed_at", [0, 1, 3])
def test_killed_copy_goes_on(tmp_path, killed_at):
    """A copy that was killed, wherever that was, is finished by the next one."""
    first = subprocess.run(
        [sys.executable, str(WORKER), str(tmp_path), str(killed_at)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert first.returncode == -signal.SIGKILL, first.stderr
    second = subprocess.run(
        [sys.executable, str(WORKER), str(tmp_path), "never"],
        capture_output=True,
        text=True,
        check=True,
    )

    reports = [line.split() for line in second.stdout.splitlines()]
    copied = {what: int(number) for what, number, _ in reports}
    assert copied["values"] == 1000 - 100 * killed_at
    assert {differing for *_, differing in reports} == {"0"}


def drive(coroutine):
    """Run to its end what never waits."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    msg = "It waits."
    raise AssertionError(msg)
