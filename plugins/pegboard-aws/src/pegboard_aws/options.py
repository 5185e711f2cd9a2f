"""What settings may say about a service of Amazon Web Services."""

from __future__ import annotations

from typing import Self

from pegboard import Options
from pydantic import Field, SecretStr, model_validator


class AWSOptions(Options):
    """Where a service of Amazon Web Services is, and who calls it."""

    region: str | None = Field(None, pattern=r"^[a-z0-9-]+$")
    """Where the service is. Without one, what the profile says."""
    endpoint: str | None = Field(None, pattern=r"^https?://[^/?#@\s]+/?$")
    """Its address, if it is not Amazon's own in that region."""
    profile: str | None = None
    """A profile of the AWS configuration files, which is used before any key."""
    access_key_id: SecretStr | None = None
    """The key's name. Without one, the credentials that the machine has are found."""
    secret_access_key: SecretStr | None = None
    """The key."""
    session_token: SecretStr | None = None
    """What belongs to a key that is good for a while only."""

    @model_validator(mode="after")
    def _is_whole_key(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            msg = "access_key_id and secret_access_key go together: set both or none"
            raise ValueError(msg)
        return self


class SecretsManagerOptions(AWSOptions):
    """Secrets in AWS Secrets Manager."""

    prefix: str = Field("", pattern=r"^[A-Za-z0-9/_+=.@-]*$")
    """Put before the name of a secret to get that in the service."""
    ttl: float = Field(300.0, ge=0)
    """Seconds for which a secret is kept before it is asked for again."""


class SQSOptions(AWSOptions):
    """A queue of Amazon SQS."""

    url: str = Field(pattern=r"^https?://[^/?#@\s]+/[^?#\s]*[\w-](\.fifo)?$")
    """The address of the queue, which also says where it is."""
    visibility: float = Field(30.0, gt=0, le=43_200)
    """Seconds for which a message is hidden from others once it is received."""
    content_deduplication: bool = False
    """Whether the service drops what has the same body as another in five minutes."""
