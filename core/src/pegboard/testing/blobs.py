"""
Prove that a backend keeps the contract of Blobs.

    from pegboard.testing.blobs import BlobsContract


    class TestFtp(BlobsContract):
        @pytest.fixture
        def settings(self, server):
            return {"provider": "ftp", "url": f"{server.url}/{uuid4().hex}"}

The fixture ``settings`` returns what stands in the settings of an instance that holds
nothing yet. What cannot be kept is left out with a reason; see
``pegboard.testing.standard``.
"""

from __future__ import annotations

import asyncio
import hashlib
import tracemalloc
import urllib.error
import urllib.request
from contextlib import AsyncExitStack, aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from pegboard import Blob, Blobs, Pegboard, PresignedBlobs, VersionedBlobs
from pegboard.contracts.blobs import CHUNK
from pegboard.errors import CallError, Conflict, InvalidReply, InvalidRequest, NotFound

from ._blob_samples import (
    KEYS,
    METADATA,
    NOT_CONTENTS,
    NOT_KEYS,
    NOT_LIMITS,
    NOT_MEDIA_TYPES,
    NOT_METADATA,
    NOT_RANGES,
    NOT_TIMES,
    SIZES,
    WAYS,
    in_pieces,
    of_size,
)
from ._instance_kit import InstanceKit, MakeBoard
from .cancellation import cancel_at_every_await
from .leaks import no_leaks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
    from pathlib import Path

    Damage = Callable[[str], Awaitable[None]]
    Run = Callable[[Coroutine[Any, Any, Any]], Any]

T = TypeVar("T")
TASKS = 8
LARGE = 64 * 1024 * 1024
EXAMPLES = example_settings(
    database=None,
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=list(HealthCheck),
)


def _short(value: object) -> str:
    return ascii(value)[:20]


class _Kit(InstanceKit):
    """The fixtures that the kits share."""

    examples = EXAMPLES
    """How many random contents and ranges are tried; fewer for a slow backend."""
    piece = CHUNK
    """Bytes that the backend handles at once."""

    @pytest_asyncio.fixture
    async def board(self, make_board: MakeBoard) -> AsyncGenerator[Pegboard]:
        """Return a board with the store in it."""
        async with AsyncExitStack() as boards:
            yield await boards.enter_async_context(make_board())

    @pytest_asyncio.fixture
    async def store(self, board: Pegboard) -> Blobs:
        """Return the store, empty."""
        return board.storage("kit", Blobs)


@pytest.mark.asyncio
class BlobsContract(_Kit):
    """What every Blobs must do. Inherit it and give the fixture ``settings``."""

    async def test_missing_blob_is_not_found(self, store: Blobs) -> None:
        """What was never stored cannot be read, and nothing is known of it."""
        with pytest.raises(NotFound):
            await store.get("key")
        with pytest.raises(NotFound):
            await _streamed(store, "key")
        with pytest.raises(NotFound):
            await store.copy("key", "other")
        assert await store.stat("key") is None

    @pytest.mark.parametrize("size", SIZES)
    async def test_content_comes_back_as_it_was(self, store: Blobs, size: int) -> None:
        """A blob of any size is read as it was stored, as a whole and as a stream."""
        content = of_size(size)
        await store.put("key", content)
        read = await store.get("key")

        assert read == content
        assert type(read) is bytes
        assert await _streamed(store, "key") == content

    @pytest.mark.parametrize("way", WAYS)
    async def test_content_may_be_given_in_many_ways(
        self, store: Blobs, way: str, tmp_path: Path
    ) -> None:
        """Bytes, files and streams are stored alike, empty ones too."""
        for content in (b"", of_size(CHUNK * 2 + 7)):
            blob = await store.put("key", WAYS[way](content, tmp_path))

            assert await store.get("key") == content
            assert blob.size == len(content)

    async def test_stream_of_many_pieces_comes_back(self, store: Blobs) -> None:
        """A stream that is longer than a piece of the backend's is one blob."""
        content = of_size(2 * self.piece + 3)
        await store.put("key", in_pieces(content, [CHUNK // 2] * 50))

        assert await _streamed(store, "key") == content
        assert await store.get("key") == content

    async def test_file_is_read_from_where_it_stands(
        self, store: Blobs, tmp_path: Path
    ) -> None:
        """Who has read the head of a file stores the rest."""
        path = tmp_path / "file"
        path.write_bytes(b"head and rest")
        with path.open("rb") as file:
            file.read(9)
            await store.put("key", file)
            assert not file.closed

        assert await store.get("key") == b"rest"

    async def test_stored_content_is_a_copy(self, store: Blobs) -> None:
        """Changing what was given to the store changes nothing in it."""
        given_content = bytearray(b"content")
        await store.put("key", given_content)
        given_content[0:1] = b"C"

        assert await store.get("key") == b"content"

    async def test_random_content_comes_back(self, store: Blobs) -> None:
        """However long it is and however it is cut, it is read as it was stored."""
        near = st.sampled_from([0, 1, self.piece, 2 * self.piece])

        def try_many(run: Run) -> None:
            @self.examples
            @given(near, st.integers(-2, 2), st.lists(st.integers(0, CHUNK)))
            def comes_back(size: int, more: int, cuts: list[int]) -> None:
                content = of_size(max(0, size + more))
                run(store.put("key", in_pieces(content, cuts)))
                assert run(_streamed(store, "key")) == content

            comes_back()

        await asyncio.to_thread(_in_a_loop, try_many)

    async def test_random_range_is_that_of_a_slice(self, store: Blobs) -> None:
        """Any part of a blob can be read, as a whole and as a stream."""
        content = of_size(CHUNK + 100)
        await store.put("key", content)
        near = st.sampled_from([0, 10, CHUNK, CHUNK + 100])
        ends = st.none() | st.tuples(near, st.integers(0, 20)).map(sum)

        def try_many(run: Run) -> None:
            @self.examples
            @given(near, st.integers(0, 20), ends)
            def is_a_slice(at: int, more: int, end: int | None) -> None:
                start = at + more if end is None else min(at + more, end)
                expected = content[start:end]
                assert run(store.get("key", start=start, end=end)) == expected
                streamed = _streamed(store, "key", start=start, end=end)
                assert run(streamed) == expected

            is_a_slice()

        await asyncio.to_thread(_in_a_loop, try_many)

    @pytest.mark.parametrize(("start", "end"), NOT_RANGES)
    async def test_bad_range_is_refused(
        self, store: Blobs, start: Any, end: Any
    ) -> None:
        """A range that no slice without negative numbers has is a mistake."""
        await store.put("key", b"content")

        with pytest.raises(InvalidRequest):
            await store.get("key", start=start, end=end)
        with pytest.raises(InvalidRequest):
            await _streamed(store, "key", start=start, end=end)

    async def test_blob_tells_of_itself(self, store: Blobs) -> None:
        """What is known of a blob is known from storing as from asking."""
        stored = await store.put(
            "key", b"content", media_type="text/plain", metadata={"a": "b"}
        )
        known = await store.stat("key")

        assert known is not None
        assert known == stored or _but_modified(known) == _but_modified(stored)
        assert known.size == 7
        assert known.sha256 == hashlib.sha256(b"content").hexdigest()
        assert (known.media_type, dict(known.metadata)) == ("text/plain", {"a": "b"})
        assert abs(known.modified - stored.modified) < 60

    async def test_stream_tells_the_same(self, store: Blobs) -> None:
        """What is known only at the end of a stream is stored with it."""
        content = of_size(self.piece + 1)
        stored = await store.put(
            "key", in_pieces(content, [5]), media_type="a/b", metadata={"a": "b"}
        )
        known = await store.stat("key")

        assert known is not None
        assert _but_modified(known) == _but_modified(stored)
        assert known.sha256 == hashlib.sha256(content).hexdigest()
        assert (known.media_type, dict(known.metadata)) == ("a/b", {"a": "b"})

    async def test_metadata_comes_back_as_it_was(self, store: Blobs) -> None:
        """Metadata may be any plain text."""
        await store.put("key", b"", metadata=METADATA)
        known = await store.stat("key")

        assert known is not None
        assert dict(known.metadata) == METADATA

    async def test_known_metadata_is_a_copy(self, store: Blobs) -> None:
        """Changing what the store told, or was told, changes nothing in it."""
        told = {"a": "b"}
        stored = await store.put("key", b"", metadata=told)
        told["a"] = "changed"
        for known in (stored, await store.stat("key")):
            assert known is not None
            with suppress(TypeError):  # it may as well be read-only
                known.metadata["a"] = "changed"  # type: ignore[index]  # that is the test
        known = await store.stat("key")

        assert known is not None
        assert dict(known.metadata) == {"a": "b"}

    async def test_new_content_has_its_own_metadata(self, store: Blobs) -> None:
        """What was said of the old content is not said of the new."""
        await store.put("key", b"old", media_type="a/b", metadata={"a": "b"})
        await store.put("key", b"new")
        known = await store.stat("key")

        assert known is not None
        assert not known.metadata
        assert known.media_type == "application/octet-stream"

    @pytest.mark.parametrize("media_type", NOT_MEDIA_TYPES, ids=_short)
    async def test_bad_media_type_is_refused(
        self, store: Blobs, media_type: Any
    ) -> None:
        """What would be another header, or none, is not stored."""
        with pytest.raises(InvalidRequest):
            await store.put("key", b"", media_type=media_type)

    @pytest.mark.parametrize("metadata", NOT_METADATA, ids=_short)
    async def test_bad_metadata_is_refused(self, store: Blobs, metadata: Any) -> None:
        """What some backend could not store, none does."""
        with pytest.raises(InvalidRequest):
            await store.put("key", b"", metadata=metadata)

    @pytest.mark.parametrize("content", NOT_CONTENTS, ids=_short)
    async def test_what_is_no_content_is_refused(
        self, store: Blobs, content: Any
    ) -> None:
        """Text has to be encoded first."""
        with pytest.raises(InvalidRequest):
            await store.put("key", content)
        assert await store.stat("key") is None

    async def test_missing_file_is_the_callers_mistake(
        self, store: Blobs, tmp_path: Path
    ) -> None:
        """A path that leads nowhere is no failure of the store."""
        with pytest.raises(InvalidRequest, match="nothing-here"):
            await store.put("key", tmp_path / "nothing-here")

    async def test_stream_of_text_is_refused(self, store: Blobs) -> None:
        """A stream that turns out to be no bytes leaves nothing behind."""
        with pytest.raises(InvalidRequest):
            await store.put("key", _stream_of(of_size(self.piece), "text"))
        assert await store.stat("key") is None

    async def test_failing_stream_leaves_what_was_there(self, store: Blobs) -> None:
        """Half of a new blob does not replace an old one."""
        await store.put("key", b"old")
        failure = OSError("cable")

        with pytest.raises(InvalidRequest, match="cable") as caught:
            await store.put("key", _stream_of(of_size(self.piece + 1), failure))
        assert caught.value.__cause__ is failure
        assert await store.get("key") == b"old"
        assert (await store.list()).keys == ("key",)

    async def test_expected_digest_is_compared(self, store: Blobs) -> None:
        """Content that was damaged on its way is not stored."""
        digest = hashlib.sha256(b"content").hexdigest()
        await store.put("key", b"content", sha256=digest)

        with pytest.raises(InvalidRequest, match="digest"):
            await store.put("key", b"c0ntent", sha256=digest)
        with pytest.raises(InvalidRequest, match="digest"):
            await store.put("key", in_pieces(b"c0ntent", [2]), sha256=digest)
        assert await store.get("key") == b"content"

    async def test_new_content_has_a_new_version(self, store: Blobs) -> None:
        """The same key, written with other content, has another version."""
        versions = [(await store.put("key", b"%d" % n)).version for n in range(10)]

        assert len(set(versions)) == 10
        assert all(versions)

    async def test_current_version_can_be_asked_for(self, store: Blobs) -> None:
        """A version names one content; another version is not there."""
        old = await store.put("key", b"old")
        assert await store.get("key", version=old.version) == b"old"
        assert await _streamed(store, "key", version=old.version) == b"old"
        assert await store.stat("key", version=old.version)

        for version in ("no-version", "../key", "0" * 24):
            with pytest.raises(NotFound):
                await store.get("key", version=version)
            assert await store.stat("key", version=version) is None

    async def test_put_if_absent_stores_once(self, store: Blobs) -> None:
        """Who comes second is told so, and changes nothing."""
        await store.put("key", b"first", if_absent=True)

        with pytest.raises(Conflict):
            await store.put("key", b"second", if_absent=True)
        assert await store.get("key") == b"first"

    async def test_put_if_absent_stores_after_a_delete(self, store: Blobs) -> None:
        """What was deleted is absent."""
        await store.put("key", b"first")
        await store.delete("key")
        await store.put("key", b"second", if_absent=True)

        assert await store.get("key") == b"second"

    async def test_put_if_version_replaces_that_version(self, store: Blobs) -> None:
        """Who knows the stored version may replace it, once."""
        old = await store.put("key", b"old")
        await store.put("key", b"new", if_version=old.version)

        with pytest.raises(Conflict):
            await store.put("key", b"late", if_version=old.version)
        assert await store.get("key") == b"new"

    async def test_put_if_version_refuses_a_missing_blob(self, store: Blobs) -> None:
        """What was deleted does not come back by its old version."""
        old = await store.put("key", b"old")
        await store.delete("key")

        with pytest.raises(Conflict):
            await store.put("key", b"new", if_version=old.version)
        assert await store.stat("key") is None

    async def test_conditions_hold_for_streams(self, store: Blobs) -> None:
        """A stream longer than a piece of the backend's is stored under conditions."""
        content = of_size(self.piece + 1)
        stored = await store.put("key", in_pieces(content, []), if_absent=True)

        with pytest.raises(Conflict):
            await store.put("key", in_pieces(content, []), if_absent=True)
        with pytest.raises(Conflict):
            await store.put("key", in_pieces(content, []), if_version="another")
        await store.put("key", in_pieces(content, [3]), if_version=stored.version)

    async def test_conditions_do_not_go_together(self, store: Blobs) -> None:
        """Absent and of a version cannot both be."""
        with pytest.raises(InvalidRequest):
            await store.put("key", b"", if_absent=True, if_version="1")

    async def test_one_task_is_first(self, store: Blobs) -> None:
        """Of tasks that store if absent at once, one succeeds."""
        tasks = (store.put("key", b"%d" % n, if_absent=True) for n in range(TASKS))
        answers = await asyncio.gather(*tasks, return_exceptions=True)

        stored = [answer for answer in answers if isinstance(answer, Blob)]
        refused = [answer for answer in answers if isinstance(answer, Conflict)]
        assert (len(stored), len(refused)) == (1, TASKS - 1)
        known = await store.stat("key")
        assert known is not None
        assert known.version == stored[0].version

    async def test_one_task_replaces(self, store: Blobs) -> None:
        """Of tasks that replace one version at once, one succeeds, turn by turn."""
        version = (await store.put("key", b"")).version
        for turn in range(5):
            contents = (b"%d.%d" % (turn, n) for n in range(TASKS))
            tasks = (store.put("key", c, if_version=version) for c in contents)
            answers = await asyncio.gather(*tasks, return_exceptions=True)

            stored = [answer for answer in answers if isinstance(answer, Blob)]
            assert len(stored) == 1
            version = stored[0].version

    async def test_readers_see_one_whole_blob(self, store: Blobs) -> None:
        """Who reads while others write gets one content or another, never a mix."""
        contents = [bytes([n]) * (CHUNK + n) for n in range(4)]
        await store.put("key", contents[0])
        writes = (store.put("key", content) for content in contents)
        reads = (store.get("key") for _ in contents)
        answers = await asyncio.gather(*writes, *reads)

        assert {*answers[len(contents) :]} <= {*contents}

    async def test_deleted_blob_is_gone(self, store: Blobs) -> None:
        """Nothing of it is left, and deleting again is no error."""
        await store.put("key", b"content", metadata={"a": "b"})
        await store.delete("key")
        await store.delete("key")

        assert await store.stat("key") is None
        assert (await store.list()).keys == ()

    async def test_copy_has_all_of_the_original(self, store: Blobs) -> None:
        """Content and what is said of it are copied; the original stays."""
        content = of_size(self.piece + 5)
        original = await store.put(
            "a/b", content, media_type="text/plain", metadata=METADATA
        )
        await store.put("target", b"replaced")
        copy = await store.copy("a/b", "target")
        await store.delete("a/b")

        assert (copy.key, copy.size, copy.sha256) == (
            *("target", original.size),
            original.sha256,
        )
        assert (copy.media_type, dict(copy.metadata)) == ("text/plain", METADATA)
        assert await store.get("target") == content

    async def test_copy_onto_itself_changes_nothing(self, store: Blobs) -> None:
        """The content is still there, and what is said of it."""
        await store.put("key", b"content", metadata={"a": "b"})
        await store.copy("key", "key")
        known = await store.stat("key")

        assert await store.get("key") == b"content"
        assert known is not None
        assert dict(known.metadata) == {"a": "b"}

    async def test_keys_do_not_meet(self, store: Blobs) -> None:
        """Every key has a blob of its own, whatever the backend makes of its name."""
        for key in KEYS:
            await store.put(key, key.encode(), metadata={"key": quote(key)})

        for key in KEYS:
            known = await store.stat(key)
            assert known is not None
            assert known.key == key
            assert dict(known.metadata) == {"key": quote(key)}
            assert await store.get(key) == key.encode()

    async def test_keys_are_listed_as_they_were_given(self, store: Blobs) -> None:
        """A listing shows every key and nothing else, ordered by code point."""
        for key in KEYS:
            await store.put(key, b"")

        assert tuple(sorted(KEYS)) == (await store.list(limit=len(KEYS))).keys

    async def test_keys_are_deleted_one_by_one(self, store: Blobs) -> None:
        """Deleting a blob leaves those alone whose keys look like it."""
        for key in KEYS:
            await store.put(key, b"")
        for key in KEYS:
            await store.delete(key)
            assert await store.stat(key) is None

        assert (await store.list()).keys == ()

    @pytest.mark.parametrize("key", NOT_KEYS, ids=_short)
    async def test_bad_key_is_refused(self, store: Blobs, key: Any) -> None:
        """A key that leads elsewhere, or that some backend cannot have, is refused."""
        await store.put("a", b"")
        calls: tuple[Callable[[], Awaitable[object]], ...] = (
            partial(store.put, key, b""),
            partial(store.get, key),
            partial(_streamed, store, key),
            partial(store.stat, key),
            partial(store.copy, key, "b"),
            partial(store.copy, "a", key),
            partial(store.delete, key),
        )
        for call in calls:
            with pytest.raises(InvalidRequest):
                await call()
        assert (await store.list()).keys == ("a",)

    async def test_listing_tells_of_blobs(self, store: Blobs) -> None:
        """A listing knows how long they are, and since when."""
        stored = await store.put("key", b"content")
        (listed,) = (await store.list()).blobs

        assert (listed.key, listed.size) == ("key", 7)
        assert abs(listed.modified - stored.modified) < 60

    async def test_prefix_is_text(self, store: Blobs) -> None:
        """A prefix need not end where a segment does."""
        for key in ("ab", "a/b", "a/bc", "a/c/d", "b"):
            await store.put(key, b"")

        assert (await store.list("a")).keys == ("a/b", "a/bc", "a/c/d", "ab")
        assert (await store.list("a/")).keys == ("a/b", "a/bc", "a/c/d")
        assert (await store.list("a/b")).keys == ("a/b", "a/bc")
        assert (await store.list("a/c/")).keys == ("a/c/d",)
        assert (await store.list("a/b/")).keys == ()
        assert (await store.list("c")).keys == ()

    @pytest.mark.parametrize("limit", [1, 2, 3, 7])
    async def test_pages_show_every_key_once(self, store: Blobs, limit: int) -> None:
        """Page by page, all are listed in order, however deep they are."""
        keys = [f"{a}/{b}" for a in "abc" for b in ("x", "y/z")] + ["a", "b", "bb"]
        for key in keys:
            await store.put(key, b"")
        pages = await _walk(store, "", limit)

        assert sorted(keys) == [key for page in pages for key in page]
        assert {len(page) for page in pages[:-1]} <= {limit}
        found = [key for page in await _walk(store, "b", limit) for key in page]
        assert found == ["b", "b/x", "b/y/z", "bb"]

    async def test_last_page_has_no_cursor(self, store: Blobs) -> None:
        """A page that holds just what is left is the last."""
        for key in "ab":
            await store.put(key, b"")

        assert (await store.list(limit=2)).cursor is None
        assert (await store.list(limit=10**30)).cursor is None

    async def test_listing_goes_on_where_a_blob_was_deleted(self, store: Blobs) -> None:
        """The blob that a cursor came from may be gone."""
        for key in ("a/1", "a/2", "a/3"):
            await store.put(key, b"")
        page = await store.list("a/", limit=2)
        await store.delete("a/2")

        assert (await store.list("a/", cursor=page.cursor)).keys == ("a/3",)

    @pytest.mark.parametrize("limit", NOT_LIMITS, ids=_short)
    async def test_bad_limit_is_refused(self, store: Blobs, limit: Any) -> None:
        """A page has at least one blob."""
        with pytest.raises(InvalidRequest):
            await store.list(limit=limit)

    async def test_unfinished_blob_is_not_seen(
        self, store: Blobs, make_board: MakeBoard
    ) -> None:
        """Until a stream has ended there is nothing, and after a cancel neither."""
        arrived, goes_on = asyncio.Event(), asyncio.Event()

        async def stream() -> AsyncGenerator[bytes]:
            for _ in range(2):
                yield of_size(self.piece)
            arrived.set()
            await goes_on.wait()

        async with make_board() as board:
            for other in (store, board.storage("kit", Blobs)):
                arrived.clear()
                putting = asyncio.ensure_future(store.put("key", stream()))
                await arrived.wait()
                assert await other.stat("key") is None
                assert (await other.list()).keys == ()
                putting.cancel()
                await asyncio.wait([putting])
                assert putting.cancelled()
                assert await other.stat("key") is None
                assert (await other.list()).keys == ()

    async def test_cancelled_put_stores_all_or_nothing(
        self, make_board: MakeBoard
    ) -> None:
        """Wherever it is cancelled, there is no half of a blob, and no leak."""
        content = of_size(CHUNK + 1)

        async def check(store: Blobs) -> None:
            # A service may get to it only now, so what is not there yet may come.
            keys = (await store.list()).keys
            assert keys in {(), ("key",)}
            if keys:
                assert await store.get("key") == content

        async with no_leaks(), make_board() as board:
            store = board.storage("kit", Blobs)
            assert await cancel_at_every_await(
                lambda: store.put("key", in_pieces(content, [CHUNK // 2])),
                partial(check, store),
            )

    async def test_stream_that_is_left_leaves_nothing(
        self, make_board: MakeBoard
    ) -> None:
        """Who stops reading closes what was opened for it."""
        async with no_leaks(), make_board() as board:
            store = board.storage("kit", Blobs)
            await store.put("key", of_size(3 * self.piece))
            async with aclosing(store.stream("key")) as stream:
                assert await anext(stream)

    async def test_event_loops_may_follow_each_other(self, store: Blobs) -> None:
        """A store works in the next event loop when the first has ended."""

        def use_two_loops() -> object:
            asyncio.run(_then(store.put("key", b"content")))
            asyncio.run(_then(store.copy("key", "copy")))
            return asyncio.run(_then(store.get("copy")))

        assert await asyncio.to_thread(use_two_loops) == b"content"
        assert await store.get("copy") == b"content"

    async def test_threads_may_share_a_store(self, store: Blobs) -> None:
        """Event loops in several threads store and read at once."""

        async def use(name: str) -> None:
            for number in range(5):
                await store.put(f"{name}/{number}", name.encode())
                assert await store.get(f"{name}/{number}") == name.encode()

        await asyncio.gather(
            *(asyncio.to_thread(asyncio.run, use(name)) for name in "abcd")
        )

        assert len((await store.list()).keys) == 20


@pytest.mark.asyncio
class PersistentBlobsContract(BlobsContract):
    """
    What a Blobs must do besides, if it is to outlive its process.

    Give the fixture ``damage``, too: an async function that changes a byte of the
    stored content of a key, behind the back of the store.
    """

    room = 1_000_000
    """Bytes of memory that the store may use beside two pieces."""

    async def test_blobs_outlive_the_board(self, make_board: MakeBoard) -> None:
        """What one board stored, the next one reads."""
        async with make_board() as board:
            stored = await board.storage("kit", Blobs).put("key", b"content")
        async with make_board() as board:
            store = board.storage("kit", Blobs)
            known = await store.stat("key")
            assert known is not None
            assert _but_modified(known) == _but_modified(stored)
            assert await store.get("key") == b"content"

    async def test_damage_is_noticed(self, store: Blobs, damage: Damage) -> None:
        """Content that is not what was stored is not handed over as if it were."""
        await store.put("key", of_size(1000))
        await damage("key")

        with pytest.raises(InvalidReply, match="digest"):
            await store.get("key")

    async def test_damage_is_noticed_before_the_end(
        self, store: Blobs, damage: Damage
    ) -> None:
        """Who reads a damaged stream does not get its last piece."""
        content = of_size(2 * CHUNK + 1)
        await store.put("key", content)
        await damage("key")
        read: list[bytes] = []

        with pytest.raises(InvalidReply, match="digest"):
            await _extend(read, store.stream("key"))
        assert sum(map(len, read)) < len(content)

    async def test_large_blob_needs_little_memory(self, store: Blobs) -> None:
        """64 MiB go in and out within two pieces of memory."""

        async def content() -> AsyncGenerator[bytes]:
            for _ in range(LARGE // CHUNK):
                yield bytes(CHUNK)

        await store.put("warm", b"")
        tracemalloc.start()
        try:
            await store.put("key", content())
            size = 0
            async for piece in store.stream("key"):
                size += len(piece)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert size == LARGE
        assert peak < 2 * self.piece + self.room


@pytest.mark.asyncio
class VersionedBlobsContract(_Kit):
    """
    What a VersionedBlobs must do besides.

    The store of the fixture ``settings`` keeps three replaced versions or more.
    """

    @pytest_asyncio.fixture
    async def versioned(self, board: Pegboard) -> VersionedBlobs:
        """Return the store, empty."""
        return board.storage("kit", VersionedBlobs)

    async def test_replaced_version_can_be_read(
        self, versioned: VersionedBlobs
    ) -> None:
        """Old content is there with what was said of it."""
        old = await versioned.put("a/b", b"old", metadata={"a": "b"})
        await versioned.put("a/b", b"new")

        assert await versioned.get("a/b", version=old.version) == b"old"
        assert await versioned.get("a/b", version=old.version, start=1) == b"ld"
        assert await _streamed(versioned, "a/b", version=old.version) == b"old"
        known = await versioned.stat("a/b", version=old.version)
        assert known is not None
        assert dict(known.metadata) == {"a": "b"}
        assert await versioned.get("a/b") == b"new"

    async def test_versions_are_listed_from_the_newest(
        self, versioned: VersionedBlobs
    ) -> None:
        """All that can still be read is named, the current one first."""
        stored = [await versioned.put("key", b"%d" % n) for n in range(4)]
        await versioned.put("other", b"")
        named = [blob.version for blob in await versioned.versions("key")]

        assert named == [blob.version for blob in reversed(stored)]

    async def test_missing_blob_has_no_versions(
        self, versioned: VersionedBlobs
    ) -> None:
        """What was never stored, or deleted, has no past."""
        old = await versioned.put("key", b"old")
        await versioned.put("key", b"new")
        await versioned.delete("key")

        assert list(await versioned.versions("key")) == []
        assert list(await versioned.versions("never")) == []
        await versioned.put("key", b"again")
        assert len(await versioned.versions("key")) == 1
        with pytest.raises(NotFound):
            await versioned.get("key", version=old.version)

    async def test_versions_do_not_show(self, versioned: VersionedBlobs) -> None:
        """A listing shows the current version alone."""
        for number in range(3):
            await versioned.put("a/b", b"%d" % number)

        assert (await versioned.list()).keys == ("a/b",)

    async def test_version_belongs_to_its_key(self, versioned: VersionedBlobs) -> None:
        """Keys that look alike do not share their past."""
        old = await versioned.put("a/b", b"old")
        for key in ("a/b", "a_b", "a%2fb"):
            await versioned.put(key, b"new")

        for key in ("a_b", "a%2fb"):
            with pytest.raises(NotFound):
                await versioned.get(key, version=old.version)

    async def test_refused_put_keeps_no_version(
        self, versioned: VersionedBlobs
    ) -> None:
        """A condition that does not hold changes nothing in the past either."""
        await versioned.put("key", b"old")
        with pytest.raises(Conflict):
            await versioned.put("key", b"new", if_absent=True)

        assert len(await versioned.versions("key")) == 1


@pytest.mark.asyncio
class PresignedBlobsContract(_Kit):
    """What a PresignedBlobs must do besides."""

    @pytest_asyncio.fixture
    async def presigned(self, board: Pegboard) -> PresignedBlobs:
        """Return the store, empty."""
        return board.storage("kit", PresignedBlobs)

    @pytest.mark.parametrize("key", ["key", "a b/\u00e9+%.txt"])
    async def test_download_gives_the_content(
        self, presigned: PresignedBlobs, key: str
    ) -> None:
        """Whoever has the URL needs nothing else to fetch the blob."""
        await presigned.put(key, b"content")
        url = await presigned.presign_download(key, expires_in=60)

        assert await asyncio.to_thread(_request, url) == b"content"

    async def test_upload_stores_the_content(self, presigned: PresignedBlobs) -> None:
        """Whoever has the URL needs nothing else to store the blob."""
        url = await presigned.presign_upload("a/key", expires_in=60)
        await asyncio.to_thread(_request, url, b"content")
        known = await presigned.stat("a/key")

        assert await presigned.get("a/key") == b"content"
        assert known is not None
        assert known.size == 7

    async def test_url_is_for_one_thing(self, presigned: PresignedBlobs) -> None:
        """The URL of a download stores nothing, and leads to no other key."""
        await presigned.put("key", b"content")
        await presigned.put("kex", b"secret")
        url = await presigned.presign_download("key")

        for other, content in ((url, b"new"), (url.replace("/key", "/kex"), None)):
            with pytest.raises(urllib.error.HTTPError):
                await asyncio.to_thread(_request, other, content)
        assert await presigned.get("key") == b"content"

    @pytest.mark.parametrize("seconds", NOT_TIMES, ids=_short)
    async def test_bad_time_is_refused(
        self, presigned: PresignedBlobs, seconds: Any
    ) -> None:
        """A URL is good for some time, and not for ever."""
        for presign in (presigned.presign_download, presigned.presign_upload):
            with pytest.raises(InvalidRequest):
                await presign("key", expires_in=seconds)

    async def test_bad_key_has_no_url(self, presigned: PresignedBlobs) -> None:
        """A URL does not lead out of the store."""
        for presign in (presigned.presign_download, presigned.presign_upload):
            with pytest.raises(CallError):
                await presign("../key")


async def _streamed(store: Blobs, key: str, **options: Any) -> bytes:
    pieces = []
    async with aclosing(store.stream(key, **options)) as stream:
        async for piece in stream:
            assert type(piece) is bytes
            assert piece
            pieces.append(piece)
    return b"".join(pieces)


async def _extend(read: list[bytes], stream: AsyncGenerator[bytes]) -> None:
    async for piece in stream:
        read.append(piece)  # noqa: PERF401 - what came before an error counts


async def _stream_of(first: bytes, then: object) -> AsyncGenerator[Any]:
    yield first
    if isinstance(then, BaseException):
        raise then
    yield then


async def _walk(store: Blobs, prefix: str, limit: int) -> list[tuple[str, ...]]:
    page = await store.list(prefix, limit=limit)
    pages = [page.keys]
    while page.cursor is not None:
        page = await store.list(prefix, limit=limit, cursor=page.cursor)
        pages.append(page.keys)
        assert len(pages) < 100, "the cursors lead nowhere"
    return pages


def _but_modified(blob: Blob) -> tuple[object, ...]:
    """Return *blob* without the time, which services tell by the second."""
    known = (blob.key, blob.size, blob.version, blob.sha256, blob.media_type)
    return (*known, dict(blob.metadata))


def _request(url: str, content: bytes | None = None) -> bytes:
    method = "GET" if content is None else "PUT"
    request = urllib.request.Request(url, data=content, method=method)  # noqa: S310 - the store's own
    if content is not None:
        request.add_header("Content-Type", "application/octet-stream")
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
        return bytes(answer.read())


def _in_a_loop(work: Callable[[Run], None]) -> None:
    with asyncio.Runner() as runner:
        work(runner.run)


async def _then(call: Awaitable[T]) -> T:
    return await call
