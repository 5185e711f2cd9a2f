"""The SDK's client, told everything: settings are the only truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anthropic import (
    DEFAULT_CONNECTION_LIMITS,
    AsyncAnthropic,
    DefaultAsyncHttpxClient,
)
from httpx2 import Limits

if TYPE_CHECKING:
    from pegboard import Context

    from .options import AnthropicOptions


class Client(AsyncAnthropic):
    """A client that takes nothing from the variables that the SDK reads by itself."""

    def __init__(self, options: AnthropicOptions, context: Context) -> None:
        super().__init__(
            api_key=options.api_key.get_secret_value(),
            base_url=options.base_url,
            max_retries=0,
            open_telemetry=False,
            webhook_key="",
            http_client=DefaultAsyncHttpxClient(limits=_limits(context)),
        )
        # The SDK puts ANTHROPIC_CUSTOM_HEADERS there and has no way to leave it out.
        self._custom_headers = {
            name: value.get_secret_value() for name, value in options.headers.items()
        }


def _limits(context: Context) -> Limits:
    """Return how many connections there may be, as the SDK has it where not said."""
    most, keep_alive = context.connections, context.keep_alive
    of_sdk = DEFAULT_CONNECTION_LIMITS
    return Limits(
        max_connections=most or of_sdk.max_connections,
        max_keepalive_connections=most or of_sdk.max_keepalive_connections,
        keepalive_expiry=of_sdk.keepalive_expiry if keep_alive is None else keep_alive,
    )
