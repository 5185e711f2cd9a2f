"""Repositories of models, over a store in memory."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, ClassVar, Literal
from uuid import UUID

import pytest
from pegboard import (
    Document,
    Documents,
    DocumentStore,
    Index,
    Key,
    KeyValue,
    Pegboard,
    Range,
    built_on,
    errors,
    sync,
)
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, computed_field

SETTINGS = {"storage": {"kit": {"provider": "memory"}}}
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


class Size(enum.Enum):
    SMALL = 1
    BIG = 2


class Emoji(BaseModel):
    """A template with all that can be an index."""

    name: Annotated[str, Key()]
    category: Annotated[str | None, Index()] = None
    uses: Annotated[int, Index()] = 0
    score: Annotated[float | None, Index] = None
    public: Annotated[bool, Index()] = False
    made: Annotated[datetime | None, Index()] = None
    day: Annotated[date | None, Index()] = None
    owner: Annotated[UUID | None, Index()] = None
    size: Annotated[Size, Index()] = Size.SMALL
    stage: Annotated[Literal["draft", "done"], Index()] = "draft"
    tags: list[str] = []


@pytest.fixture
async def board():
    """Return a board with a memory."""
    async with Pegboard.isolated(SETTINGS) as board:
        yield board


@pytest.fixture
def emojis(board):
    """Return a repository, empty."""
    return board.storage("kit", Documents[Emoji])


async def names(emojis, where=None, **question):
    """Return the names of what is found."""
    return [emoji.name for emoji in (await emojis.find(where, **question)).values]


async def test_missing_document_is_none(emojis):
    """What is not there is no error."""
    assert await emojis.get("cat") is None
    assert await emojis.get_entry("cat") is None
    assert await emojis.delete("cat") is False


async def test_document_comes_back_as_its_model(emojis):
    """All types of the model are restored; it is a new object."""
    emoji = Emoji(
        name="cat",
        uses=3,
        made=NOON,
        day=date(2024, 5, 1),
        owner=UUID(int=7),
        tags=["a"],
    )
    version = await emojis.put(emoji)
    found = await emojis.get("cat")

    assert found == emoji
    assert found is not emoji
    assert await emojis.get_entry("cat") == Document(emoji, version)


async def test_put_minds_the_version(emojis):
    """Who comes too late is told so."""
    older = await emojis.put(Emoji(name="cat"), if_absent=True)
    await emojis.put(Emoji(name="cat", uses=1), if_version=older)

    with pytest.raises(errors.Conflict):
        await emojis.put(Emoji(name="cat", uses=2), if_version=older)
    with pytest.raises(errors.Conflict):
        await emojis.put(Emoji(name="cat", uses=2), if_absent=True)
    with pytest.raises(errors.Conflict):
        await emojis.delete("cat", if_version=older)
    assert (await emojis.get("cat")).uses == 1


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("category", "animals", "food"),
        ("uses", 1, 2),
        ("score", 0.5, 1),
        ("public", False, True),
        ("made", NOON, NOON + timedelta(microseconds=1)),
        ("day", date(2024, 5, 1), date(2024, 10, 1)),
        ("owner", UUID(int=1), UUID(int=2)),
        ("size", Size.SMALL, Size.BIG),
        ("stage", "done", "draft"),
    ],
)
async def test_every_kind_of_index_finds(emojis, field, low, high):
    """Values are asked for as they are in the model."""
    await emojis.put(Emoji(name="low", **{field: low}))
    await emojis.put(Emoji(name="high", **{field: high}))

    assert await names(emojis, {field: low}) == ["low"]
    assert await names(emojis, {field: Range(above=low)}) == ["high"]
    assert await names(emojis, {field: Range(at_least=low, below=high)}) == ["low"]
    assert await names(emojis, order_by=field) == ["low", "high"]
    assert await names(emojis, order_by=field, descending=True) == ["high", "low"]


async def test_times_are_ordered_as_instants(emojis):
    """Neither a zone nor a fraction of a second makes a difference."""
    there = timezone(timedelta(hours=5))
    times = [
        NOON,
        (NOON + timedelta(microseconds=500)).astimezone(there),
        NOON + timedelta(seconds=1),
        (NOON + timedelta(hours=1)).astimezone(there),
    ]
    for number, made in enumerate(times):
        await emojis.put(Emoji(name=f"{number}", made=made))

    assert await names(emojis, order_by="made") == ["0", "1", "2", "3"]
    assert await names(emojis, {"made": times[3].astimezone(UTC)}) == ["3"]
    assert (await emojis.get("3")).made == times[3]


async def test_pages_go_on(emojis):
    """The cursor leads through all of them."""
    for number in range(5):
        await emojis.put(Emoji(name=f"{number}", uses=number % 2))
    first = await emojis.find(order_by="uses", limit=3)
    second = await emojis.find(order_by="uses", limit=3, cursor=first.cursor)

    assert [one.name for one in first.values] == ["0", "2", "4"]
    assert [one.name for one in second.values] == ["1", "3"]
    assert second.cursor is None


async def test_zero_and_false_are_bounds(emojis):
    """What is false in Python is not left out of a range."""
    for uses in (-1, 0, 1):
        await emojis.put(Emoji(name=f"{uses}", uses=uses, public=uses > 0))

    assert await names(emojis, {"uses": Range(at_least=0)}) == ["0", "1"]
    assert await names(emojis, {"public": Range(above=False)}) == ["1"]


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"tags": "a"}, "'tags' is not indexed in 'Emoji'"),
        ({"nmae": "a"}, "'nmae' is not indexed in 'Emoji'"),
        ({"uses": "many"}, "'uses' cannot be 'many'"),
        ({"uses": Range(below="many")}, "'uses' cannot be 'many'"),
        ({"stage": "other"}, "'stage' cannot be 'other'"),
    ],
)
async def test_bad_question_is_refused(emojis, where, says):
    """The error names the field, and what there is."""
    with pytest.raises(errors.InvalidRequest, match=says):
        await emojis.find(where)


async def test_what_does_not_fit_the_model_is_an_error(board, emojis):
    """A document of older code is not handed out as what it is not."""
    store = board.storage("kit", DocumentStore)
    collection = emojis._shape.collection
    await store.put_document(collection, "cat", {"name": "cat", "tags": 5})

    with pytest.raises(errors.InvalidReply, match=r"'cat' is no Emoji: .*tags"):
        await emojis.get("cat")
    with pytest.raises(errors.InvalidReply, match=r"'cat' is no Emoji: .*tags"):
        await emojis.find()


async def test_another_model_is_refused(emojis):
    """A repository holds one kind of thing."""

    class Other(BaseModel):
        name: str

    with pytest.raises(errors.InvalidRequest, match="Pass a Emoji, not Other"):
        await emojis.put(Other(name="cat"))


async def test_what_was_changed_past_the_model_is_refused(emojis):
    """A value that is not of its field's type is not stored."""
    emoji = Emoji(name="cat")
    emoji.uses = "many"

    with pytest.raises(errors.InvalidRequest, match="uses"):
        await emojis.put(emoji)
    assert await emojis.get("cat") is None


async def test_bytes_that_are_no_text_are_refused(board):
    """Pydantic makes text of bytes, which JSON has none of."""

    class Picture(BaseModel):
        name: Annotated[str, Key()]
        pixels: bytes

    pictures = board.storage("kit", Documents[Picture])

    with pytest.raises(errors.InvalidRequest, match="This Picture has no JSON"):
        await pictures.put(Picture(name="a", pixels=b"\xff"))


async def test_strict_models_with_aliases_come_back(board):
    """Stored names are those of the fields, whatever the model reads and writes."""

    class Strict(BaseModel):
        model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
        id: Annotated[str, Key(), Field(alias="_id")]
        at: Annotated[AwareDatetime, Index()] = NOON
        raw: bytes = b"raw"
        pair: tuple[int, Size] = (1, Size.BIG)

        @computed_field
        @property
        def twice(self) -> str:
            """Stand for what is not stored."""
            return self.id * 2

    things = board.storage("kit", Documents[Strict])
    thing = Strict(_id="a")
    await things.put(thing)

    assert await things.get("a") == thing
    assert (await things.find({"at": Range(at_least=NOON)})).values == (thing,)


async def test_collections_are_named_by_the_model(board):
    """Models do not meet; one that is renamed can keep its collection."""

    class Renamed(BaseModel):
        __collection__: ClassVar[str] = "Emoji"
        name: Annotated[str, Key()]

    class Other(BaseModel):
        name: Annotated[str, Key()]

    await board.storage("kit", Documents[Emoji]).put(Emoji(name="cat"))

    assert await board.storage("kit", Documents[Renamed]).get("cat")
    assert await board.storage("kit", Documents[Other]).get("cat") is None


def model(**fields):
    """Return a model of *fields*."""
    return type("Sample", (BaseModel,), {"__annotations__": fields})


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (model(id=str), "Sample has no key. Mark one text field"),
        (
            model(id=Annotated[str, Key()], other=Annotated[str, Key()]),
            "Sample has the keys id, other. Mark one",
        ),
        (model(id=Annotated[int, Key()]), "Sample has the keys id. Mark one text"),
        *(
            (
                model(id=Annotated[str, Key()], x=Annotated[kind, Index()]),
                r"Sample\.x is no index",
            )
            for kind in (list[str], Decimal, int | str, timedelta, None, dict, object)
        ),
        (int, "<class 'int'> is no pydantic model"),
    ],
)
def test_bad_model_is_refused(board, bad, says):
    """A model that cannot be kept is found out at once."""
    with pytest.raises(errors.InvalidRequest, match=says):
        board.storage("kit", Documents[bad])


def test_a_model_must_be_named(board):
    """Without brackets nobody knows what is kept."""
    with pytest.raises(errors.InvalidRequest, match=r"Write Documents\[YourModel\]"):
        board.storage("kit", Documents)


def test_storage_without_documents_says_so():
    """The error is that of the contract that is missing."""
    settings = {"integrations": {"kit": {"provider": "console"}}}
    board = Pegboard.isolated(settings)

    with pytest.raises(errors.SettingsError, match="not of integrations"):
        board.integration("kit", Documents[Emoji])


async def test_programs_may_build_on_contracts(board):
    """What others make of a contract is opened in the same way."""

    @built_on(KeyValue)
    class Counter:
        def __init__(self, store):
            self.store = store

        async def count(self):
            return await self.store.incr("count")

    assert await board.storage("kit", Counter).count() == 1


def test_blocking_repository_is_the_same():
    """All of it without async, errors included."""
    with sync.Pegboard.isolated(SETTINGS) as board:
        emojis = board.storage("kit", sync.Documents[Emoji])
        version = emojis.put(Emoji(name="cat", uses=2), if_absent=True)

        assert emojis.get("cat") == Emoji(name="cat", uses=2)
        assert emojis.get_entry("cat").version == version
        assert [e.name for e in emojis.find({"uses": Range(above=1)}).values] == ["cat"]
        with pytest.raises(errors.Conflict):
            emojis.put(Emoji(name="cat"), if_version="?")
        assert emojis.delete("cat", if_version=version)
        with pytest.raises(
            errors.InvalidRequest, match=r"Write Documents\[YourModel\]"
        ):
            board.storage("kit", sync.Documents)
