"""Programs that know different indexes of one collection."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest
from pegboard import Collection, Context, DocumentStore, IndexedField, Pegboard
from pegboard.errors import InvalidRequest
from pegboard.testing import TcpProxy
from pegboard_aws.connection import Connection
from pegboard_dynamodb._requests import SERVICE
from pegboard_dynamodb.options import DynamoOptions

BARE = Collection("pets")
PETS = Collection("pets", (IndexedField("age", "number"),))
KINDS = Collection("pets", (IndexedField("kind", "text"),))


@pytest.fixture
async def programs(settings):
    """Return stores of two programs that share a place."""
    boards = [Pegboard.isolated({"storage": {"kit": settings}}) for _ in range(2)]
    yield [board.storage("kit", DocumentStore) for board in boards]
    for board in boards:
        await board.aclose()


@pytest.fixture
async def items(settings, tmp_path):
    """Return a function that returns all items of the place, as they are stored."""
    given = {name: settings[name] for name in settings if name != "provider"}
    options = DynamoOptions.model_validate(given)
    connection = Connection(options, Context("storage.x", tmp_path), SERVICE)

    async def items():
        found = await connection.call("Scan", {"TableName": options.table})
        places = ((item["pk"]["S"], item["sk"]["S"]) for item in found["Items"])
        return [place for place in places if place[0].startswith(options.prefix)]

    yield items
    await connection.aclose()


async def test_index_leads_to_what_another_program_stores(programs):
    """Who declares an index finds all, though others go on without it."""
    old, new = programs
    for number in range(5):
        await old.put_document(BARE, f"before {number}", {"age": number})
    assert len((await new.find_documents(PETS, {"age": 3})).documents) == 1
    for number in range(5):
        await old.put_document(BARE, f"after {number}", {"age": number})
        await old.put_document(BARE, f"before {number}", {"age": 7})

    found = await new.find_documents(PETS, order_by="age")
    assert [one.body["age"] for one in found.documents] == [
        0,
        1,
        2,
        3,
        4,
        7,
        7,
        7,
        7,
        7,
    ]


async def test_index_that_is_made_meanwhile_misses_nothing(programs):
    """Whatever is stored while an index is made is found by it afterwards."""
    old, new = programs
    puts = [
        old.put_document(BARE, f"{number:03}", {"age": number, "kind": "x"})
        for number in range(60)
    ]
    finds = [new.find_documents(collection, limit=1) for collection in (PETS, KINDS)]
    await asyncio.gather(*puts[:30], *finds, *puts[30:])

    by_age = await new.find_documents(PETS, order_by="age")
    by_kind = await new.find_documents(KINDS, {"kind": "x"})
    assert [one.body["age"] for one in by_age.documents] == [*range(60)]
    assert len(by_kind.documents) == 60


@pytest.mark.parametrize("is_new", [True, False])
async def test_write_that_crosses_a_declaration_is_found(
    ministack, settings, programs, is_new
):
    """After a program looked what is indexed, before it stores, another declares."""
    old, new = programs
    await old.put_document(BARE, "other" if is_new else "key", {"age": 0})
    place = urlsplit(ministack)
    async with TcpProxy(place.hostname, place.port) as proxy:
        given = {**settings, "endpoint": f"http://{proxy.host}:{proxy.port}"}
        async with Pegboard.isolated({"storage": {"kit": given}}) as board:
            store = board.storage("kit", DocumentStore)
            proxy.to_client.hold()
            put = asyncio.ensure_future(store.put_document(BARE, "key", {"age": 1}))
            await proxy.to_client.next_chunk()  # it was answered: nothing is indexed
            await new.find_documents(PETS, {"age": 0})
            proxy.to_client.pass_on()
            await put

    found = await new.find_documents(PETS, {"age": 1})
    assert [one.key for one in found.documents] == ["key"]
    assert not (await new.find_documents(PETS, {"age": 0})).documents or is_new


async def test_nothing_leads_to_what_was_changed_or_deleted(programs, items):
    """No item stays behind that costs and leads nowhere."""
    store, _ = programs
    await store.find_documents(PETS, {"age": 1})
    for age in (1, 2, 2.5):
        await store.put_document(PETS, "key", {"age": age})
    entries = [place for place in await items() if "/index/" in place[0]]
    assert len(entries) == 1
    await store.delete_document(BARE, "key")

    assert sorted(key for _, key in await items()) == ["all", "pets"]


async def test_too_long_a_text_is_refused(programs):
    """What cannot be sorted whole is told, with what there is room for."""
    store, _ = programs
    for text, key in (("\u00e9" * 400, "k" * 300), ("x" * 400, "k" * 700)):
        with pytest.raises(InvalidRequest, match="1020 bytes"):
            await store.put_document(KINDS, key, {"kind": text})
        assert await store.get_document(KINDS, key) is None
    await store.put_document(KINDS, "key", {"kind": "x" * 5000})

    found = await store.find_documents(KINDS, {"kind": "x" * 5000})
    assert [one.key for one in found.documents] == ["key"]
