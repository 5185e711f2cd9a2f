"""What settings may say about a Slack workspace."""

from __future__ import annotations

from pegboard import Options
from pydantic import Field, SecretStr, field_validator


class SlackOptions(Options):
    """A Slack workspace, and who posts to it."""

    token: SecretStr
    """The token of the app's bot, such as ``"env:SLACK_BOT_TOKEN"``."""
    base_url: str = Field("https://slack.com/api", pattern=r"^https?://[^\s/]\S*$")
    """Where the API is."""
    escape: bool = True
    """
    Whether ``&``, ``<`` and ``>`` in a text are shown as they are.

    Otherwise they are Slack's markup, for links and for mentions that call people.
    """
    max_upload_bytes: int = Field(8 * 1024 * 1024, gt=0)
    """The most bytes that a file may have."""

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr) -> SecretStr:
        text = token.get_secret_value()
        if text.isascii() and text.isprintable() and text and " " not in text:
            return token
        msg = "is empty, or has spaces or line breaks in it"
        raise ValueError(msg)
