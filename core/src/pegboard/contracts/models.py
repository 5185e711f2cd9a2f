"""What models a service has, and the contracts of listing, fetching and counting."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from .chat import ChatRequest, Vendor
from .declare import contract, operation


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """A model that can be asked for. ``None``: the service does not say."""

    id: str
    """What the settings call ``model``."""
    name: str | None = None
    """What people call it."""
    context_window: int | None = None
    """Most tokens that it reads at once."""
    max_output: int | None = None
    """Most tokens that it writes in one reply."""
    capabilities: frozenset[str] | None = None
    """In pegboard's words."""
    deprecated_at: datetime | None = None
    retires_at: datetime | None = None
    """When it answers no more."""
    provider_metadata: Vendor = field(default_factory=dict)


@contract(family="llm", version=1, ability="model_list")
class ModelCatalog(Protocol):
    """A service that says which models it has."""

    @operation(repeatable=True)
    async def list_models(self) -> tuple[ModelEntry, ...]:
        """Return all models that can be asked for."""
        ...


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far a model has been fetched."""

    status: str
    """What is being done, in the service's words."""
    completed: int = 0
    """Bytes that are there, of what is being fetched now."""
    total: int = 0
    """Bytes that it has; 0 while that is not known."""


@contract(family="llm", version=1, ability="model_pull")
class ModelPuller(Protocol):
    """A server that fetches models."""

    @operation(repeatable=True)
    def pull_model(self, model: str) -> AsyncGenerator[PullProgress, None]:
        """Fetch *model*, and yield how far it is until it is there."""
        ...


@contract(family="llm", version=1, ability="token_count")
class TokenCounter(Protocol):
    """A model that says how long a request is without answering it."""

    @operation(repeatable=True)
    async def count_tokens(self, request: ChatRequest) -> int:
        """Return how many tokens *request* has."""
        ...
