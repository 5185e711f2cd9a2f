from __future__ import annotations

import asyncio

import pytest
from pegboard import Artifacts, Blobs, Pegboard, errors


@pytest.fixture
async def artifacts(settings_of, shared_server):
    """Return artifacts in a bucket, none yet."""
    settings = settings_of(shared_server.endpoint)
    async with Pegboard.isolated({"storage": {"kit": settings}}) as board:
        yield board.storage("kit", Artifacts)


async def test_artifacts_are_kept_in_a_bucket(artifacts, tmp_path):
    """Versions, tags and stages are found again, and content comes as a file."""
    await artifacts.push("model", b"one", tags=["best"], stage="production")
    await artifacts.push("model", bytes(9_000_000), metadata={"loss": 0.5})
    await artifacts.pull("model", tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == bytes(9_000_000)
    assert await artifacts.read("model", stage="production") == b"one"
    assert [one.version for one in await artifacts.find_by_tag("best")] == [1]
    await artifacts.delete_version("model", 2)
    assert (await artifacts.find("model")).version == 1
    with pytest.raises(errors.NotFound):
        await artifacts.read("model", 2)


async def test_tasks_of_several_boards_lose_nothing(settings_of, shared_server):
    """Of those who push and promote at once, each has its version."""
    settings = settings_of(shared_server.endpoint)

    async def push(number):
        async with Pegboard.isolated({"storage": {"kit": settings}}) as board:
            artifacts = board.storage("kit", Artifacts)
            made = []
            for turn in range(3):
                content = b"%d.%d" % (number, turn)
                one = await artifacts.push("model", content, stage=f"s{number}")
                made.append((one.version, content))
            return made

    said = await asyncio.gather(*map(push, range(4)))
    async with Pegboard.isolated({"storage": {"kit": settings}}) as board:
        artifacts = board.storage("kit", Artifacts)
        assert sorted(number for one in said for number, _ in one) == [*range(1, 13)]
        for number, one in enumerate(said):
            assert await artifacts.read("model", stage=f"s{number}") == one[-1][1]
            for version, content in one:
                assert await artifacts.read("model", version) == content
        assert len((await board.storage("kit", Blobs).list(limit=50)).keys) == 13
