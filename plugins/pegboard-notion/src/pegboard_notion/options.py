"""What settings may say about a Notion workspace."""

from __future__ import annotations

from pegboard import Options
from pydantic import Field, SecretStr, field_validator


class NotionOptions(Options):
    """A Notion workspace, as an integration of it sees it."""

    token: SecretStr
    """The secret of the integration, such as ``"env:NOTION_TOKEN"``."""
    base_url: str = Field("https://api.notion.com", pattern=r"^https?://[^\s/]\S*$")
    """Where the API is, without ``/v1``."""

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr) -> SecretStr:
        text = token.get_secret_value()
        if text.isascii() and text.isprintable() and text and " " not in text:
            return token
        msg = "is empty, or has spaces or line breaks in it"
        raise ValueError(msg)
