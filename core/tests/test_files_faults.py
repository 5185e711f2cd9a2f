"""What a folder of blobs is like when the machine refuses, at whatever moment."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager

import pytest
from pegboard import Blobs, Context, Pegboard, errors
from pegboard.builtin.files import FileBlobs, FilesOptions
from pegboard.testing import no_leaks

CALLS = ("open", "write", "fsync", "replace", "link", "mkdir", "read", "lseek", "fstat")
OLD, NEW = b"old" * 1000, b"new" * 1_000_000
ERRORS = {
    errno.EIO: errors.Unavailable,
    errno.ENOSPC: errors.Unavailable,
    errno.EACCES: errors.PermissionDenied,
}


class Machine:
    """Counts what is asked of the operating system, and refuses one of the calls."""

    def __init__(self, monkeypatch, number):
        self.calls = 0
        self.refused_at = None
        for name in CALLS:
            monkeypatch.setattr(os, name, self._counted(getattr(os, name), number))

    @contextmanager
    def refusing(self, at):
        """Refuse the call *at* from here on."""
        self.calls, self.refused_at = 0, at
        yield
        self.refused_at = None

    def _counted(self, call, number):
        def counted(*arguments, **options):
            self.calls += 1
            if self.calls == self.refused_at:
                raise OSError(number, os.strerror(number))
            return call(*arguments, **options)

        return counted


class SlowDisk:
    """Writes less than it is asked to, as the operating system may."""

    def __init__(self, monkeypatch, most):
        write = os.write
        monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:most]))


@pytest.fixture
def store(tmp_path):
    """Return a store that takes all care."""
    options = FilesOptions(path=tmp_path / "store", keep_versions=2, busy_timeout=0)
    return FileBlobs(options, Context("storage.kit", tmp_path))


def incoming_of(folder):
    """Return where blobs grow."""
    return folder / "store" / ".pegboard" / "incoming"


def blob_file(folder):
    """Return the file of the blob "key"."""
    return folder / "store" / ".pegboard" / "blobs" / "key="


async def stream():
    """Yield the new content."""
    for start in range(0, len(NEW), 500_000):
        yield NEW[start : start + 500_000]


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
async def test_refused_put_leaves_what_was_there(store, tmp_path, monkeypatch, number):
    """Whichever call is refused: all or nothing, no lock, no file left, no leak."""
    await store.put("a/key", OLD)
    machine = Machine(monkeypatch, number)
    refused, told = 0, []
    while True:
        async with no_leaks():
            with machine.refusing(refused + 1):
                try:
                    await store.put("a/key", stream())
                except errors.CallError as error:
                    told.append((type(error), error.address))
                else:
                    if machine.calls <= refused:
                        break
            content = await store.get("a/key")
            assert content in {OLD, NEW}
            assert (await store.list()).keys == ("a/key",)
            assert [*incoming_of(tmp_path).iterdir()] == []
            await store.put("a/key", OLD)  # nothing stands in the way
        refused += 1

    assert len(told) > 10
    assert {*told} == {(ERRORS[number], "storage.kit")}
    assert await store.get("a/key") == NEW


async def test_refused_read_is_no_short_blob(store, monkeypatch):
    """Whichever call is refused: an error or the content, and nothing open."""
    await store.put("key", NEW)
    machine = Machine(monkeypatch, errno.EIO)
    refused = 0
    while True:
        async with no_leaks():
            with machine.refusing(refused + 1):
                try:
                    assert await store.get("key") == NEW
                except errors.Unavailable:
                    pass
                else:
                    break
        refused += 1

    assert refused > 3


@pytest.mark.parametrize("most", [1000, 65_537])
async def test_short_writes_are_gone_on_with(store, monkeypatch, most):
    """What the operating system did not take at once, it is given again."""
    SlowDisk(monkeypatch, most)
    await store.put("key", stream())

    assert await store.get("key") == NEW


async def test_full_disk_says_so(store, monkeypatch):
    """What to do is in the message."""
    machine = Machine(monkeypatch, errno.ENOSPC)
    await store.put("key", OLD)
    with machine.refusing(3), pytest.raises(errors.Unavailable, match="free some"):
        await store.put("key", NEW)

    assert await store.get("key") == OLD


async def test_what_killed_writers_left_is_removed(store, tmp_path):
    """Old files that nobody writes any more go, new ones stay."""
    incoming = incoming_of(tmp_path)
    incoming.mkdir(parents=True)
    for name, time in (("old", 0), ("new", None)):
        (incoming / name).write_bytes(b"half")
        if time is not None:
            os.utime(incoming / name, (time, time))
    await store.put("key", OLD)

    assert [path.name for path in incoming.iterdir()] == ["new"]


async def test_folder_that_others_hold_is_waited_for(store, tmp_path):
    """Who waits for too long is told what for; then it goes on."""
    await store.put("key", OLD)
    with store._folder.lock(), pytest.raises(errors.Timeout, match="busy_timeout"):
        await store.put("key", NEW)

    assert await store.get("key") == OLD
    await store.put("key", NEW)
    assert [*incoming_of(tmp_path).iterdir()] == []


async def test_stream_that_is_used_up_is_not_stored_again(tmp_path):
    """Under a policy, too: a second attempt would store what is left of it, nothing."""
    policy = {"attempts": 3, "backoff": 0}
    settings = {
        "provider": "files",
        "path": tmp_path,
        "busy_timeout": 0,
        "external": True,
        "policy": policy,
    }
    async with Pegboard.isolated({"storage": {"kit": settings}}) as board:
        blobs = board.storage("kit", Blobs)
        await blobs.put("key", OLD)
        with board.provider("storage.kit")._folder.lock():
            with pytest.raises(errors.Timeout) as caught:
                await blobs.put("key", stream())
            assert (caught.value.attempts, caught.value.retryable) == (1, False)
            with pytest.raises(errors.Timeout) as caught:
                await blobs.put("key", NEW)
            assert caught.value.attempts == 3

        assert await blobs.get("key") == OLD


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 5000])
async def test_what_is_no_blob_is_told(store, tmp_path, content):
    """A file that something else put there is an error, not a blob."""
    await store.put("key", OLD)
    (blob_file(tmp_path)).write_bytes(content)

    with pytest.raises(errors.InvalidReply, match="backup"):
        await store.get("key")


async def test_damaged_blob_is_not_copied(store, tmp_path):
    """What is not what was stored stays where it is, and the caller is told."""
    await store.put("key", OLD)
    path = blob_file(tmp_path)
    path.write_bytes(b"X" + path.read_bytes()[1:])

    with pytest.raises(errors.InvalidReply, match="digest"):
        await store.copy("key", "copy")
    assert (await store.list()).keys == ("key",)


async def test_cut_file_is_told(store, tmp_path):
    """A file that lost its end, or its middle, is not a shorter blob."""
    await store.put("key", OLD)
    path = blob_file(tmp_path)
    whole = path.read_bytes()
    for cut in (whole[:-1], whole[1:], whole[:2000] + whole[2001:]):
        path.write_bytes(cut)
        with pytest.raises(errors.InvalidReply):
            await store.get("key")


async def test_data_folder_is_not_for_git(tmp_path):
    """With no path, the folder is in the data folder, which git does not see."""
    context = Context("storage.a b", tmp_path / "data")
    store = FileBlobs(FilesOptions(), context)
    await store.put("key", OLD)

    assert (tmp_path / "data" / ".gitignore").read_text() == "*\n"
    assert (tmp_path / "data" / "a%20b" / ".pegboard" / "blobs" / "key=").is_file()


async def test_only_as_many_versions_are_kept_as_asked_for(store):
    """The oldest goes when there is one too many."""
    stored = [await store.put("key", b"%d" % number) for number in range(6)]
    kept = [blob.version for blob in await store.versions("key")]

    assert kept == [blob.version for blob in stored[:2:-1]]
    with pytest.raises(errors.NotFound):
        await store.get("key", version=stored[0].version)
