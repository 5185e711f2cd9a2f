"""Values of one type, over each store that comes with the core."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pytest
from pegboard import Entry, KeyValue, Namespaced, Pegboard, Values, errors, sync
from pegboard.testing.clock import ManualClock
from pydantic import BaseModel, ConfigDict, Field

ANY_BYTES = bytes(range(256))


class Colour(Enum):
    RED = "red"


class User(BaseModel):
    """What has no JSON of its own, and a name that differs outside."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    name: str = Field(alias="userName", validation_alias="userName")
    born: date | None = None
    seen: datetime = datetime(2024, 5, 1, 12, tzinfo=UTC)
    colours: frozenset[Colour] = frozenset()
    points: tuple[Decimal, ...] = ()
    photo: bytes = b""


class Renamed(BaseModel):
    """What became of it, in another version of the program."""

    name: str
    born: int


@dataclass
class Point:
    x: int
    y: float = 0.5


@pytest.fixture
def clock():
    """Return a clock that is moved by hand."""
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
async def board(request, clock, tmp_path):
    """Return a board with a store of values."""
    settings = {
        "data_folder": str(tmp_path),
        "storage": {"kit": {"provider": request.param}},
    }
    async with Pegboard.isolated(settings, clock=clock) as board:
        yield board


@pytest.fixture
def users(board):
    """Return users, none yet."""
    return board.storage("kit", Values[User])


def user(name="Ann", **fields):
    """Return a user."""
    return User(userName=name, **fields)


async def test_missing_key_gives_none(users):
    """A key that was never set has no value."""
    assert await users.get("ann") is None
    assert await users.get_entry("ann") is None
    assert await users.get_many(["ann"]) == {}
    assert await users.ttl("ann") == 0


async def test_model_comes_back_as_it_was(users):
    """Whatever pydantic has JSON of is kept, and what is read is another object."""
    ann = user(
        born=date(1990, 1, 2),
        colours={Colour.RED},
        points=(Decimal("0.10"), Decimal(7)),
        photo=ANY_BYTES,
    )
    version = await users.set("ann", ann)
    found = await users.get("ann")

    assert found == ann
    assert found is not ann
    assert await users.get_entry("ann") == Entry(ann, version)
    assert await users.get_many(["ann", "bob"]) == {"ann": ann}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (bytes, ANY_BYTES),
        (bytes, b""),
        (dict[str, bytes], {"a": b"\xff"}),
        (list[int], [1, 2**70]),
        (dict[int, str], {1: "a"}),
        (set[str], {"a"}),
        (int | None, None),
        (float, 0.1),
        (UUID, UUID(int=5)),
        (datetime, datetime(2024, 5, 1, tzinfo=UTC)),
        (Point, Point(1)),
        (list[Point], [Point(1), Point(2, 3.5)]),
        (list[User], [user(photo=b"\x00\xff")]),
        (str, "\x00 \u00e9 \U0001f600"),
    ],
    ids=str,
)
async def test_any_type_comes_back(board, kind, value):
    """A value of any type that pydantic knows is read as that type."""
    values = board.storage("kit", Values[kind])
    await values.set("key", value)

    entry = await values.get_entry("key")
    assert entry
    assert (type(entry.value), entry.value) == (type(value), value)


async def test_others_find_json(users, board):
    """Who does not know the type reads JSON, with the names of the fields."""
    await users.set("ann", user(photo=b"\xff"))
    await board.storage("kit", Values[bytes]).set("raw", b"\xff\xfe")
    plain = board.storage("kit", KeyValue)

    assert (await plain.get("ann"))["name"] == "Ann"
    assert await plain.get("raw") == "__4="


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (User, {"userName": "Ann"}),
        (User, None),
        (User, Point(1)),
        (bytes, "text"),
        (int, "7"),
        (float, math.nan),
        (str, "half of a pair: \ud83d"),
        (list[Renamed], [user()]),
    ],
    ids=ascii,
)
async def test_value_of_another_type_is_refused(board, kind, value):
    """What is not of the type is not stored, and neither is what comes with it."""
    values = board.storage("kit", Values[kind])

    with pytest.raises(errors.InvalidRequest) as caught:
        await values.set("key", value)
    assert caught.value.request_sent == "no"
    with pytest.raises(errors.InvalidRequest):
        await values.set_many({"key": value})
    assert not await values.exists("key")


async def test_bytes_that_are_no_text_are_refused_in_a_model(board):
    """A model that does not say how its bytes are kept can only keep text."""

    class Photo(BaseModel):
        content: bytes

    photos = board.storage("kit", Values[Photo])

    with pytest.raises(errors.InvalidRequest, match="utf-8"):
        await photos.set("key", Photo(content=b"\xff"))


async def test_what_does_not_fit_is_an_invalid_reply(users, board):
    """The error says what is wrong where, and never the value."""
    await users.set("ann", user("secret-name", born=date(1990, 1, 2)))
    renamed = board.storage("kit", Values[Renamed])

    for call in (renamed.get("ann"), renamed.get_many(["ann"])):
        with pytest.raises(errors.InvalidReply, match="'ann' is no Renamed: born") as e:
            await call
        assert "1990" not in str(e.value)
        assert "secret" not in str(e.value)


async def test_conditions_hold(users):
    """Versions and absence are compared as in the store."""
    version = await users.set("ann", user(), if_absent=True)

    with pytest.raises(errors.Conflict):
        await users.set("ann", user("Eve"), if_absent=True)
    newer = await users.set("ann", user("Anne"), if_version=version)
    with pytest.raises(errors.Conflict):
        await users.delete("ann", if_version=version)
    assert await users.delete("ann", if_version=newer) is True


async def test_many_go_at_once(users):
    """Many are stored, read and deleted in one step."""
    group = {name: user(name) for name in ("ann", "bob", "eve")}
    versions = await users.set_many(group, ttl=60)

    assert await users.get_many([*group]) == group
    assert versions.keys() == group.keys()
    assert (await users.scan(limit=2)).keys == ("ann", "bob")
    assert await users.delete_many(["ann", "bob", "nobody"]) == 2
    assert (await users.scan("e")).keys == ("eve",)


@pytest.mark.parametrize("values", ["text", None, [("a", 1)]])
async def test_many_are_a_mapping(users, values):
    """What has no keys is refused in the words of the store."""
    with pytest.raises(errors.InvalidRequest, match="mapping"):
        await users.set_many(values)


async def test_values_expire(users, clock):
    """Times to live are those of the store."""
    await users.set("ann", user(), ttl=10)
    assert await users.ttl("ann") == pytest.approx(10)
    assert await users.touch("ann", ttl=20) is True
    clock.advance(15)
    assert await users.exists("ann") is True
    clock.advance(10)

    assert await users.exists("ann") is False


@pytest.mark.parametrize(
    "kind", [object(), Pegboard, "NoSuchType"], ids=["object", "board", "name"]
)
async def test_type_without_json_is_refused(board, kind):
    """What pydantic cannot make JSON of is told at once."""
    store = board.storage("kit", KeyValue)

    with pytest.raises(errors.InvalidRequest, match="is no type that has JSON"):
        Values(store, kind)


async def test_values_without_a_type_are_refused(board):
    """Whoever forgets the brackets learns what to write."""
    with pytest.raises(errors.InvalidRequest, match=r"Write Values\[YourModel\]"):
        board.storage("kit", Values)


async def test_same_type_is_the_same_object(board):
    """Reading a type takes long, so it is done once."""
    assert board.storage("kit", Values[User]) is board.storage("kit", Values[User])


async def test_types_are_kept_apart_by_namespaces(board):
    """Two types under one key, in one store, are no trouble under two names."""
    store = board.storage("kit", KeyValue)
    users = Values(Namespaced(store, "user"), User)
    photos = Values(Namespaced(store, "photo"), bytes)
    await users.set("ann", user())
    await photos.set("ann", ANY_BYTES)

    assert await users.get("ann") == user()
    assert await photos.get("ann") == ANY_BYTES
    assert (await store.scan()).keys == ("photo:ann", "user:ann")


def test_blocking_values_are_the_same():
    """Programs without async have all of it, too."""
    settings = {"storage": {"kit": {"provider": "memory"}}}
    with sync.Pegboard.isolated(settings) as board:
        users = board.storage("kit", sync.Values[User])
        version = users.set("ann", user(), ttl=50, if_absent=True)
        users.set_many({"bob": user("Bob")})

        assert users.get("ann") == user()
        assert users.get_entry("ann") == Entry(user(), version)
        assert users.get_many(["bob", "eve"]) == {"bob": user("Bob")}
        assert 0 < users.ttl("ann") <= 50
        assert users.scan().keys == ("ann", "bob")
        assert users.delete_many(["ann", "bob"]) == 2
        assert board.storage("kit", sync.KeyValue).get_many(["ann"]) == {}
