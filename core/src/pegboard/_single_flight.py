"""Work that several want at once is done once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class Flight:
    """Work under way."""

    task: asyncio.Task[Any]
    waiting: int = 0


class SingleFlight:
    """
    Work that several want at once is done once; all get its result, or its error.

    Nothing is kept: who comes after it is done has it done anew. Whoever is cancelled
    leaves the others alone, the first like the last; only when nobody waits any more
    is the work cancelled. Event loops in several threads may share it, and work each
    for itself.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, Flight] = {}

    async def do(
        self, key: Hashable, work: Callable[[], Coroutine[Any, Any, Result]]
    ) -> Result:
        """Return what *work* returns, or what it will return to who came before."""
        place = (asyncio.get_running_loop(), key)
        flight = self._flights.get(place)
        if flight is None:
            flight = self._flights[place] = self._begin(place, work())
        flight.waiting += 1
        try:
            result: Result = await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._flights.pop(place)  # who comes now must not get the cancellation
                flight.task.cancel()
                await asyncio.wait([flight.task])
        return result

    def _begin(self, place: Hashable, work: Coroutine[Any, Any, Any]) -> Flight:
        flight = Flight(asyncio.create_task(work))

        def end(_: object) -> None:
            if self._flights.get(place) is flight:
                del self._flights[place]

        flight.task.add_done_callback(end)
        return flight
