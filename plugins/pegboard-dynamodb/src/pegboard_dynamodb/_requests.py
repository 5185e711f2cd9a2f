"""Requests to a table, which is made when it is missing and shall be there."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, NamedTuple

from pegboard.errors import Conflict, InvalidRequest, NotFound, Overloaded
from pegboard_aws.connection import Connection, Service

from ._errors import (
    BUSY,
    BUSY_ITEM,
    CONDITION_FAILED,
    IN_USE,
    KINDS,
    MISSING,
    NotMetError,
    answered,
    given_up,
    missing_table,
)
from ._item import Place, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pegboard import Context

    from .options import DynamoOptions

SERVICE = Service("dynamodb", target="DynamoDB_20120810", version="1.0", kinds=KINDS)
SCHEMA = {
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")
    ],
    "KeySchema": [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ],
    "BillingMode": "PAY_PER_REQUEST",
}
EXPIRY = {"AttributeName": "purge_at", "Enabled": True}
POLL = 0.5
"""Seconds between two looks at a table that is being made."""
LONGEST_PAUSE = 0.02
"""Seconds to wait for the transaction of someone else, which takes as long."""


class Condition(NamedTuple):
    """What an item must be like to be changed."""

    expression: str
    values: Mapping[str, Value]

    @property
    def fields(self) -> Mapping[str, Any]:
        """The condition, as requests say it."""
        values = {"ExpressionAttributeValues": self.values} if self.values else {}
        return {"ConditionExpression": self.expression, **values}


class Requests:
    """Requests to one table, in every event loop that there is."""

    def __init__(self, options: DynamoOptions, context: Context) -> None:
        self.table = options.table
        self._makes_it = options.create_table
        self._connection = Connection(options, context, SERVICE)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._connection.aclose()

    async def ping(self) -> str | None:
        """Read an item that is not there, as every call must be able to."""
        fields = {"TableName": self.table, "Key": Place("-", "-").names}
        try:
            await self._connection.call("GetItem", fields)
        except NotFound as error:
            if not self._makes_it:
                raise missing_table(error, self.table) from error
            return f"the table {self.table!r} is made by the first call"
        return None

    async def call(self, action: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return what *action* answers, once no transaction is in its way."""
        while True:
            try:
                return await self.send(action, {"TableName": self.table, **fields})
            except Overloaded as error:
                if error.code != BUSY_ITEM:
                    raise
            await _pause()

    async def change(
        self, action: str, fields: Mapping[str, Any], condition: Condition | None
    ) -> dict[str, Any]:
        """
        Return what *action* answers.

        Raises:
            NotMetError: What is there does not meet the *condition*.

        """
        if condition is None:
            return await self.call(action, fields)
        told = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        try:
            return await self.call(action, {**fields, **condition.fields, **told})
        except Conflict as error:
            if error.code != CONDITION_FAILED:
                raise
            raise NotMetError(answered(error).get("Item")) from error

    async def transact(self, action: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return what *action* answers, once no other transaction is in its way.

        Raises:
            NotMetError: One of the conditions does not hold.

        """
        while True:
            try:
                return await self.send(action, fields)
            except Conflict as error:
                reason = given_up(error)
                if getattr(reason, "code", None) != BUSY:
                    raise reason from error.__cause__
            await _pause()

    async def send(self, action: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return what *action* answers to *fields*."""
        try:
            return await self._connection.call(action, fields)
        except NotFound as error:
            if error.code != MISSING:
                raise
            if not self._makes_it:
                raise missing_table(error, self.table) from error
        await self._make()
        return await self._connection.call(action, fields)

    async def _make(self) -> None:
        """Make the table, unless someone else does, and wait until it is there."""
        where = {"TableName": self.table}
        try:
            await self._connection.call("CreateTable", {**where, **SCHEMA})
        except Conflict as error:
            if error.code != IN_USE:
                raise
        while not await self._is_made():  # noqa: ASYNC110 - only the service knows
            await asyncio.sleep(POLL)
        try:
            fields = {**where, "TimeToLiveSpecification": EXPIRY}
            await self._connection.call("UpdateTimeToLive", fields)
        except InvalidRequest:
            pass  # someone else was faster

    async def _is_made(self) -> bool:
        try:
            answer = await self._connection.call(
                "DescribeTable", {"TableName": self.table}
            )
        except NotFound:  # for a moment
            return False
        return bool(answer["Table"]["TableStatus"] == "ACTIVE")


async def _pause() -> None:
    """Let a transaction end that holds what was asked for; nothing was done yet."""
    await asyncio.sleep(random.uniform(0, LONGEST_PAUSE))  # noqa: S311 - no secret
