"""The SDK's client, told everything: settings are the only truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openai import AsyncOpenAI, DefaultAsyncHttpxClient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from httpx2 import Limits
    from pydantic import SecretStr

NO_KEY = "none"
"""Stands where a key would; the SDK refuses to go without one."""


class Client(AsyncOpenAI):
    """A client that takes nothing from the variables that the SDK reads by itself."""

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, SecretStr],
        *,
        limits: Limits,
        key: SecretStr | None = None,
        query: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            api_key=key.get_secret_value() if key else NO_KEY,
            base_url=base_url,
            default_query=query,
            max_retries=0,
            http_client=DefaultAsyncHttpxClient(limits=limits),
        )
        self.place = base_url.rstrip("/")
        """Where the API is."""
        self.organization = None
        self.project = None
        # The SDK puts OPENAI_CUSTOM_HEADERS there and has no way to leave it out.
        self._custom_headers = {
            name: value.get_secret_value() for name, value in headers.items()
        }
