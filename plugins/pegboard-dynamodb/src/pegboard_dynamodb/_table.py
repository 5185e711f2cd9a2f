"""A table: its items are read, changed under conditions, and listed in order."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pegboard.errors import (
    CallError,
    Conflict,
    ConnectionFailed,
    InvalidReply,
    InvalidRequest,
    NotFound,
    Overloaded,
    Timeout,
    Unavailable,
)
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
from ._item import Item, Place, Value

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence

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
UNANSWERED = (ConnectionFailed, InvalidReply, Timeout, Unavailable)
"""What leaves it open whether a change was made."""
EXPIRY = {"AttributeName": "purge_at", "Enabled": True}
POLL = 0.5
"""Seconds between two looks at a table that is being made."""
LONGEST_PAUSE = 0.02
"""Seconds to wait for the transaction of someone else, which takes as long."""
MOST_FETCHED = 100
"""Items that are had at once without a transaction."""


class Condition(NamedTuple):
    """What an item must be like to be changed."""

    expression: str
    values: Mapping[str, Value]

    @property
    def fields(self) -> Mapping[str, Any]:
        """The condition, as requests say it."""
        values = {"ExpressionAttributeValues": self.values} if self.values else {}
        return {"ConditionExpression": self.expression, **values}


class Table:
    """One table, in every event loop that there is."""

    def __init__(self, options: DynamoOptions, context: Context) -> None:
        self._name = options.table
        self._makes_it = options.create_table
        self._connection = Connection(options, context, SERVICE)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._connection.aclose()

    async def ping(self) -> str | None:
        """Read an item that is not there, as every call must be able to."""
        fields = {"TableName": self._name, "Key": Place("-", "-").names}
        try:
            await self._connection.call("GetItem", fields)
        except NotFound as error:
            if not self._makes_it:
                raise missing_table(error, self._name) from error
            return f"the table {self._name!r} is made by the first call"
        return None

    async def get(self, place: Place) -> Item | None:
        """Return the item at *place*, as it is now."""
        fields = {"Key": place.names, "ConsistentRead": True}
        answer = await self._call("GetItem", fields)
        found: Item | None = answer.get("Item")
        return found

    async def put(self, item: Item, condition: Condition | None = None) -> None:
        """
        Store *item* in place of what is there.

        Raises:
            NotMetError: What is there does not meet the *condition*.

        """
        await self._change("PutItem", {"Item": item}, condition)

    async def delete(
        self, place: Place, condition: Condition | None = None
    ) -> Item | None:
        """Remove the item at *place*, if it meets the *condition*, and return it."""
        fields = {"Key": place.names, "ReturnValues": "ALL_OLD"}
        answer = await self._change("DeleteItem", fields, condition)
        return answer.get("Attributes")

    async def update(
        self,
        place: Place,
        change: str,
        values: Mapping[str, Value],
        condition: str | None = None,
        *,
        told: Literal["NONE", "ALL_NEW"] = "NONE",
    ) -> Item:
        """
        Make a *change* with *values* to the item at *place*; return what is *told*.

        Raises:
            NotMetError: What is there does not meet the *condition*.

        """
        fields = {
            "Key": place.names,
            "UpdateExpression": change,
            "ExpressionAttributeValues": values,
            "ReturnValues": told,
        }
        held = None if condition is None else Condition(condition, values)
        answer = await self._change("UpdateItem", fields, held)
        changed: Item = answer.get("Attributes", {})
        return changed

    async def items(
        self,
        partition: str,
        bounds: tuple[str, str],
        *,
        backwards: bool = False,
        limit: int | None = None,
    ) -> AsyncGenerator[Item, None]:
        """Yield the items of *partition* whose keys lie in *bounds*, in order."""
        first, last = bounds
        fields: dict[str, Any] = {
            "ConsistentRead": True,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
            "ExpressionAttributeValues": {
                ":pk": {"S": partition},
                ":first": {"S": first},
                ":last": {"S": last},
            },
            "ScanIndexForward": not backwards,
        }
        if limit is not None:
            fields["Limit"] = limit
        while first <= last:
            answer = await self._call("Query", fields)
            for item in answer["Items"]:
                yield item
            if "LastEvaluatedKey" not in answer:
                return
            fields["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def fetch(self, places: Sequence[Place]) -> dict[Place, Item]:
        """Return the items at *places* that are there, each as it is now."""
        found: dict[Place, Item] = {}
        left = [place.names for place in dict.fromkeys(places)]  # each key once
        while left:
            asked, left = left[:MOST_FETCHED], left[MOST_FETCHED:]
            request = {self._name: {"Keys": asked, "ConsistentRead": True}}
            answer = await self._sent("BatchGetItem", {"RequestItems": request})
            for item in answer["Responses"].get(self._name, ()):
                found[_place(item)] = item
            rest = answer.get("UnprocessedKeys", {}).get(self._name, {})
            left += rest.get("Keys", ())
        return found

    async def snapshot(self, places: Sequence[Place]) -> dict[Place, Item]:
        """Return the items at *places* that are there, as they are at one moment."""
        gets = [{"Get": self._at(place.names)} for place in places]
        answer = await self._transact("TransactGetItems", {"TransactItems": gets})
        items = (one.get("Item") for one in answer["Responses"])
        return {_place(item): item for item in items if item}

    async def change_all(
        self,
        puts: Sequence[tuple[Item, Condition | None]],
        deletes: Sequence[tuple[Place, Condition | None]] = (),
        *,
        token: str,
    ) -> None:
        """
        Make all changes, or none; once, however often it is asked for with a *token*.

        Raises:
            NotMetError: One of the conditions does not hold.

        """
        changes = [
            {"Put": self._at(None, {"Item": item}, condition)}
            for item, condition in puts
        ]
        changes += [
            {"Delete": self._at(place.names, {}, condition)}
            for place, condition in deletes
        ]
        fields = {"TransactItems": changes, "ClientRequestToken": token}
        await self._transact("TransactWriteItems", fields)

    def _at(
        self,
        key: Item | None,
        fields: Mapping[str, Any] | None = None,
        condition: Condition | None = None,
    ) -> Mapping[str, Any]:
        where = {"TableName": self._name, **({} if key is None else {"Key": key})}
        return {**where, **(fields or {}), **(condition.fields if condition else {})}

    async def settle(self, item: Item, change: Awaitable[None]) -> None:
        """Make the *change* that stores *item*; look for it if no answer comes."""
        try:
            await change
        except UNANSWERED as error:
            if error.request_sent == "no" or not await self._holds(item):
                raise

    async def _holds(self, item: Item) -> bool:
        try:
            found = await self.get(_place(item))
        except CallError:
            return False
        return found is not None and found["version"] == item["version"]

    async def _transact(self, action: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        while True:
            try:
                return await self._sent(action, fields)
            except Conflict as error:
                reason = given_up(error)
                if getattr(reason, "code", None) != BUSY:
                    raise reason from error
            await _pause()

    async def _change(
        self, action: str, fields: Mapping[str, Any], condition: Condition | None
    ) -> dict[str, Any]:
        if condition is None:
            return await self._call(action, fields)
        told = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        try:
            return await self._call(action, {**fields, **condition.fields, **told})
        except Conflict as error:
            if error.code != CONDITION_FAILED:
                raise
            raise NotMetError(answered(error).get("Item")) from error

    async def _call(self, action: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        while True:
            try:
                return await self._sent(action, {"TableName": self._name, **fields})
            except Overloaded as error:
                if error.code != BUSY_ITEM:
                    raise
            await _pause()

    async def _sent(self, action: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return await self._connection.call(action, fields)
        except NotFound as error:
            if error.code != MISSING:
                raise
            if not self._makes_it:
                raise missing_table(error, self._name) from error
        await self._make()
        return await self._connection.call(action, fields)

    async def _make(self) -> None:
        """Make the table, unless someone else does, and wait until it is there."""
        where = {"TableName": self._name}
        try:
            await self._connection.call("CreateTable", {**where, **SCHEMA})
        except Conflict as error:
            if error.code != IN_USE:
                raise
        while True:
            answer = await self._connection.call("DescribeTable", where)
            if answer["Table"]["TableStatus"] == "ACTIVE":
                break
            await asyncio.sleep(POLL)
        try:
            fields = {**where, "TimeToLiveSpecification": EXPIRY}
            await self._connection.call("UpdateTimeToLive", fields)
        except InvalidRequest:
            pass  # someone else was faster


async def _pause() -> None:
    """Let a transaction end that holds what was asked for; nothing was done yet."""
    await asyncio.sleep(random.uniform(0, LONGEST_PAUSE))  # noqa: S311 - no secret


def _place(item: Item) -> Place:
    return Place(item["pk"]["S"], item["sk"]["S"])
