"""The index of vectors keeps its contract, and those that do not are found out."""

import sqlite3
from dataclasses import replace

import pytest
from acme_pegs.neighbours import Neighbours, NeighboursOptions
from acme_pegs.testing import VectorIndexContract
from acme_pegs.vector_index import VectorIndex
from pegboard import Context, Pegboard
from pegboard.errors import Unavailable


class TestNeighbours(VectorIndexContract):
    @pytest.fixture
    def settings(self, tmp_path):
        return {"provider": "neighbours", "path": tmp_path / "kit.vectors"}


class Unsorted(Neighbours):
    caught_by = "test_nearest_comes_first"

    async def nearest(self, values, **question):
        return (await super().nearest(values, **question))[::-1]


class NotNormalised(Neighbours):
    caught_by = "test_score_is_the_cosine"

    async def nearest(self, values, **question):
        found = await super().nearest(values, **question)
        return [replace(one, score=one.score * 3) for one in found]


class FilteredTooLate(Neighbours):
    caught_by = "test_where_leaves_out_others"

    async def nearest(self, values, *, limit=10, where=None):
        found = await super().nearest(values, limit=limit)
        return [one for one in found if one.about == one.about | (where or {})]


class KeepsWhatWasKnown(Neighbours):
    caught_by = "test_put_replaces_all"

    async def put(self, key, values, *, about=None):
        found = await super().nearest(values, limit=100) if about is None else []
        known = next((one.about for one in found if one.key == key), None)
        await super().put(key, values, about=about or known)


class DeletesNothing(Neighbours):
    caught_by = "test_deleted_is_not_found"

    async def delete(self, key):
        return bool(key)


class Forgetful(Neighbours):
    caught_by = "test_it_agrees_with_a_list"

    async def put(self, key, values, *, about=None):
        if await self.count() < 12:
            await super().put(key, values, about=about)


@pytest.mark.parametrize("broken", Neighbours.__subclasses__())
async def test_broken_index_is_found_out(broken, tmp_path):
    """The kit passes over nothing that makes an index useless."""
    index = broken(
        NeighboursOptions(path=tmp_path / "x"), Context("storage.x", tmp_path)
    )

    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await getattr(VectorIndexContract(), broken.caught_by)(index)


async def test_vectors_outlive_the_board(tmp_path):
    """What one board stored, the next one finds; without settings, too."""
    for _ in range(2):
        async with Pegboard.isolated({"data_folder": tmp_path}) as board:
            index = board.storage("notes", VectorIndex)
            await index.put("a", [1, 2])
            assert [one.key for one in await index.nearest([1, 2])] == ["a"]


async def test_file_that_cannot_be_used_is_told(tmp_path):
    """The error names it."""
    path = tmp_path / "kit.vectors"
    path.write_text("This is no database, and never was one.")
    settings = {"storage": {"notes": {"provider": "neighbours", "path": path}}}
    async with Pegboard.isolated(settings) as board:
        with pytest.raises(Unavailable, match=r"kit\.vectors cannot be used") as caught:
            await board.storage("notes", VectorIndex).count()

    assert isinstance(caught.value.__cause__, sqlite3.Error)
