"""Values by key: the contract, and the rules that every backend shares."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol

from typing_extensions import TypeVar

from pegboard.errors import Conflict, InvalidReply, InvalidRequest

from .declare import contract, operation

MOST_KEYS = 10_000
"""Keys on one page, however many are asked for: a page must not hold up others."""
MOST_AT_ONCE = 100
"""Keys in one change, which every backend can make as a whole."""
Value = TypeVar("Value", default=Any)
LOWEST_SUM, HIGHEST_SUM = -(2**63), 2**63 - 1
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class Entry(Generic[Value]):
    """A stored value with its version."""

    value: Value
    version: str
    """Differs for every write, also after a delete. Compare it, never read it."""


@dataclass(frozen=True, slots=True)
class KeyPage:
    """Some of the keys, in order."""

    keys: tuple[str, ...]
    cursor: str | None
    """Where to go on; None at the end."""


@contract(family="storage", version=1, embedded="sqlite")
class KeyValue(Protocol):
    """
    Values by key.

    Values are whatever JSON can say (so a tuple comes back as a list), and copies:
    changing one changes nothing that is stored. Keys are text that is not empty,
    ordered by code point. *ttl* is in seconds: None is the ttl of the instance's
    settings (no expiry if they name none), ``math.inf`` is no expiry whatever the
    settings say, 0 and less are refused. An expired key does not exist.

    Up to 100 keys can be read, stored or deleted at once. That is one step: who reads
    them at once sees all of a change or nothing of it, and so does who comes after a
    crash. A call that is refused has changed nothing.
    """

    @operation(repeatable=True)
    async def get(self, key: str, default: Any = None) -> Any:
        """Return the value of *key*, or *default* if there is none."""
        ...

    @operation(repeatable=True)
    async def get_entry(self, key: str) -> Entry | None:
        """Return the value of *key* with its version, or None if there is none."""
        ...

    @operation(repeatable=False)
    async def set(
        self,
        key: str,
        value: Any,
        *,
        ttl: float | None = None,
        if_version: str | None = None,
        if_absent: bool = False,
    ) -> str:
        """
        Store *value* under *key* and return its new version.

        Value and expiry are replaced as one. With *if_version* only if that is
        still the stored version, with *if_absent* only if there is none; they do
        not go together.

        Raises:
            Conflict: The condition does not hold; nothing was changed.
            InvalidRequest: The key, the value or the ttl cannot be stored.

        """
        ...

    @operation(repeatable=False)
    async def delete(self, key: str, *, if_version: str | None = None) -> bool:
        """
        Remove *key*; return whether it was there.

        Raises:
            Conflict: *if_version* is not the stored version, or there is none.

        """
        ...

    @operation(repeatable=True)
    async def exists(self, key: str) -> bool:
        """Return whether *key* has a value."""
        ...

    @operation(repeatable=True)
    async def touch(self, key: str, *, ttl: float | None = None) -> bool:
        """Give *key* a new expiry, its version unchanged; return whether it exists."""
        ...

    @operation(repeatable=True)
    async def ttl(self, key: str) -> float | None:
        """Return the seconds until *key* expires: None is never, 0 that it is gone."""
        ...

    @operation(repeatable=False)
    async def incr(self, key: str, by: int = 1, *, ttl: float | None = None) -> int:
        """
        Add *by* to the whole number under *key* and return the sum.

        A missing key counts as 0. *ttl* applies when the key is new; an existing
        one keeps its expiry.

        Raises:
            InvalidRequest: The stored value is not a whole number, or the sum
                needs more than 64 bits.

        """
        ...

    @operation(repeatable=True)
    async def get_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """
        Return the values of those *keys* that exist, all as they were at one moment.

        Raises:
            InvalidRequest: One of them is no key, or they are more than 100.

        """
        ...

    @operation(repeatable=False)
    async def set_many(
        self, values: Mapping[str, Any], *, ttl: float | None = None
    ) -> dict[str, str]:
        """
        Store all *values* under their keys, or none; return their new versions.

        Raises:
            InvalidRequest: A key, a value or the ttl cannot be stored, or they are
                more than 100.

        """
        ...

    @operation(repeatable=False)
    async def delete_many(self, keys: Sequence[str]) -> int:
        """
        Remove all of *keys* at once; return how many were there.

        Raises:
            InvalidRequest: One of them is no key, or they are more than 100.

        """
        ...

    @operation(repeatable=True)
    async def scan(
        self, prefix: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> KeyPage:
        """
        Return up to *limit* keys that begin with *prefix*, in order.

        Pass the page's cursor to get the next one; one of None was the last. A key
        that exists throughout is listed exactly once.
        """
        ...


def checked_key(key: object) -> str:
    """Return *key* if it can be one."""
    if not isinstance(key, str) or not key:
        msg = f"A key is text that is not empty, not {key!r}."
        raise InvalidRequest(msg, request_sent="no")
    if not key.isascii():
        _check_encodable(key)
    return key


def checked_keys(keys: object) -> list[str]:
    """
    Return *keys* if they can be had at once: each of them once, in order.

    Who locks keys one by one does not wait in a circle when all have the same order.
    """
    if isinstance(keys, str | bytes) or not isinstance(keys, Iterable):
        msg = f"Keys are a list of text, not {keys!r}."
        raise InvalidRequest(msg, request_sent="no")
    checked = sorted({checked_key(key) for key in keys})
    if len(checked) <= MOST_AT_ONCE:
        return checked
    msg = f"{len(checked)} keys are too many at once. Pass up to {MOST_AT_ONCE}."
    raise InvalidRequest(msg, request_sent="no")


def checked_values(values: object) -> dict[str, Any]:
    """Return *values* in the order of their keys, if those can be had at once."""
    if not isinstance(values, Mapping):
        msg = f"Values are a mapping of keys to values, not {values!r}."
        raise InvalidRequest(msg, request_sent="no")
    return {key: values[key] for key in checked_keys(values)}


def checked_ttl(ttl: object, default: float | None) -> float | None:
    """Return the seconds that *ttl* and the instance's *default* mean."""
    chosen = default if ttl is None else ttl
    if chosen is None or chosen == math.inf:
        return None
    if not isinstance(chosen, int | float) or not chosen > 0:
        msg = f"ttl is {chosen!r}: it must be above 0. math.inf is no expiry."
        raise InvalidRequest(msg, request_sent="no")
    return chosen


def checked_limit(limit: object) -> int:
    """Return how many keys a page that is asked for *limit* may have."""
    if not isinstance(limit, int) or limit < 1:
        msg = f"limit is {limit!r}: it must be a whole number above 0."
        raise InvalidRequest(msg, request_sent="no")
    return min(limit, MOST_KEYS)


def checked_condition(if_version: str | None, *, if_absent: bool) -> None:
    """Refuse to store only if there is a version and only if there is none."""
    if if_absent and if_version is not None:
        msg = "if_version and if_absent cannot both hold. Pass one of them."
        raise InvalidRequest(msg, request_sent="no")


def checked_sum(key: str, text: str | None, by: object) -> int:
    """Return *by* more than the JSON *text* under *key*, or *by* if there is none."""
    if not isinstance(by, int):
        msg = f"by is {by!r}: it must be a whole number."
        raise InvalidRequest(msg, request_sent="no")
    total = by if text is None else decode_counter(key, text) + by
    if LOWEST_SUM <= total <= HIGHEST_SUM:
        return total
    msg = f"{key!r} would become {total}, which needs more than 64 bits."
    raise InvalidRequest(msg)


def encode(key: str, value: Any) -> str:
    """Return *value* as JSON text."""
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"The value for {key!r} cannot be stored as JSON: {error}."
        raise InvalidRequest(msg, request_sent="no") from error


def encode_all(values: object) -> dict[str, str]:
    """Return *values* as JSON text under their keys, in order."""
    return {key: encode(key, value) for key, value in checked_values(values).items()}


def decode(key: str, text: str) -> Any:
    """Return the value that the JSON *text* under *key* stands for."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = (
            f"What is stored under {key!r} is not JSON: {error}. "
            "Something else wrote it; delete or rewrite the key."
        )
        raise InvalidReply(msg) from error


def decode_counter(key: str, text: str) -> int:
    """Return the whole number that the JSON *text* under *key* stands for."""
    value = decode(key, text)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    msg = f"{key!r} holds {type(value).__name__}, not a whole number; incr needs one."
    raise InvalidRequest(msg)


def new_version() -> str:
    """Return a version that no write had before, in this process or another."""
    # Not the random module: a program that seeds it would get its versions again.
    return os.urandom(12).hex()


def conflict(address: str, operation: str, key: str) -> Conflict:
    """Return the error for a condition on *key* that does not hold."""
    error = Conflict(
        f"{key!r} is not what the condition asks for, so nothing was changed. "
        "Read it again and decide anew."
    )
    error.address, error.operation = address, operation
    return error


def scan_start(prefix: str, cursor: str | None) -> str:
    """Return the first key that the page after *cursor* may list."""
    _check_encodable(prefix)
    if cursor is None:
        return prefix
    _check_encodable(cursor)
    return max(prefix, f"{cursor}\0")  # the least text that is greater


def page(keys: Sequence[str], limit: int) -> KeyPage:
    """Return the page of *keys*, which go on if there are more than *limit*."""
    shown = tuple(keys[:limit])
    return KeyPage(shown, cursor=shown[-1] if len(keys) > limit else None)


def _check_encodable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        msg = f"{text!r} holds a lone surrogate, which no backend can store."
        raise InvalidRequest(msg, request_sent="no") from error
