"""
Equal calls at the same time are one call, where the policy says so.

Who comes first makes the call, the others wait for its reply, each as long as its own
deadline allows. Nothing is kept: a call that comes after the reply is made anew. If the
first one is given up, or has less time than the others, the next makes the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping
from copy import copy, deepcopy
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from pegboard.errors import CallError

if TYPE_CHECKING:
    from pegboard.observers import Call

    from .target import Step, Target

PLAIN = (str, bytes, int, float, type(None))


@dataclass(slots=True, eq=False)
class Flight:
    """A call that is being made, for all that equal it."""

    first: Call
    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    result: Any = None
    error: BaseException | None = None
    ended_at: float = 0.0

    @property
    def is_given_up(self) -> bool:
        """Whether it ended for a reason of its own, which is none of the others'."""
        is_cancelled = not isinstance(self.error, CallError | None)
        is_late = self.error is not None and self.ended_at >= self.first.ends_at
        return is_cancelled or is_late


def join_equal(inner: Step, target: Target) -> Step:
    """Return *inner*, which is not made while an equal call is being made."""
    flights: dict[Hashable, Flight] = {}

    async def step(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            # Loops in several threads may share the target, but not an event.
            key = (asyncio.get_running_loop(), key_of(args), key_of(kwargs))
        except TypeError:  # who knows what it equals
            return await inner(call, args, kwargs)
        while key in flights:
            flight = flights[key]
            await _wait(flight, call, target)
            if not flight.is_given_up:
                return _outcome(flight, call)
        flights[key] = Flight(call)
        return await _make(inner, flights, key, args, kwargs)

    return step


def key_of(value: object) -> Hashable:
    """
    Return what *value* has in common with all that look the same when they are sent.

    ``1`` and ``True`` do not, though Python calls them equal.

    Raises:
        TypeError: It holds something of which that is not known.

    """
    kind = type(value)
    if isinstance(value, PLAIN):
        return kind, value
    if isinstance(value, list | tuple):
        return kind, tuple(map(key_of, value))
    if isinstance(value, Mapping):
        return kind, tuple((key_of(key), key_of(value[key])) for key in value)
    if is_dataclass(value) and not isinstance(value, type):
        names = (one.name for one in fields(value))
        return kind, tuple(key_of(getattr(value, name)) for name in names)
    raise TypeError


async def _make(
    inner: Step,
    flights: dict[Hashable, Flight],
    key: Hashable,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    flight = flights[key]
    try:
        flight.result = await inner(flight.first, args, kwargs)
    except BaseException as error:
        flight.error = error
        raise
    finally:
        flight.ended_at = flight.first.clock()
        del flights[key]
        flight.is_over.set()
    return flight.result


async def _wait(flight: Flight, call: Call, target: Target) -> None:
    try:
        async with asyncio.timeout_at(call.ends_at):
            await flight.is_over.wait()
    except TimeoutError:
        raise target.overdue(call) from None


def _outcome(flight: Flight, call: Call) -> Any:
    """Return what *call* gets of *flight*: a copy, which is its own to change."""
    call.joined = True
    if flight.error is None:
        return deepcopy(flight.result)
    error = copy(flight.error)
    raise error from flight.error.__cause__
