"""JSON that is read and changed in parts."""

from __future__ import annotations

import asyncio

import pytest
from pegboard import JsonDatabase, KeyValue, Pegboard, errors, sync
from pegboard.testing.clock import ManualClock

SHOP = {
    "users": [{"name": "Ann", "tags": ["a", "b"]}, {"name": "Bob"}],
    "a.b": {"c": 1},
    "none": None,
    "text": "one\ntwo\nthree\nfour\nfive\nsix",
}


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, tmp_path):
    """Return a store of values."""
    settings = {
        "data_folder": str(tmp_path),
        "storage": {"kit": {"provider": request.param}},
    }
    async with Pegboard.isolated(settings) as board:
        yield board.storage("kit", KeyValue)


@pytest.fixture
async def database(store):
    """Return a database with a shop in it."""
    database = JsonDatabase(store)
    await database.write("shop", SHOP)
    return database


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", SHOP),
        ("users.0.name", "Ann"),
        ("users.1", {"name": "Bob"}),
        ("users.0.tags.1", "b"),
        (r"a\.b.c", 1),
        ("none", None),
        ("users.2", "nothing"),
        ("users.-1", "nothing"),
        ("users.name", "nothing"),
        ("users.0.name.first", "nothing"),
        ("a.b.c", "nothing"),
        (".", "nothing"),
    ],
)
async def test_path_leads_to_a_part(database, path, found):
    """Keys of objects and places in lists, joined by dots."""
    assert await database.read("shop", path, default="nothing") == found


@pytest.mark.parametrize(
    ("path", "lines", "said"),
    [
        ("text", "2:3", "two\nthree\n"),
        ("users.1", None, '{\n  "name": "Bob"\n}'),
        ("users", "2", '[\n  {\n    "name": "Bob"\n  }\n]'),
        ("none", None, "null"),
        ("users.0.name", None, "Ann"),
    ],
)
async def test_prompt_is_text_for_a_model(database, path, lines, said):
    """Text as it is, and all else as JSON that people can read."""
    assert await database.prompt("shop", path, lines=lines) == said


@pytest.mark.parametrize(("name", "path"), [("other", ""), ("shop", "users.2")])
async def test_prompt_of_nothing_is_an_error(database, name, path):
    """A model is not asked with an empty hand."""
    with pytest.raises(errors.NotFound, match="There is nothing"):
        await database.prompt(name, path)


async def test_unknown_name_is_the_default(database):
    """What was never written is no error."""
    assert await database.read("other") is None
    assert await database.read("other", "a.b", default=5) == 5
    assert await database.delete("other") is False
    assert await database.delete("other", "a") is False


@pytest.mark.parametrize(
    ("lines", "numbers"),
    [
        ("1", [1]),
        ("2:4", [2, 3, 4]),
        ("1:2,5", [1, 2, 5]),
        (" 6 , 1:1 ", [6, 1]),
        (":2", [1, 2]),
        ("5:", [5, 6]),
        ("6:99,100", [6]),
        ("4:3", []),
    ],
)
async def test_lines_are_counted_from_1(database, lines, numbers):
    """Of a text they are lines, of a list items; both ends belong to a range."""
    words = SHOP["text"].splitlines(keepends=True)
    await database.write("shop", [1, 2, 3, 4, 5, 6], "list")

    assert await database.read("shop", "list", lines=lines) == numbers
    found = await database.read("shop", "text", lines=lines)
    assert found == "".join(words[number - 1] for number in numbers)


@pytest.mark.parametrize("lines", ["", ",", ":", "0", "0:3", "a", "1-3", "-1", "1:2:3"])
async def test_bad_lines_are_refused(database, lines):
    """The error says how they are written."""
    with pytest.raises(errors.InvalidRequest, match="like 1:5,8"):
        await database.read("shop", "text", lines=lines)


async def test_what_has_no_lines_is_told(database):
    """Neither numbers nor objects have lines."""
    with pytest.raises(errors.InvalidRequest, match="not a dict"):
        await database.read("shop", "users.0", lines="1")


async def test_write_makes_what_leads_there(database):
    """And leaves all else as it was."""
    await database.write("shop", 5, "new.deep.part")
    await database.write("shop", "Eve", "users.1.name")
    await database.write("fresh", 1, "a.b")

    assert await database.read("shop", "new") == {"deep": {"part": 5}}
    assert await database.read("shop", "users.1") == {"name": "Eve"}
    assert await database.read("shop", "users.0") == SHOP["users"][0]
    assert await database.read("fresh") == {"a": {"b": 1}}


@pytest.mark.parametrize("path", ["users.2", "users.x", "users.0.name.x", "none.x"])
async def test_path_that_leads_nowhere_is_refused(database, path):
    """Nothing is changed then."""
    with pytest.raises(errors.InvalidRequest):
        await database.write("shop", 5, path)
    assert await database.read("shop") == SHOP


async def test_append_makes_lists_and_texts_longer(database):
    """A list gets an item, a text a line; where nothing is, a list begins."""
    assert await database.append("shop", "c", "users.0.tags") == 3
    assert await database.append("shop", 1, "new.list") == 1
    await database.append("shop", "seven", "text")
    await database.append("shop", "eight", "text")

    assert await database.read("shop", "users.0.tags") == ["a", "b", "c"]
    assert await database.read("shop", "new") == {"list": [1]}
    assert (await database.read("shop", "text")).endswith("six\nseven\neight\n")
    assert await database.read("shop", "text", lines="7") == "seven\n"


async def test_append_to_anything_else_is_refused(database):
    """The error names both."""
    with pytest.raises(errors.InvalidRequest, match="int cannot be appended to a dict"):
        await database.append("shop", 1, "users.0")
    with pytest.raises(errors.InvalidRequest, match="int cannot be appended to a str"):
        await database.append("shop", 1, "text")


async def test_update_keeps_other_keys(database):
    """The object that it makes is returned."""
    after = await database.update("shop", {"age": 5, "name": "Eve"}, "users.1")

    assert after == await database.read("shop", "users.1") == {"name": "Eve", "age": 5}
    assert await database.update("fresh", {"a": 1}) == {"a": 1}
    with pytest.raises(errors.InvalidRequest, match="list has no keys"):
        await database.update("shop", {"a": 1}, "users")


async def test_delete_takes_a_part_out(database):
    """A key, an item, or all of it."""
    assert await database.delete("shop", "users.0") is True
    assert await database.delete("shop", "none") is True
    assert await database.delete("shop", "none") is False

    assert await database.read("shop", "users") == [{"name": "Bob"}]
    assert "none" not in await database.read("shop")
    assert await database.delete("shop") is True
    assert await database.read("shop") is None


class Yielding:
    """A store whose reads take as long as others need to come in between."""

    def __init__(self, store):
        self.store = store

    def __getattr__(self, name):
        return getattr(self.store, name)

    async def get_entry(self, key):
        entry = await self.store.get_entry(key)
        await asyncio.sleep(0)
        return entry


async def test_changes_at_once_lose_nothing(store):
    """Also where nothing was before."""
    database = JsonDatabase(Yielding(store))
    await asyncio.gather(
        *(database.append("log", number, "items") for number in range(8)),
        *(database.update("log", {f"{number}": number}) for number in range(8)),
    )
    log = await database.read("log")

    assert sorted(log.pop("items")) == [*range(8)]
    assert log == {f"{number}": number for number in range(8)}


async def test_part_that_is_gone_meanwhile_is_not_there(store):
    """Deleting it does not make what would lead there."""

    class Emptied(Yielding):
        async def get_entry(self, key):
            await self.store.delete(key)
            return await super().get_entry(key)

    await JsonDatabase(store).write("a", 1, "b.c")
    assert await JsonDatabase(Emptied(store)).delete("a", "b.c") is False
    assert await store.get("json:a", "nothing") == "nothing"


async def test_nothing_expires():
    """A store for short-lived values does not forget a database."""
    clock = ManualClock()
    settings = {"storage": {"kit": {"provider": "memory", "ttl": 5}}}
    async with Pegboard.isolated(settings, clock=clock) as board:
        database = board.storage("kit", JsonDatabase)
        await database.write("a", 1, "b")
        await database.append("a", 1, "c")
        clock.advance(1000)

        assert await database.read("a") == {"b": 1, "c": [1]}


async def test_names_are_listed(database):
    """As they were given."""
    await database.write("a:b/c", 1)

    assert (await database.scan()).keys == ("a:b/c", "shop")


def test_blocking_database_is_the_same():
    """All of it without async."""
    settings = {"storage": {"kit": {"provider": "memory"}}}
    with sync.Pegboard.isolated(settings) as board:
        database = board.storage("kit", sync.JsonDatabase)
        database.write("a", [1], "list")
        database.append("a", 2, "list")
        database.update("a", {"b": 1})

        assert database.read("a", "list", lines="2") == [2]
        assert database.scan().keys == ("a",)
        assert database.delete("a") is True
