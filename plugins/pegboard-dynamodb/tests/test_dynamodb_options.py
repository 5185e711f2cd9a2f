from __future__ import annotations

import pytest
from pegboard import KeyValue, Pegboard
from pegboard.errors import NotFound, SettingsError
from pegboard_dynamodb.options import DynamoOptions
from pydantic import ValidationError


@pytest.mark.parametrize(
    ("url", "table", "prefix"),
    [
        ("dynamodb://table", "table", ""),
        ("dynamodb://table/", "table", ""),
        ("dynamodb://my.table-1_x/a/b c", "my.table-1_x", "a/b c"),
    ],
)
def test_url_says_where_items_are(url, table, prefix):
    """A table, and what tells these items from those of others."""
    options = DynamoOptions(url=url)

    assert (options.table, options.prefix) == (table, prefix)


@pytest.mark.parametrize(
    "given",
    [
        {"url": "table"},
        {"url": "dynamodb://"},
        {"url": "dynamodb://ab"},
        {"url": "dynamodb://key:secret@table"},
        {"url": f"dynamodb://table/{'x' * 501}"},
        {"url": "dynamodb://table", "endpoint": "127.0.0.1:8000"},
        {"url": "dynamodb://table", "access_key_id": "key"},
        {"url": "dynamodb://table", "ttl": 0},
    ],
)
def test_what_leads_nowhere_is_refused(given):
    """Mistakes are told before anything is sent."""
    with pytest.raises(ValidationError):
        DynamoOptions.model_validate(given)


def test_url_alone_is_enough():
    """All else has a default, or is what the environment says."""
    given = {"provider": "dynamodb", "url": "dynamodb://table/prefix"}

    assert Pegboard.isolated({"storage": {"x": given}}).storage("x", KeyValue)


async def test_environment_says_who_asks_and_where(ministack, settings):
    """The variables that users of DynamoDB have are enough, too."""
    environ = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_DYNAMODB": ministack,
    }
    given = {name: settings[name] for name in ("provider", "url", "create_table")}
    async with Pegboard.isolated({"storage": {"x": given}}, environ=environ) as board:
        await board.storage("x", KeyValue).set("key", 1)

        assert await board.storage("x", KeyValue).get("key") == 1


async def test_prefixes_do_not_meet(settings_of, ministack):
    """Instances share a table and see nothing of each other, however they are named."""
    places = ["", "a", "a/b", "a%2Fb", "a/values", "\u00e9"]
    named = {
        f"x{number}": settings_of(ministack, url=f"dynamodb://apart-table/{place}")
        for number, place in enumerate(places)
    }
    async with Pegboard.isolated({"storage": named}) as board:
        stores = [board.storage(name, KeyValue) for name in named]
        for place, store in zip(places, stores, strict=True):
            await store.set("key", place)

        assert places == [await store.get("key") for store in stores]
        assert [(await store.scan()).keys for store in stores] == [("key",)] * 6


async def test_missing_table_is_told(settings):
    """What to make is said by its name; nothing is made that nobody asked for."""
    given = {**settings, "url": "dynamodb://no-such-table", "create_table": False}
    async with Pegboard.isolated({"storage": {"x": given}}) as board:
        store = board.storage("x", KeyValue)

        for call in (store.get("key"), store.set("key", 1), store.get_many(["key"])):
            with pytest.raises(NotFound, match="no table 'no-such-table'"):
                await call


async def test_health_is_that_of_the_table(settings):
    """A table that is not there is down, unless it would be made."""
    new = {**settings, "url": "dynamodb://new-table"}
    bad = {**new, "create_table": False}
    async with Pegboard.isolated({"storage": {"bad": bad, "new": new}}) as board:
        health = await board.health()

        assert health["storage.new"].status == "up"
        assert health["storage.bad"].status == "down"
        assert "new-table" in health["storage.bad"].reason


def test_secrets_are_not_shown():
    """Neither the options nor what explains them tell the key."""
    given = {
        "provider": "dynamodb",
        "url": "dynamodb://table",
        "access_key_id": "AKIA-sentinel",
        "secret_access_key": "secret-sentinel",
    }
    board = Pegboard.isolated({"storage": {"x": given}})

    assert "sentinel" not in f"{board.explain('storage.x')!r}"
    wrong = Pegboard.isolated({"storage": {"x": {**given, "url": "nowhere"}}})
    with pytest.raises(SettingsError) as caught:
        wrong.storage("x", KeyValue)
    assert "sentinel" not in str(caught.value)
