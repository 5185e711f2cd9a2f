"""What carries messages through a Redis or Valkey server."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from ._bell import LONGEST_BLOCK, Bell
from ._client import Client
from ._key_value import BEYOND
from ._queue import RedisQueue

if TYPE_CHECKING:
    from pegboard import Context

    from .options import RedisMessagingOptions


class RedisMessaging:
    """A queue, by one client."""

    def __init__(self, options: RedisMessagingOptions, context: Context) -> None:
        self._client = Client(options, context)
        default = f"pegboard:{quote(context.name, '')}:"
        prefix = default if options.prefix is None else options.prefix
        base = prefix.encode() + BEYOND + b"queue:"
        self._bell = Bell(
            base + b"bell", lambda: self._client.make_line(patience=LONGEST_BLOCK)
        )
        queue = RedisQueue(
            self._client,
            self._bell,
            base,
            visibility=options.visibility,
            max_deliveries=options.max_deliveries,
        )
        self.parts = {"Queue": queue, "DeadLetterQueue": queue}

    async def ping(self) -> None:
        """Have the server answer."""
        await self._client.call("PING")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._bell.aclose()
        await self._client.aclose()
