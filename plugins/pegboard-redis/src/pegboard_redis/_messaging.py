"""What carries messages through a Redis or Valkey server."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from ._bell import LONGEST_BLOCK, Bell
from ._client import Client
from ._events import RedisEvents
from ._key_value import BEYOND
from ._queue import RedisQueue

if TYPE_CHECKING:
    from pegboard import Context

    from .options import RedisMessagingOptions


class RedisMessaging:
    """A queue and events, by one client."""

    def __init__(self, options: RedisMessagingOptions, context: Context) -> None:
        self._client = Client(options, context)
        default = f"pegboard:{quote(context.name, '')}:"
        prefix = default if options.prefix is None else options.prefix
        queue_base = prefix.encode() + BEYOND + b"queue:"
        events_key = prefix.encode() + BEYOND + b"events"
        self._bells = (self._bell(queue_base + b"bell"), self._bell(events_key))
        queue = RedisQueue(
            self._client,
            self._bells[0],
            queue_base,
            visibility=options.visibility,
            max_deliveries=options.max_deliveries,
        )
        events = RedisEvents(
            self._client,
            self._bells[1],
            events_key,
            address=context.address,
            keep=options.keep,
            overflow=options.overflow,
            block_timeout=options.block_timeout,
            reader_timeout=options.reader_timeout,
        )
        self.parts = {"Queue": queue, "DeadLetterQueue": queue, "EventLog": events}

    async def ping(self) -> None:
        """Have the server answer."""
        await self._client.call("PING")

    async def aclose(self) -> None:
        """Close the connections."""
        for bell in self._bells:
            await bell.aclose()
        await self._client.aclose()

    def _bell(self, key: bytes) -> Bell:
        return Bell(key, lambda: self._client.make_line(patience=LONGEST_BLOCK))
