"""A contract of its own: things that are found by what they are near to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from pegboard import contract, operation
from pegboard.contracts.key_value import checked_key, checked_limit, encode
from pegboard.errors import InvalidRequest

__all__ = ["Match", "VectorIndex", "checked_key", "checked_limit"]


@dataclass(frozen=True, slots=True)
class Match:
    """Something that was found."""

    key: str
    score: float
    """1 for the same direction, 0 for a right angle, -1 for the opposite."""
    about: dict[str, Any]
    """What was stored with it."""


@contract(family="storage", version=1, embedded="neighbours")
class VectorIndex(Protocol):
    """
    Vectors by key, found by their direction, such as embeddings of texts.

    All vectors of an index have as many numbers as the first one.
    """

    @operation(repeatable=True)
    async def put(
        self,
        key: str,
        values: Sequence[float],
        *,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Store a vector under *key*, in place of what was there, with JSON *about* it.

        Raises:
            InvalidRequest: It has no direction, or another length than the others.

        """
        ...

    @operation(repeatable=True)
    async def nearest(
        self,
        values: Sequence[float],
        *,
        limit: int = 10,
        where: Mapping[str, Any] | None = None,
    ) -> list[Match]:
        """
        Return up to *limit* entries whose vectors are nearest, the nearest first.

        With *where* only those that have these fields in what is known about them.
        Entries that are as near as each other are ordered by key.
        """
        ...

    @operation(repeatable=False)
    async def delete(self, key: str) -> bool:
        """Remove what is stored under *key*; return whether it was there."""
        ...

    @operation(repeatable=True)
    async def count(self) -> int:
        """Return how many entries there are."""
        ...


def checked_about(key: str, about: Mapping[str, Any] | None) -> str:
    """Return *about* as JSON text."""
    if about is not None and not isinstance(about, Mapping):
        _refuse(f"What is known about {key!r} has names; this is {about!r}.")
    return encode(key, dict(about or {}))


def direction(values: object, length: int | None) -> list[float]:
    """Return *values* as a vector of length 1, if it can stand among others."""
    numbers = _numbers(values)
    if length is not None and len(numbers) != length:
        _refuse(f"The vector has {len(numbers)} numbers; those stored have {length}.")
    size = math.hypot(*numbers)
    if not 0 < size < math.inf:
        _refuse("The vector has no direction: it is zero, infinite or not a number.")
    return [number / size for number in numbers]


def _numbers(values: object) -> list[float]:
    if not isinstance(values, Sequence) or not all(map(_is_number, values)):
        _refuse(f"A vector is a list of numbers, not {type(values).__name__}.")
    return [float(one) for one in values]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refuse(message: str) -> NoReturn:
    raise InvalidRequest(message, request_sent="no")
