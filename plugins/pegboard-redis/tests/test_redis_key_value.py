"""What is kept on the server, and how."""

from __future__ import annotations

import asyncio
import random

import pytest
from pegboard import Context, Entry, errors
from pegboard.contracts.key_value import new_version
from pegboard_redis._key_value import RedisKeyValue
from pegboard_redis._scripts import MOST_LOOKED_AT, VERSION_LENGTH
from pegboard_redis.options import RedisOptions


@pytest.fixture(params=["valkey", "redis"])
def any_server(request):
    """Return each kind of server in turn."""
    return request.getfixturevalue(f"shared_{request.param}")


@pytest.fixture
def any_store(make_store, any_server):
    """Return an empty store on each kind of server."""
    return make_store(any_server.url)


def ordered(store, server):
    """Return the keys that a scan would look at."""
    return server.call("ZRANGE", store._index[0], 0, -1)


def expiring(store, server):
    """Return the keys that are known to expire."""
    return server.call("ZRANGE", store._index[1], 0, -1)


def commands(server):
    """Return how many commands came from programs, the one that asks among them."""
    lines = server.call("INFO", "commandstats").splitlines()
    names = ("cmdstat_evalsha:", "cmdstat_eval:", "cmdstat_mget:", "cmdstat_info:")
    counted = [line for line in lines if line.startswith(names)]
    return sum(int(line.split("calls=")[1].split(",")[0]) for line in counted)


async def expire(store, server, key):
    """Have the time of *key* pass, and wait until the server has seen that."""
    await store.touch(key, ttl=0.001)
    while server.call("EXISTS", store._prefix + key):
        """Wait, with nothing else to do."""


class TestLayout:
    async def test_value_is_a_string_of_version_and_json(self, any_store, any_server):
        """What other programs find is what the README says."""
        version = await any_store.set("é", {"a": [1, "é"]})

        raw = any_server.call("GET", f"{any_store._prefix}é")
        assert raw == version + '{"a":[1,"\\u00e9"]}'
        assert len(new_version()) == len(version) == VERSION_LENGTH

    async def test_default_prefix_is_of_the_instance(self, shared_valkey, tmp_path):
        """No two instances share keys by accident, whatever they are called."""
        options = RedisOptions(url=shared_valkey.url)
        names = ("a", "a:b", "a%3Ab", "é")
        stores = [
            RedisKeyValue(options, Context(f"storage.{n}", tmp_path)) for n in names
        ]
        for number, store in enumerate(stores):
            await store.set("b:key", number)
        found = [await store.get("b:key") for store in stores]
        listed = [(await store.scan()).keys for store in stores]
        for store in stores:
            await store.delete("b:key")
            await store.aclose()

        assert found == [0, 1, 2, 3]
        assert listed == [("b:key",)] * 4
        assert stores[0]._prefix == "pegboard:a:"

    async def test_one_prefix_is_one_store(self, make_store, any_server):
        """Instances that name the same prefix share their values."""
        one = make_store(any_server.url)
        other = make_store(any_server.url, prefix=one._prefix)
        version = await one.set("key", 1)

        assert await other.get_entry("key") == Entry(1, version)

    async def test_databases_are_apart(self, make_store, any_server):
        """The number in the URL is the database."""
        one = make_store(any_server.url)
        other = make_store(f"{any_server.url}/5", prefix=one._prefix)
        await one.set("key", 1)

        assert await other.get("key") is None

    async def test_empty_prefix_is_none(self, make_store, server):
        """Keys are then named as the program names them."""
        store = make_store(server.url, prefix="")
        await store.set("key", 1)

        assert server.call("EXISTS", "key") == 1
        assert (await store.scan()).keys == ("key",)

    async def test_deleted_keys_leave_nothing(self, make_store, server):
        """When all is deleted, the server is empty."""
        store = make_store(server.url)
        for number in range(10):
            await store.set(f"key{number}", 1, ttl=50 if number % 2 else None)
            await store.touch(f"key{number}", ttl=60)
        for number in range(10):
            await store.delete(f"key{number}")

        assert server.call("DBSIZE") == 0

    async def test_many_that_are_deleted_leave_nothing(self, make_store, server):
        """Many at once come into the sorted sets, and out of them."""
        store = make_store(server.url)
        await store.set_many({"a": 1, "b": 2}, ttl=50)
        assert ordered(store, server) == expiring(store, server) == ["a", "b"]
        await store.set_many({"a": 1, "c": 3})
        assert ordered(store, server) == ["a", "b", "c"]
        assert expiring(store, server) == ["b"]
        await store.delete_many(["a", "b", "c"])

        assert server.call("DBSIZE") == 0

    async def test_many_expire_at_one_moment(self, any_store, any_server):
        """The server ends all of them in the same millisecond."""
        keys = [f"key{number}" for number in range(100)]
        await any_store.set_many(dict.fromkeys(keys, 1), ttl=50)
        index = any_store._index[1]

        assert len({any_server.call("ZSCORE", index, key) for key in keys}) == 1

    async def test_many_take_one_command(self, any_store, any_server):
        """However many there are, the server is asked once."""
        for values in ({}, {f"key{number}": 1 for number in range(100)}):
            await any_store.set_many({"known": 1})  # scripts are told once
            await any_store.delete_many(["known"])
            before = commands(any_server)
            await any_store.set_many(values)
            await any_store.get_many([*values])
            await any_store.delete_many([*values])

            assert commands(any_server) - before == 1 + 3 * bool(values)


class TestExpiry:
    async def test_server_keeps_the_time(self, any_store, any_server):
        """The server's own expiry ends a value, to the millisecond."""
        await any_store.set("key", 1, ttl=50)

        assert 49_000 < any_server.call("PTTL", f"{any_store._prefix}key") <= 50_000

    @pytest.mark.parametrize("ttl", [1e-9, 1e300, 10**400, 10**12])
    async def test_any_ttl_is_within_the_servers_arithmetic(self, any_store, ttl):
        """The shortest is a millisecond; the longest is thousands of years."""
        await any_store.set("key", 1, ttl=ttl)
        assert await any_store.touch("other", ttl=ttl) is False
        await any_store.incr("counter", ttl=ttl)

        assert (
            await any_store.get("key", "gone") == (1 if ttl > 1 else "gone") or ttl < 1
        )

    async def test_writes_remove_what_has_expired(self, any_store, any_server):
        """Two keys leave the sorted sets for each that is written with an expiry."""
        for number in range(6):
            await any_store.set(f"old{number}", 1)
            await expire(any_store, any_server, f"old{number}")
        for number in range(3):
            await any_store.set(f"new{number}", 1, ttl=50)

        assert ordered(any_store, any_server) == ["new0", "new1", "new2"]
        assert expiring(any_store, any_server) == ["new0", "new1", "new2"]

    async def test_scan_removes_what_has_expired(self, any_store, any_server):
        """What a scan meets and finds gone is not met again."""
        await any_store.set("key", 1)
        await any_store.set("old", 1)
        await expire(any_store, any_server, "old")

        assert (await any_store.scan()).keys == ("key",)
        assert ordered(any_store, any_server) == ["key"]
        assert expiring(any_store, any_server) == []

    async def test_value_without_expiry_is_not_known_to_expire(
        self, any_store, any_server
    ):
        """A new value, or a touch, that does not expire undoes what the old one did."""
        for key in ("set", "touched"):
            await any_store.set(key, 1, ttl=50)
        await any_store.set("set", 1)
        await any_store.touch("touched")

        assert expiring(any_store, any_server) == []
        assert await any_store.scan() == await any_store.scan()

    async def test_sorted_sets_agree_with_the_values(self, any_store, any_server):
        """Whatever is done at once, each key that exists is listed, and no other."""
        chance = random.Random(11)  # noqa: S311 - no secret

        async def use():
            for _ in range(100):
                key, ttl = (
                    f"key{chance.randrange(12)}",
                    chance.choice([None, 0.003, 50]),
                )
                call = chance.choice(
                    [
                        lambda k=key, t=ttl: any_store.set(k, 1, ttl=t),
                        lambda k=key, t=ttl: any_store.touch(k, ttl=t),
                        lambda k=key, t=ttl: any_store.incr(k, ttl=t),
                        lambda k=key: any_store.delete(k),
                        lambda k=key, t=ttl: any_store.set_many(
                            {k: 1, "key0": 2}, ttl=t
                        ),
                        lambda k=key: any_store.delete_many([k, "key1"]),
                        lambda: any_store.scan(limit=3),
                    ]
                )
                await call()

        await asyncio.gather(*(use() for _ in range(8)))
        await asyncio.sleep(0.01)
        keys = [f"key{number}" for number in range(12)]
        there = {key for key in keys if await any_store.exists(key)}

        assert (
            {*(await any_store.scan()).keys}
            == there
            == {*ordered(any_store, any_server)}
        )
        assert {*expiring(any_store, any_server)} == {
            key for key in there if any_server.call("PTTL", any_store._prefix + key) > 0
        }


class TestScan:
    async def test_scan_goes_through_many_that_are_gone(self, any_store, any_server):
        """One step looks at a bounded number; the page is filled all the same."""
        await asyncio.gather(*(any_store.set(f"k{n:05}", 1) for n in range(3000)))
        gone = [f"{any_store._prefix}k{n:05}" for n in range(2500)]
        any_server.call("DEL", *gone)
        page = await any_store.scan(limit=3)

        assert page.keys == ("k02500", "k02501", "k02502")
        assert len(ordered(any_store, any_server)) == 500

    async def test_scan_gives_pages_beyond_one_step(self, any_store):
        """A page may be bigger than what one step looks at."""
        most = 2 * MOST_LOOKED_AT + 5
        await asyncio.gather(*(any_store.set(f"k{n:05}", 1) for n in range(most)))
        page = await any_store.scan(limit=most - 1)
        rest = await any_store.scan(limit=10, cursor=page.cursor)

        assert page.keys == tuple(f"k{n:05}" for n in range(most - 1))
        assert rest.keys == (f"k{most - 1:05}",)
        assert rest.cursor is None

    async def test_value_that_others_deleted_is_not_listed(self, any_store, any_server):
        """What the server evicted, or another program deleted, is gone here, too."""
        await any_store.set("key", 1)
        any_server.call("DEL", f"{any_store._prefix}key")

        assert (await any_store.scan()).keys == ()
        assert await any_store.set("key", 2, if_absent=True)
        assert (await any_store.scan()).keys == ("key",)


class TestConditions:
    @pytest.mark.parametrize("version", ["", "!", "=", "\ud800", object(), 5, "x" * 24])
    @pytest.mark.parametrize("stored", [True, False])
    async def test_what_is_no_version_is_a_conflict(self, any_store, version, stored):
        """Nothing but the stored version will do, present or not."""
        if stored:
            await any_store.set("key", 1)
        for call in (
            any_store.set("key", 2, if_version=version),
            any_store.delete("key", if_version=version),
        ):
            with pytest.raises(errors.Conflict):
                await call
        assert await any_store.get("key") == (1 if stored else None)


class TestIncr:
    @pytest.mark.parametrize(
        ("start", "by"),
        [
            (2**53 - 1, 1),
            (2**53, 1),
            (-(2**53), -1),
            (2**63, -5),
            (5, 2**53),
            (-(2**63), 2**63),
            (0, True),
            (7, -7),
        ],
    )
    async def test_sums_are_exact(self, any_store, start, by):
        """Whether or not a script's numbers can hold it."""
        version = await any_store.set("key", start, ttl=50)
        assert await any_store.incr("key", by) == start + by
        entry = await any_store.get_entry("key")

        assert repr(entry.value) == repr(start + by)
        assert entry.version != version

    @pytest.mark.parametrize("start", [0, 2**60])
    async def test_counting_at_once_is_exact(self, any_store, start):
        """Nobody comes in between, in the script and where it takes several calls."""
        await any_store.set("key", start)
        sums = await asyncio.gather(*(any_store.incr("key") for _ in range(50)))

        assert sorted(sums) == [start + n for n in range(1, 51)]

    async def test_big_sums_keep_the_expiry(self, any_store, any_server):
        """The expiry stays in either way, and a new counter gets its own."""
        await any_store.set("key", 2**60, ttl=50)
        await any_store.incr("key", ttl=5000)
        await any_store.incr("new", 2**60, ttl=50)

        for key in ("key", "new"):
            assert 0 < any_server.call("PTTL", any_store._prefix + key) <= 50_000
        assert expiring(any_store, any_server) == ["key", "new"]
