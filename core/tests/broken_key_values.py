"""
Stores that each break one promise, and the kit run against them.

Not collected by itself: ``test_key_value_kit.py`` runs it and looks at what fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import random
import re
import time
import unicodedata
from typing import ClassVar

import hypothesis
import pytest
from pegboard import Entry, KeyPage, StorageProvider, hookimpl
from pegboard.builtin.memory import MemoryKeyValue, MemoryOptions
from pegboard.contracts.key_value import conflict
from pegboard.errors import Conflict
from pegboard.testing.key_value import EXAMPLES, PersistentKeyValueContract


class Sound(MemoryKeyValue):
    """A store that keeps every promise but that of outliving its process."""

    caught_by: ClassVar[tuple[str, ...]] = ("test_values_outlive_the_board",)
    """The tests that have to fail."""


class TtlOf0IsTheDefault(Sound):
    caught_by = ("test_bad_ttl_is_refused",)

    async def set(self, key, value, *, ttl=None, **condition):
        return await super().set(key, value, ttl=ttl or None, **condition)


class TtlIsRoundedDown(Sound):
    caught_by = ("test_ttl_may_be_less_than_a_second",)

    async def set(self, key, value, *, ttl=None, **condition):
        if isinstance(ttl, float) and 0 < ttl < math.inf:
            ttl = int(ttl) or 1e-9
        return await super().set(key, value, ttl=ttl, **condition)


class InfiniteTtlIsTheDefault(Sound):
    caught_by = ("test_infinite_ttl_overrides_the_default",)

    def _expiry(self, ttl):
        return super()._expiry(None if ttl == math.inf else ttl)


class TouchForgetsTheDefaultTtl(Sound):
    caught_by = ("test_settings_name_the_default_ttl",)

    async def touch(self, key, *, ttl=None):
        return await super().touch(key, ttl=math.inf if ttl is None else ttl)


class ValuesAreAliases(Sound):
    caught_by = (
        "test_stored_value_is_a_copy",
        "test_read_value_is_a_copy",
    )

    values = {}

    async def set(self, key, value, **options):
        version = await super().set(key, value, **options)
        self.values[version] = value
        return version

    async def get(self, key, default=None):
        entry = await super().get_entry(key)
        return self.values.get(entry.version) if entry else default


class NoneIsMissing(Sound):
    caught_by = (
        "test_stored_none_is_a_value",
        "test_random_calls_agree_with_the_model",
    )

    async def get(self, key, default=None):
        value = await super().get(key)
        return default if value is None else value


class ErrorsAreRaw(Sound):
    caught_by = ("test_value_that_json_lacks_is_refused",)

    async def set(self, key, value, **options):
        return await super().set(key, json.loads(json.dumps(value)), **options)


class SetIgnoresTheVersion(Sound):
    caught_by = (
        "test_set_if_version_refuses_when_it_was_replaced",
        "test_random_calls_agree_with_the_model",
    )

    async def set(self, key, value, **options):
        options.pop("if_version", None)
        return await super().set(key, value, **options)


class DeleteIgnoresTheVersion(Sound):
    caught_by = (
        "test_delete_if_version_refuses_when_it_was_replaced",
        "test_random_calls_agree_with_the_model",
    )

    async def delete(self, key, **_):
        return await super().delete(key)


class DeleteOfNothingNeedsNoVersion(Sound):
    caught_by = ("test_delete_if_version_refuses_a_missing_key",)

    async def delete(self, key, *, if_version=None):
        existed = await self.exists(key)
        return existed and await super().delete(key, if_version=if_version)


class VersionsBeginAnewAfterADelete(Sound):
    caught_by = (
        "test_version_is_not_used_again_after_a_delete",
        "test_set_if_version_refuses_when_it_was_written_anew",
        "test_random_calls_agree_with_the_model",
    )

    def _store(self, key, item):
        old = self._items.get(key)
        version = str(int(old.version) + 1 if old else 1)
        super()._store(key, item._replace(version=version))

    async def set(self, key, value, **options):
        await super().set(key, value, **options)
        return self._items[key].version


class VersionsFollowTheSeed(Sound):
    caught_by = ("test_version_does_not_follow_the_programs_seed",)

    def _store(self, key, item):
        super()._store(key, item._replace(version=hex(hash(random.getstate()))))

    async def set(self, key, value, **options):
        await super().set(key, value, **options)
        return self._items[key].version


class VersionIsAHashOfTheValue(Sound):
    caught_by = (
        "test_every_write_has_a_new_version",
        "test_random_calls_agree_with_the_model",
    )

    def _store(self, key, item):
        super()._store(key, item._replace(version=str(hash(item.text))))

    async def set(self, key, value, **options):
        await super().set(key, value, **options)
        return self._items[key].version


class CountingMovesTheExpiry(Sound):
    caught_by = (
        "test_incr_does_not_prolong",
        "test_incr_does_not_shorten",
        "test_random_calls_agree_with_the_model",
    )

    async def incr(self, key, by=1, *, ttl=None):
        total = await super().incr(key, by, ttl=ttl)
        await super().touch(key, ttl=ttl)
        return total


class CountingClearsTheExpiry(Sound):
    caught_by = ("test_incr_does_not_prolong",)

    async def incr(self, key, by=1, *, ttl=None):
        existed = await self.exists(key)
        total = await super().incr(key, by, ttl=ttl)
        if existed:
            await super().touch(key, ttl=math.inf)
        return total


class CountingKeepsTheVersion(Sound):
    caught_by = (
        "test_incr_makes_a_new_version",
        "test_random_calls_agree_with_the_model",
    )

    def _store(self, key, item):
        old = self._find(key)
        if old and re.fullmatch(r"-?\d+", item.text + old.text):
            item = item._replace(version=old.version)
        super()._store(key, item)

    async def set(self, key, value, **options):
        await self.delete(key) if options.get("if_version") is None else None
        return await super().set(key, value, **options)


class CountingIsInFloats(Sound):
    caught_by = ("test_incr_is_exact",)

    async def incr(self, key, by=1, *, ttl=None):
        await super().incr(key, by, ttl=ttl)
        item = self._items[key]
        self._items[key] = item._replace(text=str(int(float(item.text))))
        return int(float(item.text))


class TouchDoesNothing(Sound):
    caught_by = (
        "test_touch_prolongs",
        "test_touch_shortens",
        "test_random_calls_agree_with_the_model",
    )

    async def touch(self, key, *, ttl=None):
        self._expiry(ttl)
        return await self.exists(key)


class TouchIsAWrite(Sound):
    caught_by = (
        "test_touch_keeps_value_and_version",
        "test_random_calls_agree_with_the_model",
    )

    async def touch(self, key, *, ttl=None):
        touched = await super().touch(key, ttl=ttl)
        if touched:
            await super().set(key, await self.get(key), ttl=ttl)
        return touched


class TouchRevives(Sound):
    caught_by = (
        "test_touch_does_not_revive",
        "test_random_calls_agree_with_the_model",
    )

    async def touch(self, key, *, ttl=None):
        if key in self._items:
            self._items[key] = self._items[key]._replace(expires=None)
        return await super().touch(key, ttl=ttl)


class SetKeepsTheExpiry(Sound):
    caught_by = ("test_set_without_a_ttl_clears_the_expiry",)

    def _store(self, key, item):
        old = self._find(key)
        if old and item.expires is None:
            item = item._replace(expires=old.expires)
        super()._store(key, item)


class RefusedSetMovesTheExpiry(Sound):
    caught_by = ("test_refused_set_leaves_the_expiry",)

    async def set(self, key, value, *, ttl=None, **condition):
        try:
            return await super().set(key, value, ttl=ttl, **condition)
        except Conflict:
            await super().touch(key, ttl=ttl)
            raise


class ExpiredKeyIsPresent(Sound):
    caught_by = ("test_set_if_absent_stores_after_expiry",)

    async def set(self, key, value, *, if_absent=False, **options):
        if if_absent and key in self._items:
            raise conflict(self._address, "set", key)
        return await super().set(key, value, if_absent=if_absent, **options)


class ExpiredKeyIsListed(Sound):
    caught_by = (
        "test_expired_key_does_not_exist",
        "test_random_calls_agree_with_the_model",
    )

    async def scan(self, prefix="", **options):
        clock, self._clock = self._clock, lambda: 0
        try:
            return await super().scan(prefix, **options)
        finally:
            self._clock = clock


class ExpiredKeyIsDeleted(Sound):
    caught_by = ("test_delete_of_an_expired_key_finds_nothing",)

    async def delete(self, key, *, if_version=None):
        held = key in self._items
        return await super().delete(key, if_version=if_version) or held


class PageLosesAKey(Sound):
    caught_by = (
        "test_scan_pages_hold_every_key_once",
        "test_random_calls_agree_with_the_model",
    )

    async def scan(self, prefix="", *, limit=100, cursor=None):
        page = await super().scan(prefix, limit=limit, cursor=cursor)
        rest = await super().scan(prefix, limit=1, cursor=page.cursor)
        return KeyPage(page.keys, rest.keys[0] if page.cursor else None)


class PageRepeatsAKey(Sound):
    caught_by = ("test_scan_pages_hold_every_key_once",)

    async def scan(self, prefix="", *, limit=100, cursor=None):
        page = await super().scan(prefix, limit=limit, cursor=cursor)
        keys = (cursor, *page.keys)[:limit] if cursor else page.keys
        return KeyPage(keys, page.cursor and keys[-1])


class CursorIsAnOffset(Sound):
    caught_by = ("test_scan_goes_on_while_keys_come_and_go",)

    async def scan(self, prefix="", *, limit=100, cursor=None):
        offset = int(cursor or 0)
        keys = (await super().scan(prefix, limit=10**30)).keys
        end = offset + limit
        more = len(keys) > end
        return KeyPage(keys[offset:end], str(end) if more else None)


class LastPageHasACursor(Sound):
    caught_by = ("test_scan_has_no_cursor_at_the_end",)

    async def scan(self, prefix="", *, limit=100, cursor=None):
        page = await super().scan(prefix, limit=limit, cursor=cursor)
        return KeyPage(page.keys, page.keys[-1] if page.keys else None)


class PrefixIsALikePattern(Sound):
    caught_by = ("test_scan_takes_the_prefix_literally",)

    async def scan(self, prefix="", **options):
        pattern = re.escape(prefix).replace("%", ".*").replace("_", ".")
        keys = (await super().scan("", limit=10**30)).keys
        await super().scan(prefix, **options)
        found = [key for key in keys if re.match(pattern, key, re.DOTALL)]
        return KeyPage(tuple(found), None)


class PrefixIgnoresCase(Sound):
    caught_by = ("test_scan_lists_what_begins_with_the_prefix",)

    async def scan(self, prefix="", **options):
        keys = (await super().scan("", **options)).keys
        found = [k for k in keys if k.lower().startswith(prefix.lower())]
        return KeyPage(tuple(found), None)


class ScanOrdersByUtf16(Sound):
    caught_by = ("test_scan_orders_by_code_point",)

    async def scan(self, prefix="", **options):
        page = await super().scan(prefix, **options)
        keys = sorted(page.keys, key=lambda key: key.encode("utf-16-be"))
        return KeyPage(tuple(keys), page.cursor)


class Renaming(Sound):
    """Change every key on its way in."""

    def renamed(self, key):
        """Return what the store makes of *key*."""
        return key

    async def get(self, key, default=None):
        return await super().get(self.renamed(key), default)

    async def get_entry(self, key):
        return await super().get_entry(self.renamed(key))

    async def set(self, key, value, **options):
        return await super().set(self.renamed(key), value, **options)


class SlashesAreUnderscores(Renaming):
    caught_by = ("test_keys_do_not_meet",)

    def renamed(self, key):
        return key.replace("/", "_") if isinstance(key, str) else key


class KeysAreNormalised(Renaming):
    caught_by = ("test_keys_do_not_meet",)

    def renamed(self, key):
        return unicodedata.normalize("NFC", key) if isinstance(key, str) else key


class KeysAreCut(Renaming):
    caught_by = ("test_keys_do_not_meet",)

    def renamed(self, key):
        return key[:255] if isinstance(key, str) else key


class KeysEndAtNul(Renaming):
    caught_by = ("test_keys_do_not_meet",)

    def renamed(self, key):
        return key[:1] + key[1:].split("\0")[0] if isinstance(key, str) else key


class KeysAreStripped(Renaming):
    caught_by = ("test_keys_do_not_meet",)

    def renamed(self, key):
        return (key.strip() or key) if isinstance(key, str) else key


class VersionIsCheckedTooEarly(Sound):
    caught_by = ("test_compare_and_set_in_tasks_loses_nothing",)

    async def set(self, key, value, *, if_version=None, **options):
        entry = await self.get_entry(key)
        if if_version is not None and (entry and entry.version) != if_version:
            raise conflict(self._address, "set", key)
        await asyncio.sleep(0)
        return await super().set(key, value, **options)


class VersionIsCheckedTooEarlyInThreads(Sound):
    caught_by = ("test_threads_may_share_a_store",)

    async def set(self, key, value, *, if_version=None, **options):
        entry = await self.get_entry(key)
        if if_version is not None and (entry and entry.version) != if_version:
            raise conflict(self._address, "set", key)
        time.sleep(0.003)  # noqa: ASYNC251 - only other threads get a chance
        return await super().set(key, value, **options)


class CountsInTwoSteps(Sound):
    caught_by = ("test_counting_in_tasks_loses_nothing",)

    async def incr(self, key, by=1, *, ttl=None):
        old = await self.get(key, 0)
        await asyncio.sleep(0)
        await super().incr(key, by, ttl=ttl)
        text = json.dumps(old + by)
        self._items[key] = self._items[key]._replace(text=text)
        return old + by


class BelongsToOneLoop(Sound):
    caught_by = ("test_event_loops_may_follow_each_other",)

    loop = None

    async def get(self, key, default=None):
        self.loop = self.loop or asyncio.get_running_loop()
        assert self.loop is asyncio.get_running_loop()
        return await super().get(key, default)


class EntryIsStale(Sound):
    caught_by = ("test_entry_has_the_version_that_set_returned",)

    last = None

    async def get_entry(self, key):
        entry = await super().get_entry(key)
        self.last, last = entry, self.last
        return last and entry and Entry(last.value, entry.version)


class MissingKeysAreNone(Sound):
    caught_by = (
        "test_get_many_returns_what_exists",
        "test_random_calls_agree_with_the_model",
    )

    async def get_many(self, keys):
        found = await super().get_many(keys)
        return {key: found.get(key) for key in keys}


class StoredNoneIsLeftOut(Sound):
    caught_by = ("test_get_many_returns_what_exists",)

    async def get_many(self, keys):
        found = await super().get_many(keys)
        return {key: value for key, value in found.items() if value is not None}


class TextIsAListOfKeys(Sound):
    caught_by = ("test_keys_are_a_list",)

    async def get_many(self, keys):
        return await super().get_many([*keys])


class KeysDeletedTwiceCountTwice(Sound):
    caught_by = ("test_get_many_takes_a_key_twice",)

    async def delete_many(self, keys):
        count = await super().delete_many(keys)
        return count + len(keys) - len(set(keys)) if count else 0


class NoKeysAreRefused(Sound):
    caught_by = ("test_many_may_be_none",)

    async def set_many(self, values, *, ttl=None):
        assert values
        return await super().set_many(values, ttl=ttl)


class HundredsAreCut(Sound):
    caught_by = ("test_many_may_be_a_hundred",)

    async def get_many(self, keys):
        return await super().get_many(keys[:99])


class ManyHaveNoBound(Sound):
    caught_by = ("test_more_than_a_hundred_are_refused",)

    async def get_many(self, keys):
        half = len(keys) // 2
        first = await super().get_many(keys[:half])
        return first | await super().get_many(keys[half:])


class OneByOne(Sound):
    caught_by = (
        "test_bad_value_among_many_is_refused",
        "test_bad_key_among_many_is_refused",
        "test_many_are_one_change",
    )

    async def set_many(self, values, *, ttl=None):
        versions = {}
        for key in dict(values):
            versions[key] = await self.set(key, values[key], ttl=ttl)
            await asyncio.sleep(0)
        return versions


class DeletedOneByOne(Sound):
    caught_by = ("test_many_are_one_change",)

    async def delete_many(self, keys):
        count = await super().delete_many(keys[:1])
        await asyncio.sleep(0)
        return count + await super().delete_many(keys[1:])


class ReadOneByOne(Sound):
    caught_by = ("test_many_are_one_change",)

    async def get_many(self, keys):
        first = await super().get_many(keys[:1])
        await asyncio.sleep(0)
        return first | await super().get_many(keys[1:])


class TornInThreads(Sound):
    caught_by = ("test_many_are_one_change_in_threads",)

    async def set_many(self, values, *, ttl=None):
        first, *others = [{key: value} for key, value in values.items()] or [{}]
        versions = await super().set_many(first, ttl=ttl)
        time.sleep(0.003)  # noqa: ASYNC251 - only other threads get a chance
        for one in others:
            versions |= await super().set_many(one, ttl=ttl)
        return versions


class LocksInTheOrderOfTheCall(Sound):
    caught_by = ("test_many_in_any_order_do_not_wait_in_a_circle",)

    locks = {}

    async def set_many(self, values, *, ttl=None):
        locks = [self.locks.setdefault(key, asyncio.Lock()) for key in values]
        async with asyncio.timeout(1), contextlib.AsyncExitStack() as stack:
            for lock in locks:
                await stack.enter_async_context(lock)
                await asyncio.sleep(0)
            return await super().set_many(values, ttl=ttl)


class ManyForgetTheTtl(Sound):
    caught_by = (
        "test_ttl_of_many_holds_for_each",
        "test_random_calls_agree_with_the_model",
    )

    async def set_many(self, values, **_):
        return await super().set_many(values)


class ManyForgetTheDefaultTtl(Sound):
    caught_by = ("test_default_ttl_holds_for_many",)

    async def set_many(self, values, *, ttl=None):
        return await super().set_many(values, ttl=math.inf if ttl is None else ttl)


class ManyShareAVersion(Sound):
    caught_by = (
        "test_set_many_replaces",
        "test_set_many_returns_the_versions",
    )

    async def set_many(self, values, *, ttl=None):
        versions = await super().set_many(values, ttl=ttl)
        return dict.fromkeys(versions, min(versions.values(), default=""))


class ManyStoreAliases(Sound):
    caught_by = ("test_set_many_stores_copies",)

    kept = {}

    async def set_many(self, values, *, ttl=None):
        self.kept.update(values)
        return await super().set_many(values, ttl=ttl)

    async def get_many(self, keys):
        found = await super().get_many(keys)
        return {key: self.kept.get(key, found[key]) for key in found}


class MissingKeysCountAsDeleted(Sound):
    caught_by = (
        "test_delete_many_counts_what_was_there",
        "test_random_calls_agree_with_the_model",
    )

    async def delete_many(self, keys):
        await super().delete_many(keys)
        return len(set(keys))


class ExpiredKeysCountAsDeleted(Sound):
    caught_by = ("test_ttl_of_many_holds_for_each",)

    async def delete_many(self, keys):
        held = [key for key in set(keys) if key in self._items]
        await super().delete_many(keys)
        return len(held)


class ExpiredKeysAreAmongMany(Sound):
    caught_by = ("test_ttl_of_many_holds_for_each",)

    async def get_many(self, keys):
        clock, self._clock = self._clock, lambda: 0
        try:
            return await super().get_many(keys)
        finally:
            self._clock = clock


class TtlOfAMissingKeyIsNone(Sound):
    caught_by = ("test_ttl_of_what_is_not_there_is_0",)

    async def ttl(self, key):
        return await super().ttl(key) or None


class TtlIsInfinite(Sound):
    caught_by = ("test_ttl_of_what_does_not_expire_is_none",)

    async def ttl(self, key):
        left = await super().ttl(key)
        return math.inf if left is None else left


class TtlIsWhatWasGiven(Sound):
    caught_by = ("test_ttl_tells_the_time_that_is_left",)

    async def set(self, key, value, *, ttl=None, **condition):
        self.given = ttl
        return await super().set(key, value, ttl=ttl, **condition)

    async def ttl(self, key):
        left = await super().ttl(key)
        return self.given if left else left


class TtlIsInWholeSeconds(Sound):
    caught_by = ("test_ttl_is_exact",)

    async def ttl(self, key):
        left = await super().ttl(key)
        return left and math.ceil(left)


class Offer:
    """A plugin that offers one store."""

    def __init__(self, store):
        self.store = store

    @hookimpl
    def pegboard_storage_providers(self):
        """Offer the store under a name of its own."""
        return [
            StorageProvider(
                name="sample",
                factory=self.store,
                options=MemoryOptions,
                contracts={"KeyValue": 1},
            )
        ]


class Kit(PersistentKeyValueContract):
    """The kit, for one of the stores."""

    __test__ = False
    store_class: ClassVar[type[Sound]]
    examples = hypothesis.settings(EXAMPLES, phases=[hypothesis.Phase.generate])
    """Nobody reads what fails here, so it is not made short."""

    @pytest.fixture
    def plugins(self):
        """Return what offers the store."""
        return [Offer(self.store_class)]

    @pytest.fixture
    def settings(self):
        """Return settings that name the store."""
        return {"provider": "sample"}


STORES = [
    kind
    for kind in [*vars().values()]
    if isinstance(kind, type) and issubclass(kind, Sound)
]
globals().update(
    {
        f"Test{store.__name__}": type(
            f"Test{store.__name__}", (Kit,), {"store_class": store, "__test__": True}
        )
        for store in STORES
    }
)
