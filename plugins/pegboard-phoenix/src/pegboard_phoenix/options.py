"""What settings may say about Phoenix."""

from __future__ import annotations

from pegboard import Options
from pydantic import Field, SecretStr


class PhoenixOptions(Options):
    """A Phoenix server, and how spans get there."""

    endpoint: str | None = Field(None, pattern=r"^https?://[^\s/]\S*$")
    """Where Phoenix is, such as ``"http://localhost:6006"``. None sends nothing."""
    api_key: SecretStr | None = None
    """The key, where Phoenix asks for one."""
    project: str = Field("default", min_length=1)
    """The project that the spans belong to."""
    send_every: float = Field(5.0, gt=0)
    """Seconds for which spans are collected before they are sent."""
    send_timeout: float = Field(2.0, gt=0)
    """Seconds that sending may take. What was not sent by then is dropped."""
    queue: int = Field(2048, ge=1)
    """Spans that may wait to be sent. What comes on top is dropped."""
