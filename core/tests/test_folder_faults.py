"""What a folder of files is like when others, or the machine, do as they please."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import contextmanager

import pytest
from pegboard import Blobs, Files, Pegboard, errors
from pegboard.testing import no_leaks

CALLS = (
    *("open", "write", "fsync", "replace", "rename", "link", "mkdir", "read", "lseek"),
    *("fstat", "lstat", "stat", "chmod", "listdir", "scandir", "unlink", "rmdir"),
)
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
            if self.refused_at is None:
                return call(*arguments, **options)
            self.calls += 1
            if self.calls == self.refused_at:
                raise OSError(number, os.strerror(number))
            return call(*arguments, **options)

        return counted


@pytest.fixture
def root(tmp_path):
    """Return the folder that the store is in."""
    return tmp_path / "root"


@pytest.fixture
async def store(root):
    """Return a store that takes all care."""
    settings = {"provider": "files", "path": root}
    async with Pegboard.isolated({"storage": {"kit": settings}}) as board:
        yield board.storage("kit", Files)


async def stream():
    """Yield the new content."""
    for start in range(0, len(NEW), 500_000):
        yield NEW[start : start + 500_000]


async def paths_of(store):
    """Return all paths in the root and in its folder."""
    found = list((await store.list()).paths)
    return found + [p for f in found for p in (await store.list(f)).paths]


WORK = {
    "write": lambda store: store.write("a/file", stream()),
    "short write": lambda store: store.write("a/file", NEW[:1000]),
    "write if absent": lambda store: store.write("a/new", stream(), if_absent=True),
    "copy": lambda store: store.copy("a/file", "b/copy"),
    "move": lambda store: store.move("a/file", "b/file"),
    "move of a folder": lambda store: store.move("a", "b"),
    "mkdir": lambda store: store.mkdir("b/c"),
    "remove": lambda store: store.remove("a/file"),
    "remove all": lambda store: store.remove_all("a"),
    "list": lambda store: store.list("a"),
    "stat": lambda store: store.stat("a/file"),
    "read": lambda store: store.read("a/file"),
}

MAY_LEAVE = {"write if absent", "remove all"}
"""What ends with a removal of what nobody sees; where that is refused, it stays."""


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
async def test_refused_call_is_told_and_leaves_no_half(
    store, root, monkeypatch, number, work
):
    """Whichever call is refused: an error that is told, whole files, no leak."""
    machine = Machine(monkeypatch, number)
    refused, told = 0, []
    while True:
        await store.write("a/file", OLD)
        for path in ("a/new", "b"):
            await store.remove_all(path)
        async with no_leaks():
            with machine.refusing(refused + 1):
                try:
                    await WORK[work](store)
                except errors.CallError as error:
                    told.append((type(error), error.address))
                else:
                    if machine.calls <= refused:
                        break
            for path in await paths_of(store):
                if not (root / path).is_dir():
                    assert await store.read(path) in {OLD, NEW, NEW[:1000]}
            left = [*(root / ".pegboard" / "incoming").iterdir()]
            assert left == [] or work in MAY_LEAVE
        refused += 1
        assert refused < 200

    assert told
    assert {*told} == {(ERRORS[number], "storage.kit")}


@pytest.mark.parametrize("most", [1000, 65_537])
async def test_short_writes_are_gone_on_with(store, monkeypatch, most):
    """What the operating system did not take at once, it is given again."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, piece: write(file, piece[:most]))
    await store.write("file", stream())

    assert await store.read("file") == NEW


async def test_short_reads_are_gone_on_with(store, monkeypatch):
    """What the operating system did not give at once, it is asked for again."""
    await store.write("file", NEW)
    read = os.read
    monkeypatch.setattr(os, "read", lambda file, size: read(file, min(size, 70_000)))

    assert await store.read("file", start=1, end=-1 + len(NEW)) == NEW[1:-1]


OUTSIDE = {
    "file": "../secret/file",
    "folder": "../secret",
    "root": "/",
    "up and down": "../root/../secret",
    "by another": "folder",
    "nothing yet": "../nothing",
    "own": ".pegboard",
}


@pytest.mark.parametrize("way", OUTSIDE)
async def test_no_link_leads_out(store, root, way):
    """Nothing out there is read, seen, written, made, moved or removed."""
    secret = root.parent / "secret"
    secret.mkdir()
    (secret / "file").write_bytes(b"secret")
    await store.write("mine", b"mine")
    (root / "folder").symlink_to("../secret")
    (root / "link").symlink_to(OUTSIDE[way])
    calls = [
        call(path)
        for path in ("link", "link/file", "link/new/file")
        for call in (
            store.read,
            store.stat,
            store.exists,
            store.list,
            store.mkdir,
            lambda path: store.write(path, b"changed"),
            lambda path: store.copy(path, "copy"),
            lambda path: store.copy("mine", path),
        )
    ]
    calls += [store.remove("link/file"), store.remove_all("link/file")]
    calls += [store.move("link/file", "moved"), store.move("mine", "link/file")]
    for call in calls:
        with pytest.raises(errors.PermissionDenied, match="leads out"):
            await call
    await store.remove("link")
    await store.remove_all("folder")

    assert (await store.list()).paths == ("mine",)
    assert [*secret.iterdir()] == [secret / "file"]
    assert (secret / "file").read_bytes() == b"secret"
    assert not (root.parent / "nothing").exists()


async def test_link_within_is_followed(store, root):
    """What is in the folder is reached by whatever leads there."""
    await store.write("versions/3/file", b"three")
    (root / "latest").symlink_to("versions/3")
    (root / "alias").symlink_to(root / "versions" / "3" / "file")

    assert await store.read("latest/file") == b"three"
    assert await store.read("alias") == b"three"
    assert [e.is_folder for e in (await store.list()).entries] == [False, True, True]
    await store.write("latest/file", b"four")
    assert (root / "versions" / "3" / "file").read_bytes() == b"four"
    await store.write("alias", b"five")
    assert await store.read("versions/3/file") == b"five"
    assert (root / "alias").is_symlink()


async def test_removing_a_link_leaves_what_it_leads_to(store, root):
    """A link is removed as what it is, and moved as what it is."""
    await store.write("folder/file", b"kept")
    for name in ("one", "two", "three"):
        (root / name).symlink_to("folder")
    await store.remove("one")
    await store.remove_all("two")
    await store.move("three", "four")

    assert (await store.list()).paths == ("folder", "four")
    assert await store.read("folder/file") == b"kept"


async def test_link_in_a_circle_is_no_file(store, root):
    """It leads nowhere, and nobody goes round for ever."""
    await store.mkdir("")
    (root / "circle").symlink_to("circle")

    for call in (store.read("circle"), store.read("circle/a")):
        with pytest.raises(errors.CallError):
            await call
    await store.remove("circle")
    assert (await store.list()).entries == ()


async def test_root_may_be_a_link(tmp_path):
    """Where the settings lead is the root, and paths are below it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to("real")
    settings = {"provider": "files", "path": tmp_path / "root"}
    async with Pegboard.isolated({"storage": {"kit": settings}}) as board:
        store = board.storage("kit", Files)
        await store.write("a", b"content")
        (tmp_path / "real" / "b").symlink_to("a")

        assert await store.read("b") == b"content"
    assert (tmp_path / "real" / "a").read_bytes() == b"content"


async def test_pipes_and_sockets_are_no_files(store, root):
    """Nobody waits for their other end, and they are not replaced."""
    await store.mkdir("")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "socket"))
        for name in ("pipe", "socket"):
            with pytest.raises(errors.CallError):
                await store.read(name)
            for call in (store.stat(name), store.write(name, b"")):
                with pytest.raises(errors.InvalidRequest, match="device"):
                    await call

    assert (await store.list()).entries == ()
    assert stat.S_ISFIFO((root / "pipe").stat().st_mode)


async def test_names_that_no_path_has_are_passed_over(store, root):
    """What others called otherwise is not listed, and goes with its folder."""
    await store.write("folder/good", b"")
    for name in (b"a:b", b"nul.txt", b"\xff", b"e\xcc\x81", b"end ", b"a\nb"):
        (root / "folder" / os.fsdecode(name)).write_bytes(b"")

    assert (await store.list("folder")).paths == ("folder/good",)
    await store.remove("folder/good")
    with pytest.raises(errors.Conflict, match="remove_all"):
        await store.remove("folder")
    await store.remove_all("folder")
    assert await store.stat("folder") is None


async def test_who_may_read_a_file_stays_as_it_was(store, root):
    """Content is replaced, and the rights to it are not."""
    await store.write("file", b"old")
    (root / "file").chmod(0o600)
    await store.write("file", b"new")

    assert stat.S_IMODE((root / "file").stat().st_mode) == 0o600


async def test_what_killed_writers_left_is_removed(store, root):
    """Old files and folders that nobody needs any more go, new ones stay."""
    incoming = root / ".pegboard" / "incoming"
    incoming.mkdir(parents=True)
    for name in ("old", "new"):
        (incoming / name).write_bytes(b"half")
        (incoming / f"{name}-folder").mkdir()
        (incoming / f"{name}-folder" / "file").write_bytes(b"")
    for name in ("old", "old-folder"):
        os.utime(incoming / name, (0, 0))
    await store.write("file", OLD)

    assert {path.name for path in incoming.iterdir()} == {"new", "new-folder"}


async def test_files_and_blobs_share_a_folder(root):
    """Neither shows in the other."""
    settings = {"provider": "files", "path": root}
    async with Pegboard.isolated({"storage": {"kit": settings}}) as board:
        blobs, files = board.storage("kit", Blobs), board.storage("kit", Files)
        await blobs.put("a", b"blob")
        await files.write("a", b"file")

        assert (await files.list()).paths == (await blobs.list()).keys == ("a",)
        assert await files.read("a") == b"file"
        assert await blobs.get("a") == b"blob"
