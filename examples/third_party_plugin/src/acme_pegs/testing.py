"""
Prove that a backend keeps the contract of VectorIndex.

    class TestMine(VectorIndexContract):
        @pytest.fixture
        def settings(self, tmp_path):
            return {"provider": "mine", "path": tmp_path / "vectors"}

The fixture ``settings`` returns what stands in the settings of an instance that holds
nothing yet.
"""

from __future__ import annotations

import math
import random
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from pegboard import Pegboard
from pegboard.errors import InvalidRequest
from pegboard.testing.standard import StandardTests

from .vector_index import VectorIndex

NOT_VECTORS: tuple[Any, ...] = (
    *([], [0.0, 0.0], [math.nan, 1.0], [math.inf, 1.0], [1.0]),
    *([1.0, 2.0, 3.0], ["1", "2"], [True, False], None, "12", 5),
)
NORTH, EAST, SOUTH = [0.0, 1.0], [1.0, 0.0], [0.0, -1.0]


@pytest.mark.asyncio
class VectorIndexContract(StandardTests):
    """What every VectorIndex must do. Inherit it, give the fixture ``settings``."""

    @pytest_asyncio.fixture
    async def index(self, settings: dict[str, Any]) -> AsyncGenerator[VectorIndex]:
        """Return the index, empty."""
        async with Pegboard.isolated({"storage": {"kit": settings}}) as board:
            yield board.storage("kit", VectorIndex)

    async def test_empty_index_has_nothing(self, index: VectorIndex) -> None:
        """Nothing is near where there is nothing."""
        assert await index.nearest(NORTH) == []
        assert await index.count() == 0
        assert await index.delete("a") is False

    async def test_nearest_comes_first(self, index: VectorIndex) -> None:
        """Entries come in the order of their angles."""
        await index.put("south", SOUTH)
        await index.put("east", EAST)
        await index.put("north", NORTH)
        found = await index.nearest([0.1, 1.0])

        assert [one.key for one in found] == ["north", "east", "south"]
        assert [one.score for one in found] == sorted(
            (one.score for one in found), reverse=True
        )

    async def test_score_is_the_cosine(self, index: VectorIndex) -> None:
        """How long vectors are makes no difference."""
        await index.put("far", [0.0, 100.0])
        await index.put("askew", [0.01, 0.01])
        await index.put("opposite", [0.0, -0.5])
        found = {one.key: one.score for one in await index.nearest([0.0, 3.0])}

        assert found == pytest.approx(
            {"far": 1.0, "askew": math.sqrt(0.5), "opposite": -1.0}
        )

    async def test_equal_scores_are_ordered_by_key(self, index: VectorIndex) -> None:
        """The order is always the same."""
        for key in ("c", "a", "b"):
            await index.put(key, NORTH)

        assert [one.key for one in await index.nearest(NORTH)] == ["a", "b", "c"]

    async def test_limit_is_kept(self, index: VectorIndex) -> None:
        """No more than asked for, and the nearest of all."""
        for number in range(20):
            await index.put(f"{number}", [float(number), 1.0])

        found = await index.nearest(NORTH, limit=3)
        assert [one.key for one in found] == ["0", "1", "2"]
        for limit in (0, -1, None):
            with pytest.raises(InvalidRequest):
                await index.nearest(NORTH, limit=limit)  # type: ignore[arg-type]  # wrong

    async def test_where_leaves_out_others(self, index: VectorIndex) -> None:
        """What is far and fits is found, what is near and does not is not."""
        await index.put("near", NORTH, about={"kind": "a", "page": 1})
        await index.put("far", SOUTH, about={"kind": "b", "page": 1})
        await index.put("bare", NORTH)

        found = await index.nearest(NORTH, where={"kind": "b", "page": 1}, limit=1)
        assert [one.key for one in found] == ["far"]
        assert await index.nearest(NORTH, where={"kind": "a", "page": 2}) == []

    async def test_about_comes_back(self, index: VectorIndex) -> None:
        """It is a copy of what was given, and empty if that was nothing."""
        about = {"list": [1, {"a": None}]}
        await index.put("a", NORTH, about=about)
        about["list"].append(2)
        await index.put("b", SOUTH)

        found = await index.nearest(NORTH)
        assert [one.about for one in found] == [{"list": [1, {"a": None}]}, {}]

    async def test_put_replaces_all(self, index: VectorIndex) -> None:
        """The old vector and what was known about it are gone."""
        await index.put("a", NORTH, about={"old": 1})
        await index.put("a", EAST)
        (found,) = await index.nearest(EAST)

        assert found.score == pytest.approx(1.0)
        assert found.about == {}
        assert await index.count() == 1

    async def test_deleted_is_not_found(self, index: VectorIndex) -> None:
        """It is neither near nor counted."""
        await index.put("a", NORTH)
        await index.put("b", NORTH)

        assert await index.delete("a") is True
        assert await index.delete("a") is False
        assert [one.key for one in await index.nearest(NORTH)] == ["b"]
        assert await index.count() == 1

    @pytest.mark.parametrize("values", NOT_VECTORS, ids=repr)
    async def test_bad_vector_is_refused(self, index: VectorIndex, values: Any) -> None:
        """What has no direction, or another length, is neither stored nor found."""
        await index.put("a", NORTH)
        with pytest.raises(InvalidRequest):
            await index.put("b", values)
        with pytest.raises(InvalidRequest):
            await index.nearest(values)
        assert await index.count() == 1

    @pytest.mark.parametrize("key", ["", None, 5, "\ud800"], ids=ascii)
    async def test_bad_key_is_refused(self, index: VectorIndex, key: Any) -> None:
        """A key is text."""
        with pytest.raises(InvalidRequest):
            await index.put(key, NORTH)
        with pytest.raises(InvalidRequest):
            await index.delete(key)

    @pytest.mark.parametrize("about", [[1], "text", {"a": math.nan}], ids=repr)
    async def test_bad_about_is_refused(self, index: VectorIndex, about: Any) -> None:
        """What is known about something is an object of JSON."""
        with pytest.raises(InvalidRequest):
            await index.put("a", NORTH, about=about)
        assert await index.count() == 0

    async def test_it_agrees_with_a_list(self, index: VectorIndex) -> None:
        """Whatever is put, replaced and deleted, a list of a few lines agrees."""
        chance = random.Random(7)  # noqa: S311 - no secret
        kept: dict[str, list[float]] = {}
        for _ in range(60):
            key = f"{chance.randrange(25)}"
            if chance.random() < 0.25:
                assert await index.delete(key) is (kept.pop(key, None) is not None)
            else:
                kept[key] = [chance.gauss(0, 1) for _ in range(8)]
                await index.put(key, kept[key])
        asked = [chance.gauss(0, 1) for _ in range(8)]
        expected = sorted(kept, key=lambda key: -cosine(asked, kept[key]))

        assert [one.key for one in await index.nearest(asked, limit=100)] == expected


def cosine(one: list[float], other: list[float]) -> float:
    """Return the cosine of the angle between two vectors."""
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / (math.hypot(*one) * math.hypot(*other))
