"""When items expire: what says so in them, and what conditions make of it."""

from __future__ import annotations

import math

from ._item import Item, number, text
from ._requests import Condition

ALIVE = "(attribute_not_exists(expires_at) OR expires_at > :now)"
THERE = f"attribute_exists(pk) AND {ALIVE}"
GONE = "attribute_not_exists(pk) OR expires_at <= :now"
LAST_SECOND = 10.0**15
"""What expires later than in 30 million years does not expire."""


def expiry(seconds: float | None, now: float) -> Item:
    """Return what an item says that expires in so many *seconds*."""
    if seconds is None or seconds > LAST_SECOND:
        return {}
    ends = now + seconds
    # DynamoDB itself removes items by whole seconds.
    return {"expires_at": number(ends), "purge_at": number(math.ceil(ends))}


def expires(item: Item) -> float:
    """Return when *item* expires."""
    return float(item["expires_at"]["N"]) if "expires_at" in item else math.inf


def is_at(version: str, now: float) -> Condition:
    """Return the condition that an item has this version, and has not expired."""
    values = {":version": text(version), ":now": number(now)}
    return Condition(f"version = :version AND {ALIVE}", values)


def is_gone(now: float) -> Condition:
    """Return the condition that there is no item, or that it has expired."""
    return Condition(GONE, {":now": number(now)})


def is_as(held: Item | None, now: float) -> Condition:
    """Return the condition that *held* is still what is there."""
    return is_gone(now) if held is None else is_at(held["version"]["S"], now)
