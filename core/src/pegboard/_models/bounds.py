"""What bounds a run: rounds, time, money."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pegboard import prices
from pegboard.contracts.chat import Usage
from pegboard.deadline import ends_at
from pegboard.errors import BoundReached, DeadlineExceeded, InvalidRequest

from .prompt import Parameters

if TYPE_CHECKING:
    from pegboard.contracts.chat import Reply


class RunParameters(Parameters, total=False):
    """How a run should be, and what bounds it."""

    max_rounds: int
    """Most replies of the model, those that only call tools among them."""
    timeout: float
    """Most seconds that all of it takes."""
    max_cost: float
    """Most US dollars for the model; looked at before each further round."""
    parallel: int
    """Most tools that run at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """
    When a run has to end; see ``RunParameters``.

    Raises:
        InvalidRequest: A bound leaves no room for anything.

    """

    max_rounds: int = 10
    timeout: float = 300.0
    max_cost: float | None = None
    parallel: int = 8

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not value > 0:
                msg = f"{field.name} is {value!r}. Pass more than 0, or leave it out."
                raise InvalidRequest(msg, request_sent="no")

    def spending(self, provider: str, model: str | None) -> Spending | None:
        """Return what watches over the cost, if that has a bound."""
        if self.max_cost is None:
            return None
        return Spending(self.max_cost, provider, model)

    def end(self) -> tuple[float, DeadlineExceeded]:
        """Return when a run that begins now must end, and its error if it is late."""
        own = asyncio.get_running_loop().time() + self.timeout
        if ends_at.get() < own:
            msg = "The run came to the deadline of the call around it."
            return ends_at.get(), DeadlineExceeded(msg)
        msg = f"The run took longer than timeout = {self.timeout:g} s. Raise timeout."
        return own, DeadlineExceeded(msg)


class Spending:
    """
    What a run has cost so far.

    Raises:
        InvalidRequest: Nobody knows what the *model* of *provider* costs.
        PluginError: There is no price list.

    """

    def __init__(self, limit: float, provider: str, model: str | None) -> None:
        self._limit = limit
        self._provider = provider
        self._model = model or ""
        self._spent = Decimal(0)
        prices.need_list()
        self._price(Usage(input=1), self._model)

    def add(self, reply: Reply) -> BoundReached | None:
        """Add what *reply* cost; return an error if that is more than the limit."""
        self._spent += self._price(reply.usage, reply.model)
        if self._spent <= self._limit:
            return None
        msg = (
            f"The run has cost {self._spent.normalize():f} US dollars, more than "
            f"max_cost = {self._limit:g}. Raise max_cost, or ask for less."
        )
        return BoundReached(msg)

    def _price(self, usage: Usage, model: str) -> Decimal:
        """Return what *usage* costs; services have more names than price lists."""
        for name in (model, self._model):
            found = prices.price(usage, self._provider, name)
            if found is not None:
                return found
        msg = (
            f"Nobody knows what {self._model or 'the model'!r} of {self._provider} "
            "costs, so max_cost cannot be kept. Leave it out; max_rounds and timeout "
            "are bounds too."
        )
        raise InvalidRequest(msg, request_sent="no")


def parted(parameters: RunParameters) -> tuple[Parameters, Bounds]:
    """Return what each reply should be, and what bounds the run."""
    names = {field.name for field in fields(Bounds)}
    given: Any = {k: v for k, v in parameters.items() if k not in names}
    bounds: Any = {k: v for k, v in parameters.items() if k in names}
    if "schema" in given:
        msg = "A run has no schema. Pass a type as output."
        raise InvalidRequest(msg, request_sent="no")
    return given, Bounds(**bounds)
