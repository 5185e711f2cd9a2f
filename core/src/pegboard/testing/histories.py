"""
Judge what concurrent callers saw: could it have happened one call after another?

Record each call with the time before and after it. A history is linearizable if every
call can be given one moment between its two times so that a simple register, called in
that order, would have answered the same (Wing and Gong, 1993). A call without an
answer, because its caller was killed, may have happened at any later time, or never.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

Kind = Literal["read", "write", "swap"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterCall:
    """What one caller did to a register, and what came of it."""

    kind: Kind
    began: float
    ended: float = math.inf
    """Infinity when no answer came."""
    expected: Hashable = None
    """What a swap wants to find."""
    value: Hashable = None
    """What a write or swap stores; what a read answered."""
    swapped: bool = True
    """What a swap answered."""

    @property
    def answered(self) -> bool:
        """Whether the caller lived to see the answer."""
        return self.ended < math.inf


def is_linearizable(calls: Iterable[RegisterCall], *, initial: Hashable = None) -> bool:
    """Tell whether a register that begins with *initial* may have answered *calls*."""
    history = tuple(calls)
    seen: set[tuple[frozenset[int], Hashable]] = set()
    todo: list[tuple[frozenset[int], Hashable]] = [
        (frozenset(range(len(history))), initial)
    ]
    while todo:
        pending, value = todo.pop()
        if not any(history[index].answered for index in pending):
            return True
        if (pending, value) in seen:
            continue
        seen.add((pending, value))
        todo += [
            (pending - {index}, _after(history[index], value))
            for index in _first(history, pending)
            if _fits(history[index], value)
        ]
    return False


def _first(history: tuple[RegisterCall, ...], pending: frozenset[int]) -> list[int]:
    """Return the calls that may come next: those begun before any other ended."""
    earliest_end = min(history[index].ended for index in pending)
    return [index for index in pending if history[index].began <= earliest_end]


def _fits(call: RegisterCall, value: Hashable) -> bool:
    if not call.answered or call.kind == "write":
        return True
    if call.kind == "read":
        return call.value == value
    return call.swapped is (call.expected == value)


def _after(call: RegisterCall, value: Hashable) -> Hashable:
    if call.kind == "read" or (call.kind == "swap" and call.expected != value):
        return value
    return call.value
