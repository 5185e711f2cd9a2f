"""What settings may say about a model of OpenAI or a service like it."""

from __future__ import annotations

from typing import Literal

from pegboard import Options
from pydantic import Field, SecretStr


class OpenAIOptions(Options):
    """Options of every provider of pegboard-openai."""

    model: str = Field(min_length=1)
    """The model to ask, as the service names it."""
    base_url: str = Field(pattern=r"^https?://.+")
    """Where the API is, up to and without ``/chat/completions``."""
    api_key: SecretStr | None = None
    """The key of the service, if it checks one."""
    api: Literal["responses", "chat"] = "chat"
    """Which of the two APIs to use. ``responses`` knows neither seed nor stop."""
    organization: str | None = None
    """The OpenAI organization that is billed, if the key has several."""
    project: str | None = None
    """The OpenAI project that is billed, if the key has several."""
    store: bool = False
    """Whether the service may keep requests and replies."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """HTTP headers to send with every request."""


class KeyedOpenAIOptions(OpenAIOptions):
    """Options of a service that is of no use without a key."""

    api_key: SecretStr
    """The key of the service, such as ``"env:NAME"``."""
