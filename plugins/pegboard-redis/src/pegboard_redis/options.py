"""What settings may say about a Redis or Valkey server, and what is kept there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pegboard import Options
from pegboard.contracts.event_rules import (
    BLOCK_TIMEOUT,
    KEEP,
    READER_TIMEOUT,
    Overflow,
)
from pegboard.contracts.queue_rules import MAX_DELIVERIES, VISIBILITY
from pydantic import AfterValidator, Field, SecretStr

from ._server import Server


def _checked_url(url: SecretStr) -> SecretStr:
    Server.of(url.get_secret_value())
    return url


def _checked_prefix(prefix: str | None) -> str | None:
    if prefix is not None:
        prefix.encode()
    return prefix


class ServerOptions(Options):
    """A Redis or Valkey server, and how it is reached."""

    url: Annotated[SecretStr, AfterValidator(_checked_url)] = SecretStr(
        "redis://127.0.0.1:6379"
    )
    """``redis://``, ``rediss://`` for TLS, or ``unix://``; this machine if not set."""
    username: str | None = None
    """The user, if the URL does not name one."""
    password: SecretStr | None = None
    """The password, if it is not in the URL."""
    prefix: Annotated[str | None, AfterValidator(_checked_prefix)] = None
    """What its keys on the server begin with. None is ``pegboard:INSTANCE:``."""
    timeout: float = Field(default=1.0, gt=0)
    """Longest silence of the server while it owes an answer, in seconds."""
    connect_timeout: float = Field(default=1.0, gt=0)
    """Longest time until a connection is ready, in seconds."""
    connections: int = Field(default=1, ge=1)
    """Most connections of an event loop. One carries many calls at once."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's, as PEM."""
    cert_file: Path | None = None
    """The certificate to show to the server, as PEM."""
    key_file: Path | None = None
    """Its key, if that is not in the same file."""

    @property
    def server(self) -> Server:
        """The server that they name, and the user there."""
        server = Server.of(self.url.get_secret_value())
        password = self.password.get_secret_value() if self.password else None
        return replace(
            server,
            username=server.username or self.username,
            password=server.password or password,
        )


class RedisOptions(ServerOptions):
    """Values on a Redis or Valkey server."""

    ttl: float | None = Field(default=None, gt=0)
    """Seconds until a value expires, where the call does not say. None is never."""


class RedisMessagingOptions(ServerOptions):
    """A queue and events on a Redis or Valkey server."""

    visibility: float = Field(default=VISIBILITY, gt=0)
    """Seconds for which a message that was received is hidden from others."""
    max_deliveries: int | None = Field(default=MAX_DELIVERIES, ge=1)
    """Deliveries after which a message becomes a dead letter. None is never."""
    keep: int = Field(default=KEEP, ge=1)
    """Most events that are kept for those who read later."""
    overflow: Overflow = "drop"
    """
    What happens when one who reads is behind by all of them: the oldest is dropped, or
    whoever publishes waits (``block``) or gets an error.
    """
    block_timeout: float = Field(default=BLOCK_TIMEOUT, gt=0)
    """Longest time, in seconds, that whoever publishes waits."""
    reader_timeout: float = Field(default=READER_TIMEOUT, gt=0)
    """Seconds after which one who was not heard of no longer reads."""
