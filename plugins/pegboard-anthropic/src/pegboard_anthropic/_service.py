"""The way to the service: JSON to and fro, through the SDK's client."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from anthropic import AsyncStream, Timeout
from httpx2 import Response
from pegboard import PerLoop
from pegboard.deadline import time_left

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

    Bodies are encoded here, since the SDK looks at every value of those that it
    encodes, and answers are taken as they come, since it makes objects of them.
    """

    def __init__(self, options: AnthropicOptions, context: Context) -> None:
        """Open nothing yet."""
        self._connect_timeout = context.connect_timeout
        self._clients = PerLoop(lambda: Client(options, context), Client.close)

    async def get(self, path: str, **query: object) -> Any:
        """Return what is at *path*."""
        client = await self._clients.get()
        options: Any = {**self._limits(), "params": query}
        answer = await client.get(path, cast_to=Response, options=options)
        return json.loads(answer.content)

    async def post(self, path: str, body: Json | None = None) -> Any:
        """Return the answer to *body*."""
        content = None if body is None else encoded(body)
        client = await self._clients.get()
        answer = await client.post(
            path, cast_to=Response, content=content, options=self._limits()
        )
        return json.loads(answer.content)

    @asynccontextmanager
    async def stream(
        self, path: str, body: Json | None = None
    ) -> AsyncGenerator[Response, None]:
        """Open the answer to *body*, or what is at *path* if there is none."""
        client = await self._clients.get()
        given: Any = {"cast_to": Response, "options": self._limits()}
        given |= {"stream": True, "stream_cls": AsyncStream[object]}
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

    def _limits(self) -> Any:
        """Return the SDK's options that bound the time of a request."""
        total = time_left()
        connect = min(self._connect_timeout, math.inf if total is None else total)
        finite = None if connect == math.inf else connect
        return {"timeout": Timeout(total, connect=finite)}
