"""A part of a store, used like a store of its own."""

from __future__ import annotations

import pytest
from pegboard import (
    KeyValue,
    Namespaced,
    Pegboard,
    Sessions,
    StorageProvider,
    errors,
    hookimpl,
)
from pegboard.builtin.memory import MemoryKeyValue, MemoryOptions
from pegboard.testing.key_value import KeyValueContract


class Crowded:
    """A plugin whose storage is a part of one in which others are busy, too."""

    @hookimpl
    def pegboard_storage_providers(self):
        """Offer the part."""
        return [
            StorageProvider(
                name="part",
                factory=part_of_a_crowd,
                options=MemoryOptions,
                contracts={"KeyValue": 1},
            )
        ]


def part_of_a_crowd(options, context):
    """Return a part of a store, beside keys that look like its own."""
    store = MemoryKeyValue(options, context)
    others = ("a", "kit", "kit/a", "kit;", "kit9:a", "\x00", "\U0010ffff")
    for key in others:
        store._store(key, store._new('"of others"', None))
    return Namespaced(store, "kit")


class TestNamespaced(KeyValueContract):
    @pytest.fixture
    def plugins(self):
        """Return what offers a part of a store."""
        return [Crowded()]

    @pytest.fixture
    def settings(self):
        """Return settings that name it."""
        return {"provider": "part"}


@pytest.fixture
async def store():
    """Return a store of values."""
    settings = {"storage": {"kit": {"provider": "memory"}}}
    async with Pegboard.isolated(settings) as board:
        yield board.storage("kit", KeyValue)


async def test_parts_do_not_see_each_other(store):
    """What one program does under its name concerns no other name."""
    shop, shopping = Namespaced(store, "shop"), Namespaced(store, "shopping")
    await store.set("user", "plain")
    await shop.set_many({"user": 1, "cart": 1})
    await shopping.set("user", 2)
    await shop.incr("visits", 5)
    await shop.delete("cart")

    assert await shop.get_many(["user", "cart", "visits"]) == {"user": 1, "visits": 5}
    assert await shopping.get("user") == 2
    assert (await shopping.scan()).keys == ("user",)
    assert await shopping.delete_many(["user", "visits"]) == 1
    assert (await store.scan()).keys == ("shop:user", "shop:visits", "user")


async def test_parts_have_parts(store):
    """A part is a store, so it can be parted again, and holds the whole."""
    shop = Namespaced(store, "shop")
    await Namespaced(shop, "eu").set("user", 1)

    assert await shop.get("eu:user") == 1
    assert (await store.scan()).keys == ("shop:eu:user",)


async def test_parts_are_built_on(store):
    """Whatever is made of values can be made of a part."""
    await Sessions(Namespaced(store, "shop")).set("id", {"user": "ann"})

    assert (await store.scan()).keys == ("shop:session:id",)


async def test_pages_of_a_part_go_on(store):
    """The cursor of a page leads to the next one, and stays within the part."""
    part = Namespaced(store, "b")
    await Namespaced(store, "a").set("1", 0)
    await Namespaced(store, "c").set("1", 0)
    await part.set_many(dict.fromkeys("12345", 0))
    page = await part.scan(limit=2)
    rest = await part.scan(limit=10, cursor=page.cursor)

    assert (page.keys, rest.keys) == (("1", "2"), ("3", "4", "5"))
    assert rest.cursor is None


@pytest.mark.parametrize("name", ["", "a:b", ":", None, 5, "\ud800"], ids=ascii)
def test_bad_names_are_refused(name):
    """A name must not make one part look like a part of another."""
    with pytest.raises(errors.InvalidRequest):
        Namespaced(object(), name)
