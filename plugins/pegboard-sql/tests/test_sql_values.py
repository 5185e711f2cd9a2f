"""Values of types, and parts of a store, in tables."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from pegboard import KeyValue, Namespaced, Values
from pydantic import BaseModel


class User(BaseModel):
    name: str
    born: date
    points: tuple[Decimal, ...]


ANN = User(name="\x00 \u00e9", born=date(1990, 1, 2), points=(Decimal("0.10"),))
CONTENT = bytes(range(256))


async def test_types_come_back(open_board):
    """Models and bytes are read as they were stored, one by one and many at once."""
    store = open_board().storage("main", KeyValue)
    users = Values(Namespaced(store, "user"), User)
    photos = Values(Namespaced(store, "photo"), bytes)
    await users.set("ann", ANN, ttl=50)
    await photos.set_many({"ann": CONTENT, "bob": b""})

    assert await users.get("ann") == ANN
    assert await photos.get_many(["ann", "bob"]) == {"ann": CONTENT, "bob": b""}
    assert 0 < await users.ttl("ann") <= 50
    assert (await store.scan()).keys == ("photo:ann", "photo:bob", "user:ann")
    assert (await users.scan()).keys == ("ann",)


async def test_parts_are_apart(open_board):
    """What is deleted in one part is still there in another."""
    store = open_board().storage("main", KeyValue)
    one, other = Namespaced(store, "one"), Namespaced(store, "other")
    await one.set_many({"a": 1, "b": 2})
    await other.set_many({"a": 3, "b": 4})
    deleted = await one.delete_many(["a", "b", "other:a"])

    assert deleted == 2
    assert await other.get_many(["a", "b"]) == {"a": 3, "b": 4}
