"""The table itself: made once, and told what expires."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

import pytest
from pegboard import Context, KeyValue, Pegboard
from pegboard.testing import FaultServer, Scripted
from pegboard_aws.connection import Connection
from pegboard_dynamodb._requests import SERVICE
from pegboard_dynamodb.options import DynamoOptions


@pytest.fixture
def settings(settings_of, ministack):
    """Return settings of a table that is not there yet."""
    return settings_of(ministack, url=f"dynamodb://table-{uuid4().hex}/here")


@pytest.fixture
async def ask(settings, tmp_path):
    """Return a function that asks the service about the table."""
    given = {name: settings[name] for name in settings if name != "provider"}
    options = DynamoOptions.model_validate(given)
    connection = Connection(options, Context("storage.x", tmp_path), SERVICE)

    async def ask(action, **fields):
        return await connection.call(action, {"TableName": options.table, **fields})

    yield ask
    await connection.aclose()


async def test_table_is_made_once_however_many_want_it(settings, ask):
    """Whoever comes first makes it, and the others use it."""
    async with Pegboard.isolated({"storage": {"x": settings}}) as board:
        store = board.storage("x", KeyValue)
        await asyncio.gather(*(store.incr("key") for _ in range(10)))

        assert await store.get("key") == 10
    described = (await ask("DescribeTable"))["Table"]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


async def test_service_is_told_what_expires(settings, ask):
    """What has expired for us is removed by the service, not before."""
    async with Pegboard.isolated({"storage": {"x": settings}}) as board:
        store = board.storage("x", KeyValue)
        await store.set("ends", 1, ttl=1000.5)
        await store.set("stays", 1)
    told = (await ask("DescribeTimeToLive"))["TimeToLiveDescription"]
    found = {item["sk"]["S"]: item for item in (await ask("Scan"))["Items"]}

    assert told == {"AttributeName": "purge_at", "TimeToLiveStatus": "ENABLED"}
    purge_at, expires = (
        found["ends"][name]["N"] for name in ("purge_at", "expires_at")
    )
    assert float(expires) <= int(purge_at) < float(expires) + 1
    assert int(purge_at) > time.time()
    assert "purge_at" not in found["stays"]


async def test_table_that_is_being_made_is_waited_for(settings_of):
    """Amazon takes some seconds, and does not know of the table at first."""
    missing = Scripted.json({"__type": "ResourceNotFoundException"}, status=400)
    answers = [
        missing,  # GetItem
        Scripted.json({}),  # CreateTable
        missing,  # DescribeTable
        *(Scripted.json({"Table": {"TableStatus": s}}) for s in ("CREATING", "ACTIVE")),
        Scripted.json({"__type": "ValidationException"}, status=400),  # set already
        Scripted.json({"Item": {"body": {"S": '"found"'}}}),
    ]
    async with FaultServer() as server:
        server.respond(*answers)
        given = settings_of(server.url)
        async with Pegboard.isolated({"storage": {"x": given}}) as board:
            assert await board.storage("x", KeyValue).get("key") == "found"
        asked = [r.headers["x-amz-target"].partition(".")[2] for r in server.requests]

    assert asked == [
        *("GetItem", "CreateTable", "DescribeTable", "DescribeTable", "DescribeTable"),
        *("UpdateTimeToLive", "GetItem"),
    ]
