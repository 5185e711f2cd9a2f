"""What settings may say about a model of Gemini."""

from __future__ import annotations

from typing import Self

from pegboard import Options
from pydantic import Field, SecretStr, model_validator

NO_KEY = (
    "Gemini needs a key. Set api_key, or the variable GEMINI_API_KEY or "
    "GOOGLE_API_KEY. For Vertex AI set vertex = true and project"
)
NO_ACCOUNT = (
    "Vertex AI needs to know who pays. Set project, or the variable "
    "GOOGLE_CLOUD_PROJECT, or the api_key of an express project"
)


class GeminiOptions(Options):
    """Options of the provider ``gemini``."""

    model: str = Field(pattern=r"^[^?&.][^?&]*$")
    """The model to ask, as the service names it."""
    api_key: SecretStr | None = None
    """The key of the Gemini API, or of an express project of Vertex AI."""
    vertex: bool = False
    """Whether to ask Vertex AI instead of the Gemini API."""
    project: str | None = None
    """The Google Cloud project that pays. Of use with Vertex AI only."""
    location: str = "global"
    """The region of Vertex AI that answers."""
    credentials: SecretStr | None = None
    """JSON text of a service account's key for Vertex AI; else the machine's own."""
    base_url: str | None = Field(default=None, pattern=r"^https?://.+")
    """Where the API is, up to and without its version."""
    api_version: str | None = None
    """The version of the API, such as ``v1beta``."""
    embedding_model: str | None = None
    """The model that embeds, if it is not ``model``."""
    image_models: tuple[str, ...] = ()
    """Models that paint: the first that the account may use. Else ``model``."""
    speech_model: str | None = None
    """The model that reads aloud, if it is not ``model``."""
    voice: str = "Kore"
    """Whose voice it has, where the request does not say."""
    transcription_model: str | None = None
    """The model that writes down what it hears, if it is not ``model``."""
    include_thoughts: bool = False
    """Whether models that think shall say what."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """HTTP headers to send with every request."""

    @model_validator(mode="after")
    def _check_account(self) -> Self:
        if self.vertex and not (self.project or self.api_key):
            raise ValueError(NO_ACCOUNT)
        if not self.vertex and not self.api_key:
            raise ValueError(NO_KEY)
        return self
