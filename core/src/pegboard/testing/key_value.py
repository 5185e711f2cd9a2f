"""
Prove that a backend keeps the contract of KeyValue.

    from pegboard.testing.key_value import KeyValueContract


    class TestRedis(KeyValueContract):
        @pytest.fixture
        def settings(self, server):
            return {"provider": "redis", "url": server.url, "prefix": uuid4().hex}

The fixture ``settings`` returns what stands in the settings of an instance that holds
nothing yet. A backend that keeps its own time gets a ``RealClock`` as its ``clock``.
What cannot be kept is left out with a reason; see ``pegboard.testing.standard``.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pytest
import pytest_asyncio
from hypothesis import HealthCheck
from hypothesis import settings as example_settings
from hypothesis.stateful import run_state_machine_as_test

from pegboard import Entry, KeyValue
from pegboard.errors import Conflict, InvalidRequest

from ._instance_kit import InstanceKit, MakeBoard
from ._key_value_model import KeyValueMachine
from ._many_values import ManyValuesTests
from .clock import ManualClock, RealClock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Iterable

TTL = 1.0
"""Seconds: long enough that the next call comes in time, on any machine."""
PAST_TTL = 1.1
LONG = 1000.0
TASKS, TURNS = 8, 5

VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.0,
    0.1,
    1e300,
    5e-324,
    2**53 + 1,
    2**63,
    -(10**40),
    "",
    "null",
    'nul \x00, newline \n, quote ", backslash \\',
    "e\u0301 is not \u00e9",
    "\U0001f600",
    "half of a pair: \ud83d",
    [],
    {},
    [None, [1, [2.5, {"": [True, "x"]}]]],
    {"a": {"b": {"c": [1, 2, 3]}}, "\u00e9": None, "a.b": "$", "__class__": 1},
    "x" * 100_000,
)
NOT_JSON: tuple[Any, ...] = (
    math.nan,
    math.inf,
    [-math.inf],
    object(),
    b"bytes",
    {1, 2},
    {(1, 2): 3},
    3j,
)
KEYS = (
    "a",
    "A",
    "a/b",
    "a_b",
    "a%b",
    "a%2Fb",
    "a\\b",
    "a:b",
    "a.b",
    "../a",
    "..",
    ".",
    "/",
    "/etc/passwd",
    "con",
    " ",
    " a",
    "a ",
    "\t\n",
    "\x00",
    "a\x00",
    "a\x00b",
    "*",
    "?",
    "[a]",
    "{a}",
    "%",
    "_",
    "'; DROP TABLE x; --",
    "\u00e9",
    "e\u0301",
    "\u00df",
    "SS",
    "\ufb01",
    "\u202eabc",
    "\ufffd",
    "\U0001f600",
    "\U0010ffff",
    "k" * 1000,
    "k" * 999 + "\u00e9",
)
NOT_KEYS: tuple[Any, ...] = ("", None, 5, b"a", ("a",), "\ud800")
NOT_TTLS: tuple[Any, ...] = (0, 0.0, -1, -0.5, math.nan, -math.inf, "5")
NOT_COUNTERS: tuple[Any, ...] = ("7", "text", 1.0, None, True, [1], {"a": 1})
EXAMPLES = example_settings(
    database=None,
    deadline=None,
    derandomize=True,
    max_examples=100,
    stateful_step_count=50,
    suppress_health_check=list(HealthCheck),
)
Clock = ManualClock | RealClock
T = TypeVar("T")


def _short(value: object) -> str:
    return ascii(value)[:20]


class OpenStore(Protocol):
    """Open the store, some of its settings changed."""

    async def __call__(self, **changes: object) -> KeyValue:
        """Return the store of a new board, which is closed after the test."""
        ...


@pytest.mark.asyncio
class KeyValueContract(ManyValuesTests, InstanceKit):
    """What every KeyValue must do. Inherit it and give the fixture ``settings``."""

    examples = EXAMPLES
    """How many random calls are compared with a model; fewer for a slow backend."""

    @pytest.fixture
    def clock(self) -> Clock:
        """Return the clock that expiry is measured with."""
        return ManualClock()

    @pytest_asyncio.fixture
    async def open_store(self, make_board: MakeBoard) -> AsyncGenerator[OpenStore]:
        """Return a function that opens the store."""
        async with AsyncExitStack() as boards:

            async def open_store(**changes: object) -> KeyValue:
                board = await boards.enter_async_context(make_board(**changes))
                return board.storage("kit", KeyValue)

            yield open_store

    @pytest_asyncio.fixture
    async def store(self, open_store: OpenStore) -> KeyValue:
        """Return the store, empty."""
        return await open_store()

    async def test_missing_key_gives_none(self, store: KeyValue) -> None:
        """A key that was never set has the value None."""
        assert await store.get("key") is None

    async def test_missing_key_gives_the_default(self, store: KeyValue) -> None:
        """A key that was never set has the default as its value."""
        assert await store.get("key", "default") == "default"

    async def test_missing_key_has_no_entry(self, store: KeyValue) -> None:
        """A key that was never set has no entry."""
        assert await store.get_entry("key") is None

    async def test_stored_none_is_a_value(self, store: KeyValue) -> None:
        """None can be stored, and is told from a missing key."""
        await store.set("key", None)

        assert await store.get("key", "default") is None
        assert await store.exists("key")
        assert await store.get_entry("key") is not None

    @pytest.mark.parametrize("value", VALUES, ids=_short)
    async def test_value_comes_back_as_it_was(
        self, store: KeyValue, value: Any
    ) -> None:
        """A value is read with the type and the digits that it was stored with."""
        await store.set("key", value)
        entry = await store.get_entry("key")

        assert repr(await store.get("key")) == repr(value)
        assert entry
        assert repr(entry.value) == repr(value)

    async def test_tuple_comes_back_as_a_list(self, store: KeyValue) -> None:
        """JSON knows lists only."""
        await store.set("key", (1, (2,)))

        assert await store.get("key") == [1, [2]]

    @pytest.mark.parametrize("value", NOT_JSON, ids=_short)
    async def test_value_that_json_lacks_is_refused(
        self, store: KeyValue, value: Any
    ) -> None:
        """What cannot be read back as it was is not stored; what was there stays."""
        await store.set("key", "old")

        with pytest.raises(InvalidRequest):
            await store.set("key", value)
        assert await store.get("key") == "old"

    async def test_value_that_holds_itself_is_refused(self, store: KeyValue) -> None:
        """A circle is no JSON."""
        circle: list[Any] = []
        circle.append(circle)

        with pytest.raises(InvalidRequest):
            await store.set("key", circle)

    async def test_stored_value_is_a_copy(self, store: KeyValue) -> None:
        """Changing what was given to the store changes nothing in it."""
        given = {"list": [1]}
        await store.set("key", given)
        given["list"].append(2)

        assert await store.get("key") == {"list": [1]}

    async def test_read_value_is_a_copy(self, store: KeyValue) -> None:
        """Changing what the store gave changes nothing in it."""
        await store.set("key", {"list": [1]})
        (await store.get("key"))["list"].append(2)
        entry = await store.get_entry("key")
        assert entry
        entry.value["list"].append(3)

        assert await store.get("key") == {"list": [1]}

    async def test_keys_do_not_meet(self, store: KeyValue) -> None:
        """Every key has a value of its own, whatever the backend makes of its name."""
        for key in KEYS:
            await store.set(key, f"value of {key}")

        assert {key: f"value of {key}" for key in KEYS} == {
            key: await store.get(key) for key in KEYS
        }

    async def test_keys_are_listed_as_they_were_given(self, store: KeyValue) -> None:
        """A scan shows every key, unchanged, ordered by code point."""
        for key in KEYS:
            await store.set(key, None)

        assert tuple(sorted(KEYS)) == (await store.scan(limit=len(KEYS))).keys

    async def test_keys_are_deleted_one_by_one(self, store: KeyValue) -> None:
        """Deleting a key leaves those alone that look like it."""
        for key in KEYS:
            await store.set(key, None)
        for key in KEYS:
            assert await store.delete(key)
            assert not await store.exists(key)

        assert (await store.scan()).keys == ()

    @pytest.mark.parametrize("key", NOT_KEYS, ids=_short)
    async def test_bad_key_is_refused(self, store: KeyValue, key: Any) -> None:
        """A key that is no text, empty or no Unicode is refused by every operation."""
        calls = (
            partial(store.get, key),
            partial(store.get_entry, key),
            partial(store.set, key, 1),
            partial(store.delete, key),
            partial(store.exists, key),
            partial(store.touch, key),
            partial(store.incr, key),
        )
        for call in calls:
            with pytest.raises(InvalidRequest):
                await call()

    async def test_set_replaces_the_value(self, store: KeyValue) -> None:
        """The last value stored is the one that is read."""
        await store.set("key", {"old": 1})
        await store.set("key", {"new": 2})

        assert await store.get("key") == {"new": 2}

    async def test_entry_has_the_version_that_set_returned(
        self, store: KeyValue
    ) -> None:
        """A version is known from writing as from reading."""
        version = await store.set("key", 1)

        assert await _version(store, "key") == version
        assert isinstance(version, str)

    async def test_every_write_has_a_new_version(self, store: KeyValue) -> None:
        """The same value, written again, has another version."""
        versions = [await store.set("key", "same") for _ in range(100)]

        assert len(set(versions)) == 100

    async def test_version_is_not_used_again_after_a_delete(
        self, store: KeyValue
    ) -> None:
        """A key that is deleted and written anew does not get an old version."""
        versions = []
        for _ in range(20):
            versions.append(await store.set("key", "same"))
            await store.delete("key")

        assert len(set(versions)) == 20

    async def test_version_is_not_used_again_after_expiry(
        self, store: KeyValue, clock: Clock
    ) -> None:
        """A key that expired and is written anew does not get an old version."""
        old = await store.set("key", "same", ttl=TTL)
        await clock.sleep(PAST_TTL)

        assert await store.set("key", "same") != old

    async def test_version_does_not_follow_the_programs_seed(
        self, store: KeyValue
    ) -> None:
        """A program that seeds its random numbers does not get its versions again."""
        versions = set()
        for _ in range(2):
            random.seed(1)
            versions.add(await store.set("key", "same"))

        assert len(versions) == 2

    async def test_incr_makes_a_new_version(self, store: KeyValue) -> None:
        """Counting is a write."""
        version = await store.set("key", 1)
        await store.incr("key")

        assert await _version(store, "key") != version

    async def test_incr_by_0_makes_a_new_version(self, store: KeyValue) -> None:
        """Counting is a write, even if the number stays."""
        version = await store.set("key", 1)
        await store.incr("key", 0)

        assert await _version(store, "key") != version

    async def test_set_if_version_replaces_that_version(self, store: KeyValue) -> None:
        """Who knows the stored version may replace it."""
        version = await store.set("key", "old")
        newer = await store.set("key", "new", if_version=version)

        assert await store.get("key") == "new"
        assert await _version(store, "key") == newer != version

    async def test_set_if_version_refuses_when_it_was_replaced(
        self, store: KeyValue
    ) -> None:
        """Who knows an older version is told so, and nothing is changed."""
        older = await store.set("key", "old")
        version = await store.set("key", "new")

        with pytest.raises(Conflict):
            await store.set("key", "mine", if_version=older)
        assert await store.get("key") == "new"
        assert await _version(store, "key") == version

    async def test_set_if_version_refuses_when_it_was_counted(
        self, store: KeyValue
    ) -> None:
        """Counting replaces a version, too."""
        older = await store.set("key", 1)
        await store.incr("key")

        with pytest.raises(Conflict):
            await store.set("key", 1, if_version=older)

    async def test_set_if_version_refuses_a_missing_key(self, store: KeyValue) -> None:
        """A key that does not exist has no version."""
        with pytest.raises(Conflict):
            await store.set("key", "mine", if_version="1")
        assert not await store.exists("key")

    async def test_set_if_version_refuses_when_it_was_deleted(
        self, store: KeyValue
    ) -> None:
        """A deleted key does not come back by its old version."""
        version = await store.set("key", "old")
        await store.delete("key")

        with pytest.raises(Conflict):
            await store.set("key", "mine", if_version=version)
        assert not await store.exists("key")

    async def test_set_if_version_refuses_when_it_was_written_anew(
        self, store: KeyValue
    ) -> None:
        """The same value, deleted and written anew, is not the same version."""
        version = await store.set("key", "same")
        await store.delete("key")
        await store.set("key", "same")

        with pytest.raises(Conflict):
            await store.set("key", "mine", if_version=version)

    async def test_set_if_version_refuses_when_it_expired(
        self, store: KeyValue, clock: Clock
    ) -> None:
        """An expired key does not come back by its old version."""
        version = await store.set("key", "old", ttl=TTL)
        await clock.sleep(PAST_TTL)

        with pytest.raises(Conflict):
            await store.set("key", "mine", if_version=version)
        assert not await store.exists("key")

    async def test_set_if_version_refuses_that_of_another_key(
        self, store: KeyValue
    ) -> None:
        """A version belongs to one key."""
        await store.set("key", "same")
        other = await store.set("other", "same")

        with pytest.raises(Conflict):
            await store.set("key", "mine", if_version=other)

    async def test_refused_set_leaves_the_expiry(
        self, store: KeyValue, clock: Clock
    ) -> None:
        """A set whose condition does not hold does not prolong the key's life."""
        await store.set("key", "old", ttl=TTL)
        for condition in ({"if_absent": True}, {"if_version": "?"}):
            with pytest.raises(Conflict):
                await store.set("key", "mine", ttl=LONG, **condition)
        await clock.sleep(PAST_TTL)

        assert not await store.exists("key")

    async def test_conflict_says_where(self, store: KeyValue) -> None:
        """The error knows the instance and the operation."""
        with pytest.raises(Conflict) as caught:
            await store.set("key", "mine", if_version="?")

        assert (caught.value.address, caught.value.operation) == ("storage.kit", "set")

    async def test_set_if_absent_stores_a_new_key(self, store: KeyValue) -> None:
        """The first one wins."""
        version = await store.set("key", "mine", if_absent=True)

        assert await store.get("key") == "mine"
        assert await _version(store, "key") == version

    async def test_set_if_absent_refuses_an_existing_key(self, store: KeyValue) -> None:
        """The second one is told so, and nothing is changed."""
        version = await store.set("key", None)

        with pytest.raises(Conflict):
            await store.set("key", "mine", if_absent=True)
        assert await _version(store, "key") == version

    async def test_set_if_absent_stores_after_a_delete(self, store: KeyValue) -> None:
        """A deleted key is absent."""
        await store.set("key", "old")
        await store.delete("key")
        await store.set("key", "mine", if_absent=True)

        assert await store.get("key") == "mine"

    async def test_set_if_absent_stores_after_expiry(
        self, store: KeyValue, clock: Clock
    ) -> None:
        """An expired key is absent, and what comes then has its own expiry."""
        await store.set("key", "old", ttl=TTL)
        await clock.sleep(PAST_TTL)
        await store.set("key", "mine", if_absent=True)
        await clock.sleep(PAST_TTL)

        assert await store.get("key") == "mine"

    async def test_conditions_do_not_go_together(self, store: KeyValue) -> None:
        """A key cannot be absent and have a version."""
        version = await store.set("key", "old")

        with pytest.raises(InvalidRequest):
            await store.set("key", "mine", if_version=version, if_absent=True)
        assert await store.get("key") == "old"

    async def test_delete_removes_the_key(self, store: KeyValue) -> None:
        """A deleted key does not exist."""
        await store.set("key", 1)

        assert await store.delete("key") is True
        assert await store.get("key", "gone") == "gone"

    async def test_delete_tells_when_there_is_nothing(self, store: KeyValue) -> None:
        """Deleting what is not there is no error."""
        assert await store.delete("key") is False

    async def test_delete_of_an_expired_key_finds_nothing(
        self, store: KeyValue, clock: Clock
    ) -> None:
        """What has expired cannot be deleted."""
        await store.set("key", 1, ttl=TTL)
        await clock.sleep(PAST_TTL)

        assert await store.delete("key") is False

    async def test_delete_if_version_removes_that_version(
        self, store: KeyValue
    ) -> None:
        """Who knows the stored version may delete it."""
        version = await store.set("key", 1)

        assert await store.delete("key", if_version=version) is True
        assert not await store.exists("key")

    async def test_delete_if_version_refuses_when_it_was_replaced(
        self, store: KeyValue
    ) -> None:
        """Who knows an older version is told so, and nothing is changed."""
        older = await store.set("key", "old")
        await store.set("key", "new")

        with pytest.raises(Conflict):
            await store.delete("key", if_version=older)
        assert await store.get("key") == "new"

    async def test_delete_if_version_refuses_a_missing_key(
        self, store: KeyValue
    ) -> None:
        """A key that does not exist has no version."""
        version = await store.set("key", 1)
        await store.delete("key")

        with pytest.raises(Conflict):
            await store.delete("key", if_version=version)

    async def test_delete_if_version_refuses_when_it_expired(
        self, store: KeyValue, clock: Clock
    ) -> None:
        """An expired key has no version."""
        version = await store.set("key", 1, ttl=TTL)
        await clock.sleep(PAST_TTL)

        with pytest.raises(Conflict):
            await store.delete("key", if_version=version)

    async def test_exists_tells_whether_there_is_a_value(self, store: KeyValue) -> None:
        """A key exists from its set to its delete."""
        answers = [await store.exists("key")]
        await store.set("key", None)
        answers.append(await store.exists("key"))
        await store.delete("key")
        answers.append(await store.exists("key"))

        assert answers == [False, True, False]

    async def test_expired_key_does_not_exist(
        self, store: KeyValue, clock: Clock
    ) -> None:
        """No operation that reads sees an expired key."""
        await store.set("key", 1, ttl=TTL)
        await clock.sleep(PAST_TTL)

        assert await store.get("key", "gone") == "gone"
        assert await store.get_entry("key") is None
        assert await store.exists("key") is False
        assert (await store.scan()).keys == ()

    async def test_key_lives_until_its_ttl(self, store: KeyValue, clock: Clock) -> None:
        """A key does not expire early."""
        await store.set("key", 1, ttl=LONG)
        await clock.sleep(PAST_TTL)

        assert await store.get("key") == 1
        assert (await store.scan()).keys == ("key",)

    async def test_ttl_may_be_less_than_a_second(
        self, store: KeyValue, clock: Clock
    ) -> None:
        """A ttl is not rounded to whole seconds."""
        await store.set("key", 1, ttl=0.75)
        exists = await store.exists("key")
        await clock.sleep(0.8)

        assert exists
        assert not await store.exists("key")

    async def test_ttl_may_be_very_long(self, store: KeyValue) -> None:
        """A thousand years are no problem."""
        await store.set("key", 1, ttl=3e10)

        assert await store.exists("key")

    @pytest.mark.parametrize("ttl", NOT_TTLS, ids=_short)
    async def test_bad_ttl_is_refused(self, store: KeyValue, ttl: Any) -> None:
        """A ttl that is not above 0 is refused, and nothing is changed."""
        version = await store.set("key", 1)
        calls = (
            partial(store.set, "key", 2, ttl=ttl),
            partial(store.set, "new", 2, ttl=ttl),
            partial(store.touch, "key", ttl=ttl),
            partial(store.incr, "key", ttl=ttl),
            partial(store.incr, "new", ttl=ttl),
        )
        for call in calls:
            with pytest.raises(InvalidRequest):
                await call()

        assert await _version(store, "key") == version
        assert not await store.exists("new")

    async def test_without_a_ttl_nothing_expires(
        self, store: KeyValue, clock: Clock
    ) -> None:
        """Where neither the call nor the settings name a ttl, there is none."""
        await store.set("set", 1)
        await store.incr("incr")
        await clock.sleep(PAST_TTL if isinstance(clock, RealClock) else 1e9)

        assert await store.exists("set")
        assert await store.exists("incr")

    async def test_settings_name_the_default_ttl(
        self, open_store: OpenStore, clock: Clock
    ) -> None:
        """The ttl of the settings holds for every call that names none."""
        store = await open_store(ttl=TTL)
        await store.set("set", 1)
        await store.incr("incr")
        await store.set("touch", 1, ttl=LONG)
        await store.touch("touch")
        await clock.sleep(PAST_TTL)

        assert (await store.scan()).keys == ()

    async def test_call_overrides_the_default_ttl(
        self, open_store: OpenStore, clock: Clock
    ) -> None:
        """The ttl of a call wins over that of the settings."""
        store = await open_store(ttl=TTL)
        await store.set("set", 1, ttl=LONG)
        await store.incr("incr", ttl=LONG)
        await store.set("touch", 1)
        await store.touch("touch", ttl=LONG)
        await clock.sleep(PAST_TTL)

        assert (await store.scan()).keys == ("incr", "set", "touch")

    async def test_infinite_ttl_overrides_the_default(
        self, open_store: OpenStore, clock: Clock
    ) -> None:
        """A ttl of infinity is no expiry, whatever the settings say."""
        store = await open_store(ttl=TTL)
        await store.set("set", 1, ttl=math.inf)
        await store.incr("incr", ttl=math.inf)
        await store.set("touch", 1)
        await store.touch("touch", ttl=math.inf)
        await clock.sleep(PAST_TTL)

        assert (await store.scan()).keys == ("incr", "set", "touch")

    async def test_set_without_a_ttl_clears_the_expiry(
        self, store: KeyValue, clock: Clock
    ) -> None:
        """Value and expiry are replaced as one: the old ttl is gone with the value."""
        await store.set("key", "old", ttl=TTL)
        version = await store.set("key", "new")
        await store.set("other", "old", ttl=TTL)
        await store.set("other", "new", if_version=await _version(store, "other"))
        await clock.sleep(PAST_TTL)

        assert await _version(store, "key") == version
        assert await store.get("other") == "new"

    async def test_set_with_a_ttl_gives_an_expiry(
        self, store: KeyValue, clock: Clock
    ) -> None:
        """What was stored for ever can be replaced by what is not."""
        await store.set("key", "old")
        await store.set("key", "new", ttl=TTL)
        await clock.sleep(PAST_TTL)

        assert not await store.exists("key")

    async def test_set_counts_the_ttl_from_now(
        self, store: KeyValue, clock: Clock
    ) -> None:
        """Each set begins the ttl anew."""
        await store.set("key", "old", ttl=TTL)
        await clock.sleep(TTL / 2)
        await store.set("key", "new", ttl=LONG)
        await clock.sleep(PAST_TTL)

        assert await store.get("key") == "new"

    async def test_touch_prolongs(self, store: KeyValue, clock: Clock) -> None:
        """A touched key lives on."""
        await store.set("key", 1, ttl=TTL)
        assert await store.touch("key", ttl=LONG) is True
        await clock.sleep(PAST_TTL)

        assert await store.get("key") == 1

    async def test_touch_shortens(self, store: KeyValue, clock: Clock) -> None:
        """A touched key may expire sooner than it would have."""
        await store.set("key", 1, ttl=LONG)
        await store.touch("key", ttl=TTL)
        await clock.sleep(PAST_TTL)

        assert not await store.exists("key")

    async def test_touch_gives_an_expiry(self, store: KeyValue, clock: Clock) -> None:
        """What was stored for ever can be given an end."""
        await store.set("key", 1)
        await store.touch("key", ttl=TTL)
        await clock.sleep(PAST_TTL)

        assert not await store.exists("key")

    async def test_touch_without_a_ttl_clears_the_expiry(
        self, store: KeyValue, clock: Clock
    ) -> None:
        """Where the settings name no ttl, a touch without one is for ever."""
        await store.set("key", 1, ttl=TTL)
        await store.touch("key")
        await clock.sleep(PAST_TTL)

        assert await store.exists("key")

    async def test_touch_keeps_value_and_version(self, store: KeyValue) -> None:
        """A touch is no write: who compares versions does not notice."""
        version = await store.set("key", {"a": 1})
        await store.touch("key", ttl=LONG)
        entry = await store.get_entry("key")

        assert entry
        assert (entry.value, entry.version) == ({"a": 1}, version)
        await store.set("key", 2, if_version=version)

    async def test_touch_of_a_missing_key_makes_none(self, store: KeyValue) -> None:
        """What is not there cannot be touched."""
        assert await store.touch("key", ttl=LONG) is False
        assert not await store.exists("key")

    async def test_touch_does_not_revive(self, store: KeyValue, clock: Clock) -> None:
        """What has expired cannot be touched."""
        await store.set("key", 1, ttl=TTL)
        await clock.sleep(PAST_TTL)

        assert await store.touch("key", ttl=LONG) is False
        assert not await store.exists("key")

    async def test_incr_begins_at_0(self, store: KeyValue) -> None:
        """A missing key counts as 0."""
        assert [await store.incr("key"), await store.incr("key")] == [1, 2]
        assert repr(await store.get("key")) == "2"

    async def test_incr_adds_any_whole_number(self, store: KeyValue) -> None:
        """Counting goes up, down and nowhere."""
        sums = [await store.incr("key", by) for by in (0, 5, -7, 2**40, 0)]

        assert sums == [0, 5, -2, 2**40 - 2, 2**40 - 2]

    async def test_incr_adds_to_what_set_stored(self, store: KeyValue) -> None:
        """A counter is a value like any other."""
        await store.set("key", 41)

        assert await store.incr("key") == 42

    async def test_incr_is_exact(self, store: KeyValue) -> None:
        """Numbers that a float cannot hold are counted right."""
        await store.set("key", 2**53)

        assert await store.incr("key") == 2**53 + 1
        assert await store.get("key") == 2**53 + 1

    async def test_incr_counts_to_64_bits(self, store: KeyValue) -> None:
        """A sum has up to 64 bits, and one that has more is refused."""
        await store.set("high", 2**63 - 2)
        await store.set("low", -(2**63) + 1)

        assert await store.incr("high") == 2**63 - 1
        assert await store.incr("low", -1) == -(2**63)
        for key, by in (("high", 1), ("low", -1), ("high", 2**80)):
            with pytest.raises(InvalidRequest):
                await store.incr(key, by)
        assert await store.get("high") == 2**63 - 1
        assert await store.get("low") == -(2**63)

    @pytest.mark.parametrize("value", NOT_COUNTERS, ids=_short)
    async def test_incr_refuses_what_is_no_number(
        self, store: KeyValue, value: Any
    ) -> None:
        """Only whole numbers are counted; anything else stays as it is."""
        version = await store.set("key", value)

        with pytest.raises(InvalidRequest):
            await store.incr("key")
        assert await _version(store, "key") == version

    async def test_incr_refuses_to_add_what_is_no_number(self, store: KeyValue) -> None:
        """A step is a whole number."""
        step: Any = 0.5

        with pytest.raises(InvalidRequest):
            await store.incr("key", step)
        assert not await store.exists("key")

    async def test_incr_gives_a_new_key_its_ttl(
        self, store: KeyValue, clock: Clock
    ) -> None:
        """A counter may expire."""
        await store.incr("key", ttl=TTL)
        await clock.sleep(PAST_TTL)

        assert not await store.exists("key")

    async def test_incr_does_not_prolong(self, store: KeyValue, clock: Clock) -> None:
        """An existing key keeps its expiry, so that a counter is of one period."""
        await store.incr("key", ttl=TTL)
        await store.incr("key", ttl=LONG)
        await store.incr("key", ttl=math.inf)
        await store.incr("key")
        await clock.sleep(PAST_TTL)

        assert not await store.exists("key")

    async def test_incr_does_not_shorten(self, store: KeyValue, clock: Clock) -> None:
        """An existing key keeps its expiry, also if that is none."""
        await store.set("key", 1)
        await store.incr("key", ttl=TTL)
        await clock.sleep(PAST_TTL)

        assert await store.get("key") == 2

    async def test_incr_begins_anew_after_expiry(
        self, store: KeyValue, clock: Clock
    ) -> None:
        """An expired counter counts as 0, and its successor has its own expiry."""
        await store.incr("key", 5, ttl=TTL)
        await clock.sleep(PAST_TTL)

        assert await store.incr("key", ttl=LONG) == 1
        await clock.sleep(PAST_TTL)
        assert await store.get("key") == 1

    async def test_scan_of_nothing_is_one_empty_page(self, store: KeyValue) -> None:
        """Where there is no key, there is no cursor."""
        page = await store.scan()

        assert (page.keys, page.cursor) == ((), None)

    async def test_scan_orders_by_code_point(self, store: KeyValue) -> None:
        """The order is that of Python, in which B comes before a and U+FFFD early."""
        keys = ("B", "a", "aa", "b", "\u00e9", "\ufffd", "\U0001f600")
        await _fill(store, reversed(keys))

        assert (await store.scan()).keys == keys

    async def test_scan_lists_what_begins_with_the_prefix(
        self, store: KeyValue
    ) -> None:
        """A prefix may be a key itself; what only resembles it is left out."""
        await _fill(store, ("user", "user/1", "user/2", "use", "users", "USER/3"))

        assert (await store.scan("user/")).keys == ("user/1", "user/2")
        assert (await store.scan("user")).keys == ("user", "user/1", "user/2", "users")
        assert (await store.scan("nobody")).keys == ()

    @pytest.mark.parametrize("prefix", ["%", "_", "*", "?", "[a]", "a\\", "\x00", "."])
    async def test_scan_takes_the_prefix_literally(
        self, store: KeyValue, prefix: str
    ) -> None:
        """No character of a prefix stands for others."""
        await _fill(store, ("a", "abc", "\\", f"{prefix}1", f"{prefix}2", f"0{prefix}"))

        assert (await store.scan(prefix)).keys == (f"{prefix}1", f"{prefix}2")

    async def test_scan_tells_composed_letters_from_single_ones(
        self, store: KeyValue
    ) -> None:
        """Text is not normalised."""
        await _fill(store, ("\u00e9", "e\u0301", "e"))

        assert (await store.scan("e")).keys == ("e", "e\u0301")
        assert (await store.scan("\u00e9")).keys == ("\u00e9",)

    async def test_scan_finds_the_highest_characters(self, store: KeyValue) -> None:
        """A prefix of the last code points has an end, too."""
        keys = ("\ud7ff!", "\ud7ff\U0010ffff", "\ue000", "\U0010ffff", "\U0010ffffa")
        await _fill(store, keys)

        assert (await store.scan("\ud7ff")).keys == keys[:2]
        assert (await store.scan("\U0010ffff")).keys == keys[3:]

    @pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 100])
    async def test_scan_pages_hold_every_key_once(
        self, store: KeyValue, limit: int
    ) -> None:
        """Following the cursors lists all that begins with the prefix, and no more."""
        keys = [f"k/{number}" for number in range(6)]
        await _fill(store, [*keys, "j", "k", "l"])
        pages = await _walk(store, "k/", limit)

        assert keys == [key for page in pages for key in page]
        assert max(len(page) for page in pages) <= limit

    async def test_scan_has_no_cursor_at_the_end(self, store: KeyValue) -> None:
        """A page that holds the last key is the last page."""
        await _fill(store, ("a", "b"))

        assert (await store.scan(limit=2)).cursor is None
        assert (await store.scan(limit=1)).cursor is not None

    async def test_scan_goes_on_while_keys_come_and_go(self, store: KeyValue) -> None:
        """A key that stays is listed exactly once, whatever happens beside it."""
        stays = [f"k{number:02}" for number in range(0, 40, 2)]
        await _fill(store, [*stays, "k01", "k21"])
        found: list[str] = []
        cursor = None
        for turn in range(100):
            page = await store.scan("k", limit=3, cursor=cursor)
            found += page.keys
            if page.cursor is None:
                break
            cursor = page.cursor
            await _fill(store, [f"k{number:02}x{turn}" for number in range(0, 40, 5)])
            await store.delete("k01")
            await store.delete("k21")

        assert stays == [key for key in found if key in stays]
        assert len(found) == len(set(found))

    async def test_scan_goes_on_from_a_key_that_was_deleted(
        self, store: KeyValue
    ) -> None:
        """A cursor stays good when the last key of its page is gone."""
        await _fill(store, ("a", "b", "c"))
        first = await store.scan(limit=2)
        for key in first.keys:
            await store.delete(key)

        assert (await store.scan(limit=2, cursor=first.cursor)).keys == ("c",)

    async def test_scan_pages_are_filled_past_expired_keys(
        self, store: KeyValue, clock: Clock
    ) -> None:
        """Expired keys neither show nor end the scan."""
        for number in range(20):
            await store.set(f"k{number:02}", 1, ttl=TTL if number % 5 else None)
        await clock.sleep(PAST_TTL)
        pages = await _walk(store, "k", 3)

        assert [key for page in pages for key in page] == ["k00", "k05", "k10", "k15"]

    async def test_scan_takes_a_high_limit(self, store: KeyValue) -> None:
        """A limit beyond the number of keys lists them all."""
        await _fill(store, ("a", "b"))

        assert (await store.scan(limit=10**30)).keys == ("a", "b")

    @pytest.mark.parametrize("limit", [0, -1, 1.5, None], ids=_short)
    async def test_scan_refuses_a_bad_limit(self, store: KeyValue, limit: Any) -> None:
        """A page has at least one key."""
        with pytest.raises(InvalidRequest):
            await store.scan(limit=limit)

    async def test_scan_refuses_half_a_character(self, store: KeyValue) -> None:
        """A prefix that no key can have is refused as a key would be."""
        with pytest.raises(InvalidRequest):
            await store.scan("\ud800")

    async def test_counting_in_tasks_loses_nothing(self, store: KeyValue) -> None:
        """Tasks that count at once count each turn."""

        async def count() -> None:
            for _ in range(TURNS):
                await store.incr("key")

        await asyncio.gather(*(count() for _ in range(TASKS)))

        assert await store.get("key") == TASKS * TURNS

    async def test_compare_and_set_in_tasks_loses_nothing(
        self, store: KeyValue
    ) -> None:
        """Tasks that compare and set at once never overwrite each other."""
        await store.set("key", 0)
        await asyncio.gather(*(_add_by_version(store, TURNS) for _ in range(TASKS)))

        assert await store.get("key") == TASKS * TURNS

    async def test_one_task_is_first(self, store: KeyValue) -> None:
        """Of tasks that store if absent at once, one succeeds."""
        stored = await asyncio.gather(
            *(store.set("key", task, if_absent=True) for task in range(TASKS)),
            return_exceptions=True,
        )

        refused = [answer for answer in stored if isinstance(answer, Conflict)]
        assert len(refused) == TASKS - 1

    async def test_one_task_deletes(self, store: KeyValue) -> None:
        """Of tasks that delete at once, one finds the key."""
        await store.set("key", 1)
        found = await asyncio.gather(*(store.delete("key") for _ in range(TASKS)))

        assert found.count(True) == 1

    async def test_event_loops_may_follow_each_other(self, store: KeyValue) -> None:
        """A store works in the next event loop when the first has ended."""

        def use_two_loops() -> object:
            asyncio.run(_then(store.set("key", 1)))
            asyncio.run(_then(store.incr("key")))
            return asyncio.run(_then(store.get("key")))

        assert await asyncio.to_thread(use_two_loops) == 2
        assert await store.get("key") == 2

    async def test_threads_may_share_a_store(self, store: KeyValue) -> None:
        """Event loops in several threads count together, and lose nothing."""
        await store.set("key", 0)

        def use() -> None:
            asyncio.run(_add_by_version(store, TURNS))

        await asyncio.gather(*(asyncio.to_thread(use) for _ in range(4)))

        assert await store.get("key") == 4 * TURNS

    async def test_random_calls_agree_with_the_model(
        self, store: KeyValue, clock: Clock
    ) -> None:
        """Whatever is done in whatever order, a dict that does the same agrees."""
        await asyncio.to_thread(_compare_with_model, store, clock, self.examples)


class PersistentKeyValueContract(KeyValueContract):
    """What a KeyValue must do besides, if it is to outlive its process."""

    async def test_values_outlive_the_board(
        self, make_board: MakeBoard, clock: Clock
    ) -> None:
        """What one board stored, the next one reads; what expires, still does."""
        async with make_board() as board:
            store = board.storage("kit", KeyValue)
            version = await store.set("stays", {"a": 1})
            await store.set("expires", 1, ttl=TTL)
        await clock.sleep(PAST_TTL)

        async with make_board() as board:
            store = board.storage("kit", KeyValue)
            assert await store.get_entry("stays") == Entry({"a": 1}, version)
            assert not await store.exists("expires")


async def _version(store: KeyValue, key: str) -> str | None:
    entry = await store.get_entry(key)
    return None if entry is None else entry.version


async def _fill(store: KeyValue, keys: Iterable[str]) -> None:
    for key in keys:
        await store.set(key, None)


async def _walk(store: KeyValue, prefix: str, limit: int) -> list[tuple[str, ...]]:
    first = page = await store.scan(prefix, limit=limit)
    pages = [first.keys]
    while page.cursor is not None:
        page = await store.scan(prefix, limit=limit, cursor=page.cursor)
        pages.append(page.keys)
        assert len(pages) < 100, "the cursors lead nowhere"
    return pages


async def _add_by_version(store: KeyValue, turns: int) -> None:
    """Add 1 to the number under "key" *turns* times; begin again when too late."""
    for _ in range(turns + TASKS * TURNS):  # as often as others can be faster
        entry = await store.get_entry("key")
        assert entry
        await asyncio.sleep(0)  # let the others read the same
        try:
            await store.set("key", entry.value + 1, if_version=entry.version)
        except Conflict:
            continue
        turns -= 1
        if not turns:
            return
    msg = "Sets are refused although nobody else wrote."
    raise AssertionError(msg)


async def _then(call: Awaitable[T]) -> T:
    return await call


def _compare_with_model(
    store: KeyValue, clock: Clock, examples: example_settings
) -> None:
    folders = itertools.count()
    with asyncio.Runner() as runner:

        class Machine(KeyValueMachine):
            def __init__(self) -> None:
                super().__init__(store, clock, runner, f"{next(folders)}/")

        run_state_machine_as_test(Machine, settings=examples)
