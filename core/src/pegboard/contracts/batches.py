"""Batches: many requests that a service answers when it has time, for less."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pegboard.errors import CallError

from .chat import ChatRequest, Reply, Vendor
from .declare import contract, operation

BatchState = Literal["running", "cancelling", "done", "failed", "cancelled", "expired"]
"""``done``: every request has a result, if only an error of its own."""
ENDED: frozenset[BatchState] = frozenset({"done", "failed", "cancelled", "expired"})


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One request of a batch."""

    id: str
    """By which the program knows the result; its own, once in a batch."""
    request: ChatRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch as the service has it."""

    id: str
    """By which the service knows it, also after the program has started anew."""
    state: BatchState
    total: int
    """Requests in it; 0 while the service has not counted them."""
    succeeded: int = 0
    failed: int = 0
    """Requests that ended in an error, or were cancelled or too late."""
    reason: str = ""
    """Why it failed as a whole, where the service says so."""
    provider_metadata: Vendor = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        """Whether nothing is going to change any more."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one request: a reply or an error."""

    id: str
    reply: Reply | None = None
    error: CallError | None = None


@contract(family="llm", version=1, ability="batches")
class BatchChat(Protocol):
    """A model that takes many requests at once and answers them later."""

    @operation(repeatable=False)
    async def submit_batch(self, items: tuple[BatchItem, ...]) -> Batch:
        """Hand in *items*; they have ids that differ."""
        ...

    @operation(repeatable=True)
    async def get_batch(self, batch_id: str) -> Batch:
        """Return how far the batch is."""
        ...

    @operation(repeatable=True)
    async def cancel_batch(self, batch_id: str) -> Batch:
        """Ask for an early end. What is answered already stays."""
        ...

    @operation(repeatable=True)
    def batch_results(self, batch_id: str) -> AsyncGenerator[BatchResult, None]:
        """Yield what there is, in any order, of a batch that has ended."""
        ...
