"""
Prove that a backend keeps the contract of Files.

    from pegboard.testing.files import FilesContract


    class TestFtp(FilesContract):
        @pytest.fixture
        def settings(self, server):
            return {"provider": "ftp", "url": f"{server.url}/{uuid4().hex}"}

The fixture ``settings`` returns what stands in the settings of an instance that holds
nothing yet. What cannot be kept is left out with a reason; see
``pegboard.testing.standard``.
"""

from __future__ import annotations

import asyncio
import itertools
import tracemalloc
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import pytest_asyncio
from hypothesis import HealthCheck
from hypothesis import settings as example_settings
from hypothesis.stateful import run_state_machine_as_test

from pegboard import FileEntry, Files, Pegboard
from pegboard.contracts.blobs import CHUNK
from pegboard.errors import Conflict, InvalidRequest, NotFound

from ._blob_samples import (
    NOT_CONTENTS,
    NOT_LIMITS,
    NOT_RANGES,
    SIZES,
    WAYS,
    in_pieces,
    of_size,
)
from ._file_model import FilesMachine
from ._file_samples import NOT_PATHS, PATHS
from ._instance_kit import InstanceKit, MakeBoard
from .cancellation import cancel_at_every_await
from .leaks import no_leaks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from pathlib import Path

    Call = Callable[[], Awaitable[object]]

T = TypeVar("T")
TASKS = 8
LARGE = 64 * 1024 * 1024
EXAMPLES = example_settings(
    database=None,
    deadline=None,
    derandomize=True,
    max_examples=30,
    stateful_step_count=30,
    suppress_health_check=list(HealthCheck),
)


def _short(value: object) -> str:
    return ascii(value)[:20]


@pytest.mark.asyncio
class FilesContract(InstanceKit):
    """What every Files must do. Inherit it and give the fixture ``settings``."""

    examples = EXAMPLES
    """How many random calls are compared with a model; fewer for a slow backend."""
    piece = CHUNK
    """Bytes that the backend handles at once."""

    @pytest_asyncio.fixture
    async def board(self, make_board: MakeBoard) -> AsyncGenerator[Pegboard]:
        """Return a board with the store in it."""
        async with AsyncExitStack() as boards:
            yield await boards.enter_async_context(make_board())

    @pytest_asyncio.fixture
    async def store(self, board: Pegboard) -> Files:
        """Return the store, empty."""
        return board.storage("kit", Files)

    async def test_missing_file_is_not_found(self, store: Files) -> None:
        """What was never written cannot be read, moved or copied."""
        for path in ("a", "folder/a"):
            with pytest.raises(NotFound):
                await store.read(path)
            with pytest.raises(NotFound):
                await _streamed(store, path)
            with pytest.raises(NotFound):
                await store.move(path, "other")
            with pytest.raises(NotFound):
                await store.copy(path, "other")
            with pytest.raises(NotFound):
                await store.list(path)
            assert await store.stat(path) is None
            assert await store.exists(path) is False
            await store.remove(path)
            await store.remove_all(path)
        assert await _paths(store) == []

    async def test_root_is_an_empty_folder(self, store: Files) -> None:
        """There is a place to begin, which is not to be changed itself."""
        root = await store.stat("")

        assert root is not None
        assert (root.path, root.is_folder, root.size) == ("", True, 0)
        assert await store.exists("") is True
        assert (await store.list()).entries == ()
        await store.mkdir("")
        calls: tuple[Call, ...] = (
            partial(store.read, ""),
            partial(store.write, "", b""),
            partial(store.move, "a", ""),
            partial(store.move, "", "a"),
            partial(store.remove, ""),
            partial(store.remove_all, ""),
        )
        for call in calls:
            with pytest.raises(InvalidRequest):
                await call()

    @pytest.mark.parametrize("size", SIZES)
    async def test_content_comes_back_as_it_was(self, store: Files, size: int) -> None:
        """A file of any size is read as it was written, as a whole and as a stream."""
        content = of_size(size)
        written = await store.write("a", content)
        read = await store.read("a")

        assert read == content
        assert type(read) is bytes
        assert await _streamed(store, "a") == content
        assert (written.path, written.is_folder, written.size) == ("a", False, size)

    @pytest.mark.parametrize("way", WAYS)
    async def test_content_may_be_given_in_many_ways(
        self, store: Files, way: str, tmp_path: Path
    ) -> None:
        """Bytes, files and streams are written alike, empty ones too."""
        for content in (b"", of_size(CHUNK * 2 + 7)):
            await store.write("a", WAYS[way](content, tmp_path))

            assert await store.read("a") == content

    async def test_written_content_is_a_copy(self, store: Files) -> None:
        """Changing what was given to the store changes nothing in it."""
        given = bytearray(b"content")
        await store.write("a", given)
        given[0:1] = b"C"

        assert await store.read("a") == b"content"

    async def test_new_content_replaces_all_of_the_old(self, store: Files) -> None:
        """Nothing of a longer file is left behind a shorter one."""
        await store.write("a", of_size(1000))
        await store.write("a", b"short")

        assert await store.read("a") == b"short"

    async def test_range_is_that_of_a_slice(self, store: Files) -> None:
        """Any part of a file can be read, as a whole and as a stream."""
        content = of_size(CHUNK + 100)
        await store.write("a", content)
        ends = (0, 1, 99, CHUNK, CHUNK + 1, CHUNK + 100, CHUNK + 101, 3 * CHUNK)

        for start, end in itertools.combinations_with_replacement((*ends, None), 2):
            if start is None:
                continue
            expected = content[start:end]
            assert await store.read("a", start=start, end=end) == expected
            assert await _streamed(store, "a", start=start, end=end) == expected

    @pytest.mark.parametrize(("start", "end"), NOT_RANGES)
    async def test_bad_range_is_refused(
        self, store: Files, start: Any, end: Any
    ) -> None:
        """A range that no slice without negative numbers has is a mistake."""
        await store.write("a", b"content")

        with pytest.raises(InvalidRequest):
            await store.read("a", start=start, end=end)
        with pytest.raises(InvalidRequest):
            await _streamed(store, "a", start=start, end=end)

    @pytest.mark.parametrize("content", NOT_CONTENTS, ids=_short)
    async def test_what_is_no_content_is_refused(
        self, store: Files, content: Any
    ) -> None:
        """Text has to be encoded first."""
        with pytest.raises(InvalidRequest):
            await store.write("a", content)
        assert await _paths(store) == []

    async def test_file_tells_of_itself(self, store: Files) -> None:
        """What is known of a file is known from writing, asking and listing."""
        written = await store.write("a/b", b"content")
        known = await store.stat("a/b")
        (listed,) = (await store.list("a")).entries

        assert known is not None
        for entry in (written, known, listed):
            assert (entry.path, entry.name) == ("a/b", "b")
            assert (entry.is_folder, entry.size) == (False, 7)
            assert abs(entry.modified - written.modified) < 60

    async def test_random_calls_agree_with_the_model(self, store: Files) -> None:
        """Whatever is done in whatever order, a dict that does the same agrees."""
        await asyncio.to_thread(_compare_with_model, store, self.examples)

    async def test_write_if_absent_writes_once(self, store: Files) -> None:
        """Who comes second is told so, and changes nothing."""
        await store.write("a", b"first", if_absent=True)

        with pytest.raises(Conflict):
            await store.write("a", b"second", if_absent=True)
        assert await store.read("a") == b"first"
        await store.remove("a")
        await store.write("a", b"third", if_absent=True)
        assert await store.read("a") == b"third"

    async def test_one_task_is_first(self, store: Files) -> None:
        """Of tasks that write if absent at once, one succeeds."""
        tasks = (store.write("a/b", b"%d" % n, if_absent=True) for n in range(TASKS))
        answers = await asyncio.gather(*tasks, return_exceptions=True)

        written = [n for n, one in enumerate(answers) if isinstance(one, FileEntry)]
        refused = [one for one in answers if isinstance(one, Conflict)]
        assert (len(written), len(refused)) == (1, TASKS - 1)
        assert await store.read("a/b") == b"%d" % written[0]

    async def test_readers_see_one_whole_file(self, store: Files) -> None:
        """Who reads while others write gets one content or another, never a mix."""
        contents = [bytes([n]) * (CHUNK + n) for n in range(4)]
        await store.write("a", contents[0])
        writes = (store.write("a", content) for content in contents)
        reads = (store.read("a") for _ in contents)
        answers = await asyncio.gather(*writes, *reads)

        assert {*answers[len(contents) :]} <= {*contents}
        assert await store.read("a") in contents

    async def test_failing_stream_leaves_what_was_there(self, store: Files) -> None:
        """Half of a new file does not replace an old one."""
        await store.write("a", b"old")
        failure = OSError("cable")

        with pytest.raises(InvalidRequest, match="cable") as caught:
            await store.write("a", _stream_of(of_size(self.piece + 1), failure))
        assert caught.value.__cause__ is failure
        assert await store.read("a") == b"old"
        assert await _paths(store) == ["a"]

    async def test_file_in_place_of_a_folder_is_a_conflict(self, store: Files) -> None:
        """Neither replaces the other, and nothing is changed."""
        await store.write("file", b"file")
        await store.write("folder/a", b"a")
        calls: tuple[Call, ...] = (
            partial(store.write, "folder", b""),
            partial(store.write, "file/a", b""),
            partial(store.mkdir, "file"),
            partial(store.mkdir, "file/a"),
            partial(store.move, "file", "folder"),
            partial(store.move, "folder", "file"),
            partial(store.move, "folder", "file/a"),
            partial(store.copy, "file", "folder"),
            partial(store.copy, "folder/a", "file/a"),
            partial(store.remove, "folder"),
        )
        for call in calls:
            with pytest.raises(Conflict):
                await call()
        mistakes: tuple[Call, ...] = (
            partial(store.read, "folder"),
            partial(store.list, "file"),
            partial(store.copy, "folder", "x"),
        )
        for mistake in mistakes:
            with pytest.raises(InvalidRequest):
                await mistake()
        assert await _paths(store) == ["file", "folder", "folder/a"]

    async def test_folder_moves_with_all_that_is_in_it(self, store: Files) -> None:
        """All of it has the new path, and nothing the old."""
        await store.write("a/b/c", b"c")
        await store.write("ab", b"apart")
        await store.mkdir("a/empty")
        await store.move("a", "new/place")

        moved = ["new", "new/place", "new/place/b", "new/place/b/c", "new/place/empty"]
        assert await _paths(store) == ["ab", *moved]
        assert await store.read("new/place/b/c") == b"c"

    async def test_folder_does_not_replace_a_folder(self, store: Files) -> None:
        """Not even one that is empty: what was in it would be lost unnoticed."""
        await store.write("a/file", b"")
        await store.mkdir("b")

        with pytest.raises(Conflict):
            await store.move("a", "b")
        assert await _paths(store) == ["a", "a/file", "b"]

    async def test_moving_replaces_a_file(self, store: Files) -> None:
        """What was at the target is gone, and so is the source."""
        await store.write("a", b"new")
        await store.write("b", b"old")
        await store.move("a", "b")
        await store.move("b", "b")

        assert await _paths(store) == ["b"]
        assert await store.read("b") == b"new"

    async def test_copy_is_apart_from_its_source(self, store: Files) -> None:
        """Changing the one leaves the other."""
        content = of_size(self.piece + 1)
        await store.write("a", content)
        copy = await store.copy("a", "new/b")
        await store.copy("a", "a")
        await store.write("a", b"changed")

        assert (copy.path, copy.size) == ("new/b", len(content))
        assert await store.read("new/b") == content

    async def test_all_in_a_folder_can_be_removed(self, store: Files) -> None:
        """Nothing else is, however much its name looks like it."""
        for path in ("a/b/c", "a/d", "ab", "a.b"):
            await store.write(path, b"")
        await store.remove_all("a")
        await store.remove_all("a.b")

        assert await _paths(store) == ["ab"]

    async def test_files_do_not_meet(self, store: Files) -> None:
        """Every path has a file of its own."""
        for path in (*PATHS, *reversed(PATHS)):
            await store.write(path, path.encode())

        for path in PATHS:
            assert await store.read(path) == path.encode()
        assert {*PATHS} <= {*await _paths(store)}

    @pytest.mark.parametrize("path", NOT_PATHS, ids=_short)
    async def test_bad_path_is_refused(self, store: Files, path: Any) -> None:
        """A path that leads elsewhere, or that some system cannot have, is refused."""
        await store.write("a", b"")
        calls: tuple[Call, ...] = (
            partial(store.read, path),
            partial(_streamed, store, path),
            partial(store.write, path, b""),
            partial(store.stat, path),
            partial(store.exists, path),
            partial(store.list, path),
            partial(store.mkdir, path),
            partial(store.move, path, "b"),
            partial(store.move, "a", path),
            partial(store.copy, path, "b"),
            partial(store.copy, "a", path),
            partial(store.remove, path),
            partial(store.remove_all, path),
        )
        for call in calls:
            with pytest.raises(InvalidRequest):
                await call()
        assert await _paths(store) == ["a"]

    @pytest.mark.parametrize("limit", [1, 2, 3, 7])
    async def test_pages_show_every_entry_once(self, store: Files, limit: int) -> None:
        """Page by page, all that is directly in a folder is listed in order."""
        for path in ("f/b", "f/a.b/x", "f/a", "f/a-b", "f/\u00e9", "g"):
            await store.write(path, b"")
        page = await store.list("f", limit=limit)
        pages = [page.paths]
        while page.cursor is not None:
            page = await store.list("f", limit=limit, cursor=page.cursor)
            pages.append(page.paths)

        listed = [path for paths in pages for path in paths]
        assert listed == ["f/a", "f/a-b", "f/a.b", "f/b", "f/\u00e9"]
        assert {len(paths) for paths in pages[:-1]} <= {limit}
        assert pages[-1]

    async def test_listing_goes_on_where_a_file_was_removed(self, store: Files) -> None:
        """The entry that a cursor came from may be gone."""
        for path in ("1", "2", "3"):
            await store.write(path, b"")
        page = await store.list(limit=2)
        await store.remove("2")

        assert (await store.list(cursor=page.cursor)).paths == ("3",)

    @pytest.mark.parametrize("limit", NOT_LIMITS, ids=_short)
    async def test_bad_limit_is_refused(self, store: Files, limit: Any) -> None:
        """A page has at least one entry."""
        with pytest.raises(InvalidRequest):
            await store.list(limit=limit)

    async def test_unfinished_file_is_not_seen(
        self, store: Files, make_board: MakeBoard
    ) -> None:
        """Until a stream has ended there is nothing, and after a cancel neither."""
        arrived = asyncio.Event()

        async def stream() -> AsyncGenerator[bytes]:
            yield of_size(2 * self.piece)
            arrived.set()
            await asyncio.Event().wait()

        writing = asyncio.ensure_future(store.write("a", stream()))
        await arrived.wait()
        assert await _paths(store) == []
        writing.cancel()
        await asyncio.wait([writing])
        assert writing.cancelled()
        async with make_board() as board:
            for other in (store, board.storage("kit", Files)):
                assert await other.stat("a") is None
                assert await _paths(other) == []

    async def test_cancelled_write_writes_all_or_nothing(
        self, make_board: MakeBoard
    ) -> None:
        """Wherever it is cancelled, there is no half of a file, and no leak."""
        content = of_size(CHUNK + 1)

        async def check(store: Files) -> None:
            paths = await _paths(store)
            assert paths in [[], ["a"]]
            if paths:
                assert await store.read("a") == content

        async with no_leaks(), make_board() as board:
            store = board.storage("kit", Files)
            assert await cancel_at_every_await(
                lambda: store.write("a", in_pieces(content, [CHUNK // 2])),
                partial(check, store),
            )

    async def test_stream_that_is_left_leaves_nothing(
        self, make_board: MakeBoard
    ) -> None:
        """Who stops reading closes what was opened for it."""
        async with no_leaks(), make_board() as board:
            store = board.storage("kit", Files)
            await store.write("a", of_size(3 * self.piece))
            async with aclosing(store.stream("a")) as stream:
                assert await anext(stream)

    async def test_other_extensions_are_refused(self, make_board: MakeBoard) -> None:
        """Where settings name extensions, files with others are left alone."""
        async with make_board(extensions=[".txt", ".tar.gz"]) as board:
            store = board.storage("kit", Files)
            await store.write("folder.d/a.txt", b"")
            await store.write("A.TXT", b"")
            await store.copy("A.TXT", "a.tar.gz")
            refused: tuple[Call, ...] = (
                partial(store.write, "a.exe", b""),
                partial(store.write, "a.txt.exe", b""),
                partial(store.write, "txt", b""),
                partial(store.write, "a.gz", b""),
                partial(store.read, "a.exe"),
                partial(_streamed, store, "a.exe"),
                partial(store.copy, "A.TXT", "b.exe"),
                partial(store.copy, "a.exe", "b.txt"),
                partial(store.move, "A.TXT", "b.exe"),
            )
            for call in refused:
                with pytest.raises(InvalidRequest, match="extensions"):
                    await call()
            await store.move("folder.d", "other.exe")
            paths = ["A.TXT", "a.tar.gz", "other.exe", "other.exe/a.txt"]
            assert await _paths(store) == paths

    async def test_longer_content_is_refused(self, make_board: MakeBoard) -> None:
        """Where settings say how long files may be, none becomes longer."""
        async with make_board(max_size=10) as board:
            store = board.storage("kit", Files)
            await store.write("a", b"x" * 10)
            for content in (b"x" * 11, in_pieces(b"x" * 11, [5])):
                with pytest.raises(InvalidRequest, match="max_size"):
                    await store.write("a", content)
            assert await store.read("a") == b"x" * 10
            assert await _paths(store) == ["a"]

    async def test_event_loops_may_follow_each_other(self, store: Files) -> None:
        """A store works in the next event loop when the first has ended."""

        def use_two_loops() -> object:
            asyncio.run(_then(store.write("a", b"content")))
            asyncio.run(_then(store.copy("a", "b")))
            return asyncio.run(_then(store.read("b")))

        assert await asyncio.to_thread(use_two_loops) == b"content"
        assert await store.read("b") == b"content"

    async def test_threads_may_share_a_store(self, store: Files) -> None:
        """Event loops in several threads write and read at once."""

        async def use(name: str) -> None:
            for number in range(5):
                await store.write(f"{name}/{number}", name.encode())
                assert await store.read(f"{name}/{number}") == name.encode()

        await asyncio.gather(
            *(asyncio.to_thread(asyncio.run, use(name)) for name in "abcd")
        )

        assert len(await _paths(store)) == 24


@pytest.mark.asyncio
class PersistentFilesContract(FilesContract):
    """What a Files must do besides, if it is to outlive its process."""

    room = 1_000_000
    """Bytes of memory that the store may use beside two pieces."""

    async def test_files_outlive_the_board(self, make_board: MakeBoard) -> None:
        """What one board wrote, the next one reads."""
        async with make_board() as board:
            await board.storage("kit", Files).write("a/b", b"content")
        async with make_board() as board:
            store = board.storage("kit", Files)
            assert await store.read("a/b") == b"content"
            assert await _paths(store) == ["a", "a/b"]

    async def test_files_with_other_extensions_are_left_alone(
        self, make_board: MakeBoard
    ) -> None:
        """What the settings do not allow is neither moved nor removed by its name."""
        async with make_board() as board:
            await board.storage("kit", Files).write("f/a.exe", b"content")
        async with make_board(extensions=[".txt"]) as board:
            store = board.storage("kit", Files)
            refused: tuple[Call, ...] = (
                partial(store.read, "f/a.exe"),
                partial(store.move, "f/a.exe", "b.txt"),
                partial(store.remove, "f/a.exe"),
                partial(store.remove_all, "f/a.exe"),
            )
            for call in refused:
                with pytest.raises(InvalidRequest, match="extensions"):
                    await call()
            assert await _paths(store) == ["f", "f/a.exe"]
            await store.remove_all("f")
            assert await _paths(store) == []

    async def test_large_file_needs_little_memory(self, store: Files) -> None:
        """64 MiB go in and out within two pieces of memory."""

        async def content() -> AsyncGenerator[bytes]:
            for _ in range(LARGE // CHUNK):
                yield bytes(CHUNK)

        await store.write("warm", b"")
        tracemalloc.start()
        try:
            await store.write("a", content())
            size = 0
            async for piece in store.stream("a"):
                size += len(piece)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert size == LARGE
        assert peak < 2 * self.piece + self.room


async def _streamed(store: Files, path: str, **options: Any) -> bytes:
    pieces = []
    async with aclosing(store.stream(path, **options)) as stream:
        async for piece in stream:
            assert type(piece) is bytes
            assert piece
            pieces.append(piece)
    return b"".join(pieces)


async def _paths(store: Files, folder: str = "") -> list[str]:
    """Return the paths of all that is in *folder*, however deep, in order."""
    found = []
    for entry in (await store.list(folder, limit=1000)).entries:
        found.append(entry.path)
        if entry.is_folder:
            found += await _paths(store, entry.path)
    return found


async def _stream_of(first: bytes, then: BaseException) -> AsyncGenerator[bytes]:
    yield first
    raise then


def _compare_with_model(store: Files, examples: example_settings) -> None:
    roots = itertools.count()
    with asyncio.Runner() as runner:

        class Machine(FilesMachine):
            def __init__(self) -> None:
                super().__init__(store, runner, f"root-{next(roots)}")

        run_state_machine_as_test(Machine, settings=examples)


async def _then(call: Awaitable[T]) -> T:
    return await call
