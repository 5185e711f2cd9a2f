"""A table: its items are read, changed under conditions, and listed in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pegboard.errors import (
    CallError,
    ConnectionFailed,
    InvalidReply,
    Timeout,
    Unavailable,
)

from ._item import Item, Place, Value
from ._requests import Condition

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence

    from ._requests import Requests

UNANSWERED = (ConnectionFailed, InvalidReply, Timeout, Unavailable)
"""What leaves it open whether a change was made."""
MOST_FETCHED = 100
"""Items that are had at once without a transaction."""


class Table:
    """One table, in every event loop that there is."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    async def get(self, place: Place) -> Item | None:
        """Return the item at *place*, as it is now."""
        fields = {"Key": place.names, "ConsistentRead": True}
        answer = await self._requests.call("GetItem", fields)
        found: Item | None = answer.get("Item")
        return found

    async def put(self, item: Item, condition: Condition | None = None) -> None:
        """
        Store *item* in place of what is there.

        Raises:
            NotMetError: What is there does not meet the *condition*.

        """
        await self._requests.change("PutItem", {"Item": item}, condition)

    async def delete(
        self, place: Place, condition: Condition | None = None
    ) -> Item | None:
        """Remove the item at *place*, if it meets the *condition*, and return it."""
        fields = {"Key": place.names, "ReturnValues": "ALL_OLD"}
        answer = await self._requests.change("DeleteItem", fields, condition)
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
        answer = await self._requests.change("UpdateItem", fields, held)
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
            answer = await self._requests.call("Query", fields)
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
            request = {self._requests.table: {"Keys": asked, "ConsistentRead": True}}
            fields = {"RequestItems": request}
            answer = await self._requests.send("BatchGetItem", fields)
            for item in answer["Responses"].get(self._requests.table, ()):
                found[_place(item)] = item
            rest = answer.get("UnprocessedKeys", {}).get(self._requests.table, {})
            left += rest.get("Keys", ())
        return found

    async def snapshot(self, places: Sequence[Place]) -> dict[Place, Item]:
        """Return the items at *places* that are there, as they are at one moment."""
        gets = [{"Get": self._at(place.names)} for place in places]
        fields = {"TransactItems": gets}
        answer = await self._requests.transact("TransactGetItems", fields)
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
        await self._requests.transact("TransactWriteItems", fields)

    async def settle(self, item: Item, change: Awaitable[None]) -> None:
        """Make the *change* that stores *item*; look for it if no answer comes."""
        try:
            await change
        except UNANSWERED as error:
            if error.request_sent == "no" or not await self._holds(item):
                raise

    def _at(
        self,
        key: Item | None,
        fields: Mapping[str, Any] | None = None,
        condition: Condition | None = None,
    ) -> Mapping[str, Any]:
        where: dict[str, Any] = {"TableName": self._requests.table}
        if key is not None:
            where["Key"] = key
        return {**where, **(fields or {}), **(condition.fields if condition else {})}

    async def _holds(self, item: Item) -> bool:
        try:
            found = await self.get(_place(item))
        except CallError:
            return False
        return found is not None and found["version"] == item["version"]


def _place(item: Item) -> Place:
    return Place(item["pk"]["S"], item["sk"]["S"])
