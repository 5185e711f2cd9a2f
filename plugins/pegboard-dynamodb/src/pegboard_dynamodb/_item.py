"""Items of the table: what is in them, and how large they may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pegboard.contracts.key_value import HIGHEST_SUM, LOWEST_SUM
from pegboard.errors import InvalidRequest

Value = Mapping[str, Any]
"""A value with its type, such as ``{"S": "text"}``."""
Item = Mapping[str, Value]

LARGEST_ITEM = 400 * 1024
"""Bytes of an item, with the names of what is in it."""
LONGEST_KEY = 1020
"""Bytes of a sort key, of which 1024 are allowed: there is always one behind it."""
LONGEST_PARTITION = 2048
HIGHEST = "\U0010ffff"
WHOLE_DIGITS = 20
"""No whole number of 64 bits has more characters."""


class Place(NamedTuple):
    """Where an item is."""

    partition: str
    key: str

    @property
    def names(self) -> Item:
        """The place, as requests say it."""
        return {"pk": text(self.partition), "sk": text(self.key)}


def text(value: str) -> Value:
    """Return *value* as DynamoDB takes it."""
    return {"S": value}


def number(value: float) -> Value:
    """Return *value* as DynamoDB takes it."""
    return {"N": repr(value)}


def body_of(json: str) -> Value:
    """Return the JSON text *json*, as a number where that can be counted."""
    if len(json) <= WHOLE_DIGITS and json.removeprefix("-").isdecimal():
        whole = int(json)
        # Only what reads the same again: -0 does not.
        if LOWEST_SUM <= whole <= HIGHEST_SUM and str(whole) == json:
            return {"N": json}
    return text(json)


def json_of(item: Item) -> str:
    """Return the JSON text that *item* holds."""
    body = item["body"]
    return str(body["S"]) if "S" in body else str(int(body["N"]))


def checked_place(partition: str, key: str) -> Place:
    """Return the place of *key* in *partition* if DynamoDB has such a place."""
    for name, part, most in (
        ("A sort key", key, LONGEST_KEY),
        ("The name of a partition", partition, LONGEST_PARTITION),
    ):
        size = len(part.encode())
        if size > most:
            msg = (
                f"{name} of DynamoDB has up to {most} bytes; "
                f"{part[:40]!r}... has {size}."
            )
            raise InvalidRequest(msg, request_sent="no")
    return Place(partition, key)


def checked_item(key: str, item: Item) -> Item:
    """Return *item*, stored under *key*, if it is not too large."""
    size = sum(len(name.encode()) + _size(value) for name, value in item.items())
    if size <= LARGEST_ITEM:
        return item
    msg = (
        f"What is to be stored under {key!r} has {size} bytes; DynamoDB keeps up to "
        f"{LARGEST_ITEM} under a key. Store it as a blob, and here its key."
    )
    raise InvalidRequest(msg, request_sent="no")


def upper(start: str) -> str:
    """Return text that no sort key that begins with *start* comes after."""
    room = LONGEST_KEY + 4 - len(start.encode())
    return start + HIGHEST * (room // 4)


def _size(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(_size(one) for one in value.values())
    return len(str(value).encode())
