"""Embeddings: texts as vectors, and the contract of what makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from .chat import Usage, Vendor
from .declare import contract, operation

Purpose = Literal["query", "document"]
"""What a text is embedded for: to search with, or to be found."""
Vector = Sequence[float]
"""Numbers of a text, as many as the model has dimensions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingRequest:
    """What is to be embedded. ``None`` leaves the choice to the provider."""

    texts: tuple[str, ...]
    model: str | None = None
    dimensions: int | None = None
    """How many numbers a vector shall have, where the model can shorten it."""
    purpose: Purpose | None = None
    """A model that does not tell them apart embeds both alike."""
    extra: Vendor = field(default_factory=dict)
    """Vendor parameters by provider name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Embeddings:
    """The vectors of the texts, in their order."""

    vectors: tuple[Vector, ...]
    model: str
    """The model that made them, as the service names it."""
    usage: Usage
    provider_metadata: Vendor = field(default_factory=dict)


@contract(family="llm", version=1, embedded="local", ability="embeddings")
class Embedder(Protocol):
    """A model that makes vectors of texts."""

    texts_at_once: int
    """Most texts of one request; more are sent in several, one after the other."""

    @operation(repeatable=True)
    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return one vector for each text of *request*, in their order."""
        ...
