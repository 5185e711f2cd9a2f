from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from pegboard import Artifacts, Blobs, Pegboard, errors, sync
from pegboard.testing import cancel_at_every_await, no_leaks

WORKER = Path(__file__).with_name("artifacts_worker.py")
PROCESSES, TASKS, TURNS = 4, 4, 3


@pytest.fixture(params=["memory", "files"])
async def board(request, tmp_path):
    """Return a board with each of the storages that need no server."""
    settings = {"provider": request.param}
    if request.param == "files":
        settings |= {"path": tmp_path / "store", "durability": "process"}
    async with Pegboard.isolated({"storage": {"models": settings}}) as board:
        yield board


@pytest.fixture
def artifacts(board):
    """Return artifacts, none yet."""
    return board.storage("models", Artifacts)


async def test_versions_are_counted_and_kept(artifacts):
    """Each push is the next version; all of them can be read."""
    first = await artifacts.push("model", b"one", media_type="text/plain")
    second = await artifacts.push("model", b"two", metadata={"loss": [0.5, None]})

    assert (first.version, second.version) == (1, 2)
    assert (first.size, first.media_type) == (3, "text/plain")
    assert first.sha256 == hashlib.sha256(b"one").hexdigest()
    assert second.metadata == {"loss": [0.5, None]}
    assert await artifacts.read("model") == b"two"
    assert await artifacts.read("model", 1) == b"one"
    assert await artifacts.versions("model") == [second, first]
    assert await artifacts.find("model") == second
    assert await artifacts.find("model", 1) == first
    assert [piece async for piece in artifacts.stream("model", 1)] == [b"one"]


async def test_missing_versions_are_told(artifacts):
    """What is not there is None or an error that says what is."""
    await artifacts.push("model", b"one", stage="production")

    assert await artifacts.find("other") is None
    assert await artifacts.find("model", 2) is None
    assert await artifacts.find("model", stage="test") is None
    assert await artifacts.find("model", tag="best") is None
    assert await artifacts.versions("other") == []
    for call in (
        artifacts.read("other"),
        artifacts.read("model", 2),
        artifacts.read("model", stage="test"),
        artifacts.pull("model", "file", tag="best"),
        anext(artifacts.stream("model", 0)),
    ):
        with pytest.raises(errors.NotFound, match="stages are"):
            await call
    with pytest.raises(errors.NotFound, match="The last are: 1"):
        await artifacts.promote("model", 7, "production")


async def test_a_stage_is_one_version(artifacts):
    """Promoting one takes the stage from the other, and leaves other stages."""
    for content in (b"one", b"two", b"three"):
        await artifacts.push("model", content)
    await artifacts.promote("model", 1, "production")
    await artifacts.promote("model", 2, "staging")
    promoted = await artifacts.promote("model", 2, "production")

    assert promoted.stages == ("production", "staging")
    assert await artifacts.read("model", stage="production") == b"two"
    assert (await artifacts.find("model", 1)).stages == ()
    pushed = await artifacts.push("model", b"four", stage="production")
    assert pushed.stages == ("production",)
    assert (await artifacts.find("model", stage="staging")).version == 2
    assert (await artifacts.find("model", stage="production")).version == 4


async def test_tags_are_found_across_names(artifacts):
    """Who has a tag is found by it, the newest of a name first."""
    await artifacts.push("b/model", b"one", tags=["best", "v 1.2"])
    await artifacts.push("b/model", b"two")
    await artifacts.push("a", b"three", tags=["best"])
    await artifacts.tag("b/model", 2, "best", "new")
    found = await artifacts.find_by_tag("best")

    assert [(one.name, one.version) for one in found] == [
        ("a", 1),
        ("b/model", 2),
        ("b/model", 1),
    ]
    assert (await artifacts.find_by_tag("v 1.2"))[0].tags == ("best", "v 1.2")
    assert (await artifacts.find("b/model", tag="best")).version == 2
    untagged = await artifacts.untag("b/model", 2, "best", "never")
    assert untagged.tags == ("new",)
    assert (await artifacts.find("b/model", tag="best")).version == 1
    assert await artifacts.find_by_tag("bes") == []


async def test_names_do_not_meet(artifacts):
    """Names are listed as they were given, and have each their own past."""
    names = ["a", "a/b", "a_b", "content/a", "manifests/a", "\u00e9", "tags"]
    for name in names:
        await artifacts.push(name, name.encode(), tags=["all"])
    await artifacts.delete("a")

    assert (await artifacts.names()).names == tuple(sorted({*names} - {"a"}))
    assert (await artifacts.names("a")).names == ("a/b", "a_b")
    page = await artifacts.names(limit=2)
    assert page.names == ("a/b", "a_b")
    rest = await artifacts.names(cursor=page.cursor)
    assert (rest.names[0], rest.cursor) == ("content/a", None)
    assert await artifacts.find("a") is None
    assert await artifacts.read("a/b") == b"a/b"
    assert len(await artifacts.find_by_tag("all")) == len(names) - 1


async def test_artifacts_leave_other_blobs_alone(board, artifacts):
    """They share a storage with blobs, and with artifacts of another kind."""
    blobs = board.storage("models", Blobs)
    await blobs.put("model", b"blob")
    other = Artifacts(blobs, namespace="datasets")
    await artifacts.push("model", b"model")
    await other.push("model", b"dataset")
    await artifacts.delete("model")

    assert await blobs.get("model") == b"blob"
    assert await other.read("model") == b"dataset"
    assert await artifacts.find("model") is None


async def test_deleted_content_is_gone(board, artifacts):
    """No content is left of a version, or of an artifact, that was deleted."""
    for content in (b"one", b"two"):
        await artifacts.push("model", content)
    await artifacts.promote("model", 2, "production")
    with pytest.raises(errors.Conflict, match="production"):
        await artifacts.delete_version("model", 2)
    await artifacts.delete_version("model", 1)
    await artifacts.delete_version("model", 1)

    assert [one.version for one in await artifacts.versions("model")] == [2]
    assert (await artifacts.push("model", b"three")).version == 3
    await artifacts.delete_version("model", 3)
    assert (await artifacts.push("model", b"four")).version == 4
    await artifacts.delete("model")
    await artifacts.delete("never")
    assert (await board.storage("models", Blobs).list()).keys == ()


async def test_pull_replaces_a_file_as_a_whole(artifacts, tmp_path):
    """What was there stays until all of the new is there, and nothing lies about."""
    folder = tmp_path / "here"
    folder.mkdir()
    target = folder / "model.bin"
    target.write_bytes(b"old")
    content = bytes(range(256)) * 10_000
    await artifacts.push("model", content, tags=["best"])
    pulled = await artifacts.pull("model", target, tag="best")

    assert pulled.version == 1
    assert target.read_bytes() == content
    assert [*folder.iterdir()] == [target]
    with pytest.raises(errors.InvalidRequest, match="cannot be written"):
        await artifacts.pull("model", folder / "missing" / "file")
    with pytest.raises(errors.NotFound):
        await artifacts.pull("model", target, 2)
    assert target.read_bytes() == content


async def test_cancelled_pull_leaves_what_was_there(artifacts, tmp_path):
    """Wherever it is cancelled: the old file or the new, and nothing beside."""
    folder = tmp_path / "here"
    folder.mkdir()
    target = folder / "model.bin"
    content = bytes(1_500_000)
    await artifacts.push("model", content)

    def check():
        assert [*folder.iterdir()] in [[], [target]]
        if target.exists():
            assert target.read_bytes() == content

    async with no_leaks():
        assert await cancel_at_every_await(
            lambda: artifacts.pull("model", target), check
        )


async def test_cancelled_push_is_whole_or_nothing(artifacts):
    """Wherever it is cancelled, the versions that there are can be read."""

    async def check():
        for one in await artifacts.versions("model"):
            assert await artifacts.read("model", one.version) == b"content"

    await cancel_at_every_await(
        lambda: artifacts.push("model", b"content", tags=["a"], stage="s"), check
    )
    assert (await artifacts.find("model", stage="s")).tags == ("a",)


async def test_digest_of_what_is_pushed_is_compared(artifacts):
    """Content that was damaged on its way is no version."""
    digest = hashlib.sha256(b"content").hexdigest()
    await artifacts.push("model", b"content", sha256=digest)
    with pytest.raises(errors.InvalidRequest, match="digest"):
        await artifacts.push("model", b"c0ntent", sha256=digest)

    assert len(await artifacts.versions("model")) == 1


async def test_damaged_content_is_not_pulled(tmp_path):
    """The file that was there stays as it is."""
    settings = {"provider": "files", "path": tmp_path / "store"}
    async with Pegboard.isolated({"storage": {"x": settings}}) as board:
        artifacts = board.storage("x", Artifacts)
        await artifacts.push("model", b"content")
        folder = tmp_path / "store" / ".pegboard" / "blobs" / "artifacts+" / "content+"
        (stored,) = folder.iterdir()
        stored.write_bytes(stored.read_bytes().replace(b"content", b"c0ntent", 1))
        (tmp_path / "file").write_bytes(b"old")

        with pytest.raises(errors.InvalidReply):
            await artifacts.pull("model", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"old"


async def test_what_is_no_manifest_is_told(board, artifacts):
    """What something else has stored in its place is an error, and stays."""
    blobs = board.storage("models", Blobs)
    for content in (b"", b"{}", b"[1]", b'{"versions": [{}], "stages": {}, "last": 1}'):
        await blobs.put("artifacts/manifests/model", content)
        with pytest.raises(errors.InvalidReply, match="no manifest"):
            await artifacts.push("model", b"content")

        assert await blobs.get("artifacts/manifests/model") == content


@pytest.mark.parametrize("label", ["", " a", "a/b", "..", None, 5, "x" * 256])
async def test_bad_label_is_refused(artifacts, label):
    """Tags and stages are short texts."""
    await artifacts.push("model", b"content")
    for call in (
        artifacts.push("model", b"", tags=[label]),
        artifacts.tag("model", 1, label),
        artifacts.promote("model", 1, label),
        artifacts.find_by_tag(label),
    ):
        with pytest.raises(errors.InvalidRequest):
            await call


async def test_what_does_not_fit_is_refused(artifacts):
    """Names, choices and metadata that make no sense store nothing."""
    await artifacts.push("model", b"content")
    for call in (
        artifacts.push("../model", b""),
        artifacts.push("", b""),
        artifacts.push("model", "text"),
        artifacts.push("model", b"", metadata={"a": object()}),
        artifacts.push("model", b"", tags="best"),
        artifacts.read("model", 1, stage="production"),
        artifacts.find("model", tag="a", stage="production"),
    ):
        with pytest.raises(errors.InvalidRequest):
            await call
    with pytest.raises(errors.InvalidRequest):
        Artifacts(artifacts._store, namespace="a/../b")

    assert len(await artifacts.versions("model")) == 1


async def test_metadata_is_a_copy(artifacts):
    """Changing what was given, or told, changes nothing that is stored."""
    given = {"a": [1]}
    pushed = await artifacts.push("model", b"", metadata=given)
    given["a"].append(2)
    pushed.metadata["a"].append(3)

    assert (await artifacts.find("model")).metadata == {"a": [1]}


async def test_tasks_lose_nothing(artifacts):
    """Of tasks that push, tag and promote at once, each has its version."""

    async def work(number):
        one = await artifacts.push("model", b"%d" % number, stage=f"s{number}")
        await artifacts.tag("model", one.version, f"t{number}")
        return one.version

    numbers = await asyncio.gather(*map(work, range(16)))

    assert sorted(numbers) == [*range(1, 17)]
    for number, version in enumerate(numbers):
        found = await artifacts.find("model", stage=f"s{number}")
        assert (found.version, found.tags) == (version, (f"t{number}",))
        assert await artifacts.read("model", version) == b"%d" % number


def pushed_together(path):
    """Have processes push at once; return what each task says it pushed."""
    pipe = subprocess.PIPE
    command = [sys.executable, str(WORKER), "push", str(path)]
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(
                    [*command, str(number), str(TURNS)],
                    stdin=pipe,
                    stdout=pipe,
                    text=True,
                )
            )
            for number in range(PROCESSES)
        ]
        for process in started:
            stack.callback(process.kill)
        for process in started:
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate()[0] for process in started]
    return [json.loads(line) for one in said for line in one.splitlines()]


async def test_processes_lose_nothing(tmp_path):
    """Of processes that push and promote at once, each has its versions."""
    path = tmp_path / "store"
    made = pushed_together(path)

    settings = {"provider": "files", "path": path}
    async with Pegboard.isolated({"storage": {"x": settings}}) as board:
        artifacts = board.storage("x", Artifacts)
        numbers = [number for one in made for number, _ in one]
        assert sorted(numbers) == [*range(1, PROCESSES * TASKS * TURNS + 1)]
        for number, content in (pair for one in made for pair in one):
            assert await artifacts.read("model", number) == content.encode()
        found = await artifacts.find_by_tag("worker-1")
        assert len(found) == TASKS * TURNS
        last = [one[-1][0] for one in made]
        stages = [
            (await artifacts.find("model", stage=f"stage-{worker}-{task}")).version
            for worker in range(PROCESSES)
            for task in range(TASKS)
        ]
        assert stages == last


def test_programs_without_async_use_them_too(tmp_path):
    """Artifacts are pushed and pulled without an event loop of the program's."""
    with sync.Pegboard.isolated({"storage": {"x": {"provider": "memory"}}}) as board:
        artifacts = board.storage("x", sync.Artifacts)
        artifacts.push("model", b"content", tags=["best"])
        artifacts.promote("model", 1, "production")

        assert artifacts.read("model", stage="production") == b"content"
        assert b"".join(artifacts.stream("model")) == b"content"
        artifacts.pull("model", tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == b"content"
        assert artifacts.find("model").tags == ("best",)
        artifacts.untag("model", 1, "best")
        artifacts.tag("model", 1, "good")
        assert artifacts.find_by_tag("good") == artifacts.versions("model")
        assert artifacts.names().names == ("model",)
        artifacts.push("model", b"")
        artifacts.delete_version("model", 2)
        artifacts.delete("model")
        assert artifacts.names().names == ()
