"""The way to the service: JSON to and fro, through the SDK's client."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from anthropic import AsyncStream, Timeout
from httpx2 import Response
from pegboard import PerLoop
from pegboard.deadline import time_left
from pydantic_core import from_json

from ._client import Client
from ._request import encoded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pegboard import Context

    from .options import AnthropicOptions

Json = Mapping[str, Any]


class Service:
    """
    What the instances of the plugin ask.

    Bodies are encoded and addresses put together here, answers are taken as they come,
    and one timer stands around a request: the SDK takes longer for each of these.
    """

    def __init__(self, options: AnthropicOptions, context: Context) -> None:
        """Open nothing yet."""
        self._connect_timeout = context.connect_timeout
        self._place = options.base_url.rstrip("/").removesuffix("/v1")
        self._clients = PerLoop(lambda: Client(options, context), Client.close)

    async def get(self, path: str, **query: object) -> Any:
        """Return what is at *path*."""
        async with asyncio.timeout(time_left()):
            client = await self._clients.get()
            options: Any = {**self._limits(), "params": query}
            answer = await client.get(
                self._place + path, cast_to=Response, options=options
            )
        return from_json(answer.content)

    async def post(self, path: str, body: Json | None = None) -> Any:
        """Return the answer to *body*."""
        content = None if body is None else encoded(body)
        async with asyncio.timeout(time_left()):
            client = await self._clients.get()
            answer = await client.post(
                self._place + path,
                cast_to=Response,
                content=content,
                options=self._limits(),
            )
        return from_json(answer.content)

    @asynccontextmanager
    async def stream(
        self, path: str, body: Json | None = None
    ) -> AsyncGenerator[Response, None]:
        """Open the answer to *body*, or what is at *path* if there is none."""
        client = await self._clients.get()
        # Its own timers, since no other may stand around what is yielded.
        options = self._limits(longest=time_left())
        given: Any = {"cast_to": Response, "options": options}
        given |= {"stream": True, "stream_cls": AsyncStream[object]}
        path = self._place + path
        answer = await (
            client.get(path, **given)
            if body is None
            else client.post(path, content=encoded(body), **given)
        )
        try:
            yield answer
        finally:
            await answer.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._clients.aclose()

    def _limits(self, longest: float | None = None) -> Any:
        """Return the SDK's options that bound the time of a request."""
        connect = self._connect_timeout
        timeout = Timeout(longest, connect=None if connect == math.inf else connect)
        return {"timeout": timeout}
