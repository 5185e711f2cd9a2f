from __future__ import annotations

import pytest
from pegboard import Context
from pegboard.builtin.memory import (
    FEWEST_WRITES_BETWEEN_SWEEPS,
    MemoryKeyValue,
    MemoryOptions,
)
from pegboard.testing.clock import ManualClock
from pegboard.testing.key_value import KeyValueContract
from pydantic import ValidationError


class TestMemory(KeyValueContract):
    @pytest.fixture
    def settings(self):
        """Return the settings of a store in memory."""
        return {"provider": "memory"}


@pytest.fixture
def clock():
    """Return a clock that is moved by hand."""
    return ManualClock()


@pytest.fixture
def store(clock, tmp_path):
    """Return an empty store."""
    return MemoryKeyValue(MemoryOptions(), Context("storage.kit", tmp_path, clock))


async def test_what_has_expired_leaves_the_memory(store, clock):
    """A store of keys that nobody asks for again does not grow for ever."""
    for number in range(1000):
        await store.set(f"key{number}", number, ttl=10)
        clock.advance(1)

    assert len(store._items) <= 10 + FEWEST_WRITES_BETWEEN_SWEEPS


async def test_sweeping_keeps_what_is_alive(store, clock):
    """Only what has expired is dropped."""
    for number in range(500):
        await store.set(f"key{number:03}", number, ttl=1000)
        clock.advance(1)

    assert len((await store.scan(limit=1000)).keys) == 500


def test_files_are_left_alone(store, tmp_path):
    """Nothing is written anywhere."""
    assert store
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ttl", [0, -1, float("nan")])
def test_a_default_ttl_is_above_0(ttl):
    """Settings that could store nothing are refused."""
    with pytest.raises(ValidationError, match="ttl"):
        MemoryOptions(ttl=ttl)
