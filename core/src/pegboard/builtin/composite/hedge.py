"""Hedge: where an answer is late, another target is asked as well."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import Field

from pegboard.errors import CallError

from .target import CompositeOptions, joined, targets_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from pegboard.contracts.chat import ChatRequest, Reply, StreamEvent
    from pegboard.descriptors import Context

    from .target import Target

    Events = AsyncGenerator[StreamEvent, None]

Answer = TypeVar("Answer")


class HedgeOptions(CompositeOptions):
    """Who is asked, and when another one is."""

    after: float = Field(default=1.0, ge=0)
    """Seconds without an answer, of a stream without a beginning, until the next."""
    max_extra: float = Field(default=0.05, ge=0)
    """Most additional requests for each call, in the long run."""


class Hedge:
    """Takes the first answer, and asks for another one if it is late."""

    def __init__(self, options: HedgeOptions, context: Context) -> None:
        self._targets = targets_of(options.targets, context)
        self._after = options.after
        self._budget = Budget(options.max_extra)

    async def complete(self, request: ChatRequest) -> Reply:
        """Return the first reply."""
        return await self._first(lambda target: target.complete(request))

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent, None]:
        """Stream the reply that begins first."""
        opened: list[Events] = []
        async with AsyncExitStack() as stack:

            async def begin(target: Target) -> tuple[Events, StreamEvent | None]:
                events = target.stream(request)
                opened.append(events)
                stack.push_async_callback(events.aclose)
                return events, await anext(events, None)

            events, event = await self._first(begin)
            for late in opened:
                if late is not events:
                    await late.aclose()
            try:
                while event is not None:
                    yield event
                    event = await anext(events, None)
            except CallError as error:
                raise joined([error]) from error

    async def _first(self, ask: Callable[[Target], Awaitable[Answer]]) -> Answer:
        """Return the first answer; nobody else is at work any more then."""
        self._budget.earn()
        async with asyncio.TaskGroup() as group:
            race = Race(ask, group)
            race.enter(self._targets[0])
            for target in self._targets[1:]:
                if await race.is_over(within=self._after) or not self._budget.spend():
                    break
                race.enter(target)
            await race.end()
        return race.winner()


class Race(Generic[Answer]):
    """Targets that are asked the same, of which one answer is wanted."""

    def __init__(
        self, ask: Callable[[Target], Awaitable[Answer]], group: asyncio.TaskGroup
    ) -> None:
        self._ask = ask
        self._group = group
        self._tasks: list[asyncio.Task[None]] = []
        self._answers: list[Answer] = []
        self._errors: list[CallError] = []
        self._over = asyncio.Event()

    def enter(self, target: Target) -> None:
        """Ask *target* too."""
        self._tasks.append(self._group.create_task(self._run(target)))

    async def is_over(self, *, within: float | None) -> bool:
        """Return whether there is an answer, or no hope of one, *within* seconds."""
        try:
            async with asyncio.timeout(within):
                await self._over.wait()
        except TimeoutError:
            return False
        return True

    async def end(self) -> None:
        """Wait until it is over and cancel those who are still at work."""
        await self._over.wait()
        for task in self._tasks:
            task.cancel()

    def winner(self) -> Answer:
        """Return the first answer, or raise what all said instead."""
        if self._answers:
            return self._answers[0]
        raise joined(self._errors)

    async def _run(self, target: Target) -> None:
        try:
            self._answers.append(await self._ask(target))
        except CallError as error:
            self._errors.append(error)
        if self._answers or len(self._errors) == len(self._tasks):
            self._over.set()


class Budget:
    """Pays for additional requests: each call earns a share of one."""

    WHOLE = 1_000_000
    """The price of a request: shares are whole numbers, so no sum is ever off."""
    MOST = 10
    """So many at most are saved up, lest a calm hour pays for a storm."""

    def __init__(self, share: float) -> None:
        self._share = round(share * self.WHOLE)
        self._saved = 0

    def earn(self) -> None:
        """Add the share of one call."""
        most = max(self.MOST * self.WHOLE, self._share)
        self._saved = min(most, self._saved + self._share)

    def spend(self) -> bool:
        """Pay for a request; return whether there was enough."""
        if self._saved < self.WHOLE:
            return False
        self._saved -= self.WHOLE
        return True
