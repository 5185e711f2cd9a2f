"""The SDK's client, told everything: settings are the only truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openai import AsyncOpenAI

if TYPE_CHECKING:
    from .options import OpenAIOptions

NO_KEY = "none"
"""Stands where a key would; the SDK refuses to go without one."""


class Client(AsyncOpenAI):
    """A client that takes nothing from the variables that the SDK reads by itself."""

    def __init__(self, options: OpenAIOptions) -> None:
        key = options.api_key
        super().__init__(
            api_key=key.get_secret_value() if key else NO_KEY,
            base_url=options.base_url,
            max_retries=0,
        )
        self.organization = options.organization
        self.project = options.project
        # The SDK puts OPENAI_CUSTOM_HEADERS there and has no way to leave it out.
        self._custom_headers = {
            name: value.get_secret_value() for name, value in options.headers.items()
        }
