"""Pictures: asked for in words, and the contract of what paints them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from .chat import Image, Usage, Vendor
from .declare import contract, operation


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """What is to be painted. ``None`` leaves the choice to the provider."""

    prompt: str
    images: tuple[Image, ...] = ()
    """Pictures to change or to go by. Takes the capability ``image_editing``."""
    mask: Image | None = None
    """What of the first picture to change: where this one is transparent."""
    model: str | None = None
    count: int = 1
    size: str | None = None
    """As the service spells it, such as ``1024x1024`` or ``16:9``."""
    quality: str | None = None
    background: str | None = None
    """As the service spells it, such as ``transparent``."""
    extra: Vendor = field(default_factory=dict)
    """Vendor parameters by provider name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedImages:
    """What was painted: at least one picture, as bytes."""

    images: tuple[Image, ...]
    model: str
    """The model that painted, as the service names it."""
    usage: Usage | None = None
    """None where the service does not count tokens."""
    provider_metadata: Vendor = field(default_factory=dict)


@contract(family="llm", version=1, ability="image_generation")
class ImageGenerator(Protocol):
    """A model that paints."""

    @operation(repeatable=True)
    async def generate_images(self, request: ImageRequest) -> GeneratedImages:
        """Paint what *request* says."""
        ...
