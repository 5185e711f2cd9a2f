"""What settings may say about a model of Anthropic."""

from __future__ import annotations

from typing import Literal

from pegboard import Options
from pydantic import Field, SecretStr


class AnthropicOptions(Options):
    """Options of the provider ``anthropic``."""

    model: str = Field(min_length=1)
    """The model to ask, as the service names it."""
    api_key: SecretStr
    """The key of the service, such as ``"env:NAME"``."""
    base_url: str = Field("https://api.anthropic.com", pattern=r"^https?://.+")
    """Where the API is, with or without ``/v1``."""
    max_tokens: int = Field(16_384, ge=1)
    """Most tokens of a reply, thoughts included, where a call does not say."""
    cache: Literal["off", "5m", "1h"] = "off"
    """How long the service keeps what it has read of a conversation."""
    strict_tools: bool = False
    """Whether calls fit the schemas of tools for sure, as far as the service can."""
    thinking_display: Literal["summarized", "omitted"] | None = None
    """Whether thoughts are shown. None leaves it to the model."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """HTTP headers to send with every request."""
