"""Choice: each call is answered by one target, taken in turn, by share or by load."""

from __future__ import annotations

from contextlib import aclosing
from itertools import cycle
from typing import TYPE_CHECKING, Annotated, Protocol

from pydantic import Field

from pegboard.errors import CallError
from pegboard.options import Options

from .target import CompositeOptions, joined, targets_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from pegboard.contracts.chat import ChatRequest, Reply, StreamEvent
    from pegboard.descriptors import Context

    from .target import Target


class WeightedOptions(Options):
    """Who is asked, and how often."""

    weights: dict[str, Annotated[float, Field(gt=0)]] = Field(min_length=1)
    """Shares of the calls by the names of other language models."""


class Rule(Protocol):
    """How the next target is found."""

    def __call__(self) -> Target:
        """Return the target of the next call."""
        ...


class Choice:
    """Has each call answered by the target that its rule names."""

    def __init__(self, rule: Rule) -> None:
        self._next = rule

    async def complete(self, request: ChatRequest) -> Reply:
        """Return the reply of one target."""
        try:
            return await self._next().complete(request)
        except CallError as error:
            raise joined([error]) from error

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent, None]:
        """Stream the reply of one target."""
        try:
            async with aclosing(self._next().stream(request)) as events:
                async for event in events:
                    yield event
        except CallError as error:
            raise joined([error]) from error


class RoundRobin(Choice):
    """Asks its targets in turn."""

    def __init__(self, options: CompositeOptions, context: Context) -> None:
        turns = cycle(targets_of(options.targets, context))
        super().__init__(lambda: next(turns))


class Weighted(Choice):
    """Asks its targets as often as their weights say."""

    def __init__(self, options: WeightedOptions, context: Context) -> None:
        targets = targets_of(options.weights, context)
        super().__init__(Shares(targets, list(options.weights.values())))


class LeastBusy(Choice):
    """Asks the target with the fewest running calls, of equals the first."""

    def __init__(self, options: CompositeOptions, context: Context) -> None:
        targets = targets_of(options.targets, context)
        super().__init__(lambda: min(targets, key=lambda target: target.running))


class Shares:
    """
    Takes targets by weight, spread as evenly as can be, without chance.

    All earn their weight at each turn; who has most is taken and pays for all.
    """

    def __init__(self, targets: Sequence[Target], weights: Sequence[float]) -> None:
        self._targets = targets
        self._weights = weights
        self._earned = [0.0] * len(weights)

    def __call__(self) -> Target:
        """Return the target whose turn it is."""
        pairs = zip(self._earned, self._weights, strict=True)
        self._earned = [earned + weight for earned, weight in pairs]
        taken = self._earned.index(max(self._earned))
        self._earned[taken] -= sum(self._weights)
        return self._targets[taken]
