"""The connection: requests through Notion's SDK within the time left."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Any

import httpx
from notion_client import AsyncClient
from pegboard import PerLoop
from pegboard.deadline import time_left

from ._errors import FAILURES, failed, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pegboard import Context

    from .options import NotionOptions

API_VERSION = "2025-09-03"
"""The first one in which a database has data sources."""
SILENT = logging.getLogger("pegboard_notion.sdk")
"""The SDK prints what goes wrong; here it is raised."""


class Connection:
    """Requests to one workspace, in every event loop that there is."""

    def __init__(self, options: NotionOptions, context: Context) -> None:
        """Connect with nothing yet."""
        self._clock = context.clock
        self._clients = PerLoop(
            lambda: _client(options, context), lambda client: client.aclose()
        )

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return what Notion answers."""
        client = await self._clients.get()
        try:
            async with asyncio.timeout(time_left()):
                told = await client.request(
                    path,
                    method,
                    dict(query) if query else None,
                    None if body is None else dict(body),
                )
        except FAILURES as error:
            raise failed(error, now=self._clock()) from error
        if not isinstance(told, dict):
            raise unreadable()
        return told

    async def aclose(self) -> None:
        """Close what is open."""
        await self._clients.aclose()


def _client(options: NotionOptions, context: Context) -> AsyncClient:
    limits = httpx.Limits(
        max_connections=context.connections or 100,
        max_keepalive_connections=context.connections or 20,
        keepalive_expiry=5.0 if context.keep_alive is None else context.keep_alive,
    )
    client = httpx.AsyncClient(limits=limits)
    sdk = AsyncClient(
        client=client,
        auth=options.token.get_secret_value(),
        base_url=options.base_url.rstrip("/"),
        logger=SILENT,
        log_level=logging.CRITICAL,
        notion_version=API_VERSION,
        retry=False,
    )
    connect = context.connect_timeout
    # After the SDK, which sets its own. The time of a whole request is measured here.
    client.timeout = httpx.Timeout(
        None, connect=None if connect == math.inf else connect
    )
    return sdk
