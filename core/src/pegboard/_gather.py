"""Many calls: so many at once, in order, none lost and none that stops the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 4
"""So many times what runs at once may wait for a slow one before it: order is kept."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, Result]):
    """How the call for one item ended."""

    item: Item
    error: Exception | None
    """What it failed with, if it did."""
    _result: Result | None

    @property
    def result(self) -> Result:
        """What the call returned; raises the error of one that failed."""
        if self.error is not None:
            raise self.error
        return self._result  # type: ignore[return-value]  # there was no error


Calls: TypeAlias = "asyncio.Queue[asyncio.Task[Outcome[Item, Result]] | None]"


class Gathering(Generic[Item, Result]):
    """Calls to be made: await it for a list, or loop over it as they end, in order."""

    def __init__(
        self,
        call: Callable[[Item], Awaitable[Result]],
        items: Iterable[Item] | AsyncIterable[Item],
        at_once: int,
    ) -> None:
        self._call = call
        self._items = items
        self._at_once = at_once

    def __await__(self) -> Generator[object, None, list[Outcome[Item, Result]]]:
        return self._all().__await__()

    def __aiter__(self) -> AsyncGenerator[Outcome[Item, Result]]:
        return self._outcomes()

    async def _all(self) -> list[Outcome[Item, Result]]:
        async with aclosing(self._outcomes()) as outcomes:
            return [outcome async for outcome in outcomes]

    # A native generator: when a loop over it is left, asyncio closes it, and with it
    # the calls that nobody waits for any more.
    async def _outcomes(self) -> AsyncGenerator[Outcome[Item, Result]]:
        calls: Calls[Item, Result] = asyncio.Queue()
        room = asyncio.Semaphore(AHEAD * self._at_once)
        made: set[asyncio.Task[Outcome[Item, Result]]] = set()
        maker = asyncio.create_task(self._make(calls, made, room))
        try:
            while (task := await calls.get()) is not None:
                yield await task
                room.release()
            await maker
        finally:
            await _cancelled(maker, *made)

    async def _make(
        self,
        calls: Calls[Item, Result],
        made: set[asyncio.Task[Outcome[Item, Result]]],
        room: asyncio.Semaphore,
    ) -> None:
        """Make a call for each item, as long as there is room for more."""
        places = asyncio.Semaphore(self._at_once)
        try:
            async with aclosing(_each(self._items)) as items:
                await room.acquire()
                async for item in items:
                    task = asyncio.create_task(self._outcome(item, places))
                    made.add(task)
                    task.add_done_callback(made.discard)
                    calls.put_nowait(task)
                    await room.acquire()
        finally:
            calls.put_nowait(None)

    async def _outcome(
        self, item: Item, places: asyncio.Semaphore
    ) -> Outcome[Item, Result]:
        async with places:
            try:
                return Outcome(item, None, await self._call(item))
            except Exception as error:  # noqa: BLE001 - given back with its item
                return Outcome(item, error, None)


def gather(
    call: Callable[[Item], Awaitable[Result]],
    items: Iterable[Item] | AsyncIterable[Item],
    *,
    at_once: int = 25,
) -> Gathering[Item, Result]:
    """
    Make a *call* for each of *items*, no more than *at_once* at the same time.

    ``await`` it for a list of outcomes, or loop over it with ``async for``, which also
    takes endless items. They come in the order of the items, also those that failed.
    Who cancels it, or leaves the loop, cancels the calls that are under way.

    Raises:
        ValueError: *at_once* is less than one.

    """
    if at_once < 1:
        msg = f"at_once is {at_once}. Let at least one call run."
        raise ValueError(msg)
    return Gathering(call, items, at_once)


async def _each(items: Iterable[Item] | AsyncIterable[Item]) -> AsyncGenerator[Item]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
        return
    for item in items:
        yield item


async def _cancelled(*tasks: asyncio.Task[object]) -> None:
    """Return when *tasks* have ended, which are not to go on."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
