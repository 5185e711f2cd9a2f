"""What settings may say about a model of OpenAI or a service like it."""

from __future__ import annotations

from typing import Literal

from pegboard import Options
from pegboard.options import Function  # noqa: TC002 - pydantic needs it
from pydantic import Field, SecretStr, model_validator


class ModelOptions(Options):
    """Options of every provider of pegboard-openai."""

    model: str = Field(min_length=1)
    """The model to ask, as the service names it."""
    api: Literal["responses", "chat"] = "chat"
    """Which of the two APIs to use. ``responses`` knows neither seed nor stop."""
    store: bool = False
    """Whether the service may keep requests and replies."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """HTTP headers to send with every request."""
    prompt_cache_key: str | None = None
    """What requests with the same beginning have in common, for the prompt cache."""
    prompt_cache_mode: Literal["implicit", "explicit"] | None = None
    """Who says what is cached: the service, or the texts that end it."""
    prompt_cache_ttl: str | None = None
    """How long it is cached at least, such as ``12h``."""
    embedding_model: str | None = None
    """The model that embeds, if it is not ``model``."""
    image_models: tuple[str, ...] = ()
    """Models that paint: the first that the account may use. Else ``model``."""
    speech_model: str | None = None
    """The model that reads aloud, if it is not ``model``."""
    voice: str = "alloy"
    """Whose voice it has, where the request does not say."""
    transcription_model: str | None = None
    """The model that writes down what it hears, if it is not ``model``."""

    @property
    def known_model(self) -> str:
        """The name by which it is known what the model can do."""
        return self.model


class OpenAIOptions(ModelOptions):
    """Options of every service but Azure."""

    base_url: str = Field(pattern=r"^https?://.+")
    """Where the API is, up to and without ``/chat/completions``."""
    api_key: SecretStr | None = None
    """The key of the service, if it checks one."""
    organization: str | None = None
    """The OpenAI organization that is billed, if the key has several."""
    project: str | None = None
    """The OpenAI project that is billed, if the key has several."""


class KeyedOpenAIOptions(OpenAIOptions):
    """Options of a service that is of no use without a key."""

    api_key: SecretStr
    """The key of the service, such as ``"env:NAME"``."""


class AzureOptions(ModelOptions):
    """Options of Azure OpenAI."""

    endpoint: str = Field(pattern=r"^https?://.+")
    """Where the resource is, such as ``https://NAME.openai.azure.com``."""
    api_version: str | None = None
    """Set it to use the API of deployments instead of the API v1."""
    deployed_model: str | None = None
    """The model behind the deployment ``model``, where its name is another."""
    api_key: SecretStr | None = None
    """The key of the resource, where there is no token."""
    entra_token: SecretStr | None = None
    """A token of Microsoft Entra ID, where no function returns one."""
    entra_token_provider: Function | None = None
    """A function that returns such a token, called in a thread before each request."""

    @property
    def known_model(self) -> str:
        """The name by which it is known what the model can do."""
        return self.deployed_model or self.model

    @model_validator(mode="after")
    def _has_credential(self) -> AzureOptions:
        if self.api_key or self.entra_token or self.entra_token_provider:
            return self
        msg = "set api_key, entra_token or entra_token_provider"
        raise ValueError(msg)
