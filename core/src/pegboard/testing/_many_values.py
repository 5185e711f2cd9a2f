"""What a KeyValue must do with many keys at once, and with the time they have left."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pegboard.contracts.key_value import MOST_AT_ONCE, KeyValue
from pegboard.errors import InvalidRequest

from .clock import ManualClock

if TYPE_CHECKING:
    from .clock import RealClock
    from .key_value import OpenStore

TTL, PAST_TTL, LONG = 1.0, 1.1, 1000.0
KEYS = (
    "a",
    "a/b",
    "a_b",
    "%",
    "\x00",
    "a\x00",
    "\x01",
    "\u00e9",
    "e\u0301",
    "k" * 1000,
)
CROWD = tuple(f"k{number:03}" for number in range(MOST_AT_ONCE))
NOT_LISTS: tuple[Any, ...] = ("key", b"key", None, 5)
NOT_LISTED: tuple[Any, ...] = ("", None, 5, b"a", "\ud800")
PAIR = ("one", "other")
TASKS, TURNS = 4, 25


def _short(value: object) -> str:
    return ascii(value)[:20]


class ManyValuesTests:
    """A part of the kit of KeyValue."""

    async def test_get_many_returns_what_exists(self, store: KeyValue) -> None:
        """Values are returned under their keys, and what is missing is left out."""
        await store.set("a", {"x": [1]})
        await store.set("none", None)
        await store.set("other", 1)

        found = await store.get_many(["none", "a", "missing"])

        assert found == {"a": {"x": [1]}, "none": None}

    async def test_get_many_takes_a_key_twice(self, store: KeyValue) -> None:
        """A key that is asked for twice is there once."""
        await store.set("a", 1)

        assert await store.get_many(["a", "a"]) == {"a": 1}
        assert await store.delete_many(["a", "a"]) == 1

    async def test_many_may_be_none(self, store: KeyValue) -> None:
        """Nothing to do is no error."""
        assert await store.get_many([]) == {}
        assert await store.set_many({}) == {}
        assert await store.delete_many([]) == 0

    async def test_many_may_be_a_hundred(self, store: KeyValue) -> None:
        """A hundred keys go at once, whatever order they come in."""
        values = {key: [key] for key in reversed(CROWD)}
        await store.set_many(values)

        assert await store.get_many(CROWD) == values
        assert (await store.scan(limit=1000)).keys == CROWD
        assert await store.delete_many(CROWD) == len(CROWD)
        assert (await store.scan()).keys == ()

    async def test_more_than_a_hundred_are_refused(self, store: KeyValue) -> None:
        """Too many at once are refused before anything is done."""
        crowd = (*CROWD, "more")

        for call in _calls(store, crowd):
            with pytest.raises(InvalidRequest, match="100"):
                await call()
        assert (await store.scan()).keys == ()

    @pytest.mark.parametrize("keys", NOT_LISTS, ids=_short)
    async def test_keys_are_a_list(self, store: KeyValue, keys: Any) -> None:
        """A text is not taken for a list of its characters."""
        await store.set("k", 1)
        for call in _calls(store, keys):
            with pytest.raises(InvalidRequest):
                await call()

        assert (await store.scan()).keys == ("k",)

    @pytest.mark.parametrize("key", NOT_LISTED, ids=_short)
    async def test_bad_key_among_many_is_refused(
        self, store: KeyValue, key: Any
    ) -> None:
        """One bad key spoils the call, which then has done nothing."""
        await store.set("a", "old")
        for call in _calls(store, ("a", key, "b")):
            with pytest.raises(InvalidRequest):
                await call()

        assert await store.get_many(["a", "b"]) == {"a": "old"}

    async def test_keys_of_many_do_not_meet(self, store: KeyValue) -> None:
        """Keys that look alike are told apart, in every way to use many."""
        values = {key: number for number, key in enumerate(KEYS)}
        await store.set_many(values)

        assert await store.get_many(KEYS) == values
        assert [await store.get(key) for key in KEYS] == list(values.values())
        assert await store.delete_many(KEYS[1:]) == len(KEYS) - 1
        assert await store.get_many(KEYS) == {KEYS[0]: 0}

    async def test_set_many_replaces(self, store: KeyValue) -> None:
        """What was stored before is replaced, and has a new version."""
        old = await store.set("a", "old")
        versions = await store.set_many({"a": "new", "b": None})

        assert await store.get_many(["a", "b"]) == {"a": "new", "b": None}
        assert old not in versions.values()
        assert len(set(versions.values())) == 2

    async def test_set_many_returns_the_versions(self, store: KeyValue) -> None:
        """What set_many returns can be compared with, as what set returns."""
        versions = await store.set_many({"a": 1, "b\x00": 2})

        assert list(versions) == ["a", "b\x00"]
        for key, version in versions.items():
            await store.set(key, "mine", if_version=version)

    async def test_set_many_stores_copies(self, store: KeyValue) -> None:
        """What is changed afterwards changes nothing that is stored."""
        value = {"a": [1]}
        await store.set_many({"key": value})
        value["a"].append(2)
        (await store.get_many(["key"]))["key"]["a"].append(3)

        assert await store.get_many(["key"]) == {"key": {"a": [1]}}

    async def test_bad_value_among_many_is_refused(self, store: KeyValue) -> None:
        """One value that has no JSON spoils the call, which then has done nothing."""
        await store.set("b", "old")

        with pytest.raises(InvalidRequest):
            await store.set_many({"a": 1, "b": 2, "c": math.nan, "d": 4})
        assert await store.get_many(list("abcd")) == {"b": "old"}

    @pytest.mark.parametrize("ttl", [0, -1, math.nan], ids=_short)
    async def test_bad_ttl_of_many_is_refused(self, store: KeyValue, ttl: Any) -> None:
        """A ttl that is not above 0 is refused, and nothing is changed."""
        with pytest.raises(InvalidRequest):
            await store.set_many({"a": 1}, ttl=ttl)

        assert not await store.exists("a")

    async def test_ttl_of_many_holds_for_each(
        self, store: KeyValue, clock: ManualClock | RealClock
    ) -> None:
        """All that was stored at once expires at once, and does not exist then."""
        await store.set("b", "old")
        await store.set_many({"a": 1, "b": 2}, ttl=TTL)
        await store.set("c", 3, ttl=LONG)
        await clock.sleep(PAST_TTL)

        assert await store.get_many(["a", "b", "c"]) == {"c": 3}
        assert await store.delete_many(["a", "b", "c"]) == 1

    async def test_set_many_replaces_the_expiry(
        self, store: KeyValue, clock: ManualClock | RealClock
    ) -> None:
        """Where neither the call nor the settings name a ttl, an old one is gone."""
        await store.set("a", "old", ttl=TTL)
        await store.set_many({"a": "new"})
        await clock.sleep(PAST_TTL)

        assert await store.get("a") == "new"

    async def test_default_ttl_holds_for_many(
        self, open_store: OpenStore, clock: ManualClock | RealClock
    ) -> None:
        """The ttl of the settings holds, unless the call names one."""
        store = await open_store(ttl=TTL)
        await store.set_many({"a": 1, "b": 1})
        await store.set_many({"b": 2}, ttl=LONG)
        await store.set_many({"c": 3}, ttl=math.inf)
        await clock.sleep(PAST_TTL)

        assert (await store.scan()).keys == ("b", "c")

    async def test_delete_many_counts_what_was_there(self, store: KeyValue) -> None:
        """What is missing is no error, and does not count."""
        await store.set_many({"a": 1, "b": None, "c": 3})

        assert await store.delete_many(["a", "b", "missing"]) == 2
        assert await store.delete_many(["a", "b", "missing"]) == 0
        assert (await store.scan()).keys == ("c",)

    async def test_version_is_not_used_again_after_delete_many(
        self, store: KeyValue
    ) -> None:
        """A key that is deleted and written anew does not get an old version."""
        versions: list[str] = []
        for _ in range(20):
            versions += (await store.set_many({"a": "same", "b": "same"})).values()
            await store.delete_many(["a", "b"])

        assert len(set(versions)) == 40

    async def test_many_are_one_change(self, store: KeyValue) -> None:
        """Who reads at once what is stored and deleted at once sees all or nothing."""
        seen: list[dict[str, Any]] = []
        done = asyncio.Event()

        async def write() -> None:
            for turn in range(TURNS * 4):
                await store.set_many(dict.fromkeys(PAIR, turn))
                await asyncio.sleep(0)
                if turn % 3 == 0:
                    await store.delete_many(PAIR)
                    await asyncio.sleep(0)
            done.set()

        async def read() -> None:
            while not done.is_set():
                seen.append(await store.get_many(PAIR))
                await asyncio.sleep(0)

        await asyncio.gather(write(), read(), read())

        torn = [one for one in seen if one and [*one.values()] != [one["one"]] * 2]
        assert not torn
        assert len({one.get("one") for one in seen}) > 1, "nothing was read meanwhile"

    async def test_many_are_one_change_in_threads(self, store: KeyValue) -> None:
        """Event loops in other threads, too, see all of a change or nothing of it."""
        seen: list[dict[str, Any]] = []

        async def write(first: int) -> None:
            for turn in range(first, first + TURNS):
                await store.set_many(dict.fromkeys(PAIR, turn))

        async def read() -> None:
            for _ in range(TURNS):
                seen.append(await store.get_many(PAIR))  # noqa: PERF401 - in between

        work = (write(0), write(1000), read(), read())
        await asyncio.gather(*(asyncio.to_thread(asyncio.run, one) for one in work))

        assert all(len(set(one.values())) < 2 for one in seen)
        assert all(len(one) in {0, 2} for one in seen)

    async def test_many_in_any_order_do_not_wait_in_a_circle(
        self, store: KeyValue
    ) -> None:
        """Tasks that change the same keys, named in other orders, all come through."""
        order = random.Random(5)  # noqa: S311 - the same every time
        keys = CROWD[:20]

        async def write(task: int) -> None:
            for turn in range(5):
                mixed = order.sample(keys, len(keys))
                await store.set_many({key: [task, turn] for key in mixed})
                await store.delete_many(mixed[::-1])

        await asyncio.gather(*map(write, range(TASKS)))

        assert (await store.scan()).keys == ()

    async def test_ttl_tells_the_time_that_is_left(
        self, store: KeyValue, clock: ManualClock | RealClock
    ) -> None:
        """It becomes less as time goes by, and a touch sets it anew."""
        await store.set("key", 1, ttl=LONG)
        first = await store.ttl("key")
        await clock.sleep(0.5)
        later = await store.ttl("key")
        await store.touch("key", ttl=LONG * 2)

        assert first is not None
        assert later is not None
        assert LONG - 1 < later < first <= LONG
        assert LONG < (await store.ttl("key") or 0) <= LONG * 2

    async def test_ttl_is_exact(
        self, store: KeyValue, clock: ManualClock | RealClock
    ) -> None:
        """With a clock that stands still, what is left is what was given."""
        if isinstance(clock, ManualClock):
            await store.set_many({"key": 1}, ttl=0.25)

            assert await store.ttl("key") == pytest.approx(0.25)

    async def test_ttl_of_what_does_not_expire_is_none(self, store: KeyValue) -> None:
        """Never is None, as in the settings."""
        await store.set("set", 1)
        await store.set("cleared", 1, ttl=LONG)
        await store.touch("cleared", ttl=math.inf)
        await store.incr("counted")

        for key in ("set", "cleared", "counted"):
            assert await store.ttl(key) is None

    async def test_ttl_of_what_is_not_there_is_0(
        self, store: KeyValue, clock: ManualClock | RealClock
    ) -> None:
        """What was never stored, was deleted or has expired has no time left."""
        await store.set("deleted", 1)
        await store.delete("deleted")
        await store.set("expired", 1, ttl=TTL)
        await clock.sleep(PAST_TTL)

        for key in ("missing", "deleted", "expired"):
            assert await store.ttl(key) == 0

    @pytest.mark.parametrize("key", NOT_LISTED, ids=_short)
    async def test_ttl_refuses_what_is_no_key(self, store: KeyValue, key: Any) -> None:
        """What cannot be a key is refused here, too."""
        with pytest.raises(InvalidRequest):
            await store.ttl(key)


def _calls(store: KeyValue, keys: Any) -> tuple[partial[Any], ...]:
    """Return a call of each operation on many *keys*."""
    is_list = isinstance(keys, tuple)
    values: Mapping[str, Any] = dict.fromkeys(keys, 1) if is_list else keys
    return (
        partial(store.get_many, keys),
        partial(store.set_many, values),
        partial(store.delete_many, keys),
    )
