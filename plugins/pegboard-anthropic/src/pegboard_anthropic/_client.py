"""The SDK's client, told everything: settings are the only truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anthropic import AsyncAnthropic

if TYPE_CHECKING:
    from .options import AnthropicOptions


class Client(AsyncAnthropic):
    """A client that takes nothing from the variables that the SDK reads by itself."""

    def __init__(self, options: AnthropicOptions) -> None:
        super().__init__(
            api_key=options.api_key.get_secret_value(),
            base_url=options.base_url.rstrip("/").removesuffix("/v1"),
            max_retries=0,
            open_telemetry=False,
            webhook_key="",
        )
        # The SDK puts ANTHROPIC_CUSTOM_HEADERS there and has no way to leave it out.
        self._custom_headers = {
            name: value.get_secret_value() for name, value in options.headers.items()
        }
