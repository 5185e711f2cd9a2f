"""The connection: plain JSON through the SDK's client, within the time left."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from httpx2 import Limits
from openai import (
    DEFAULT_CONNECTION_LIMITS,
    AsyncStream,
    HttpxBinaryResponseContent,
    Timeout,
)
from pegboard import PerLoop
from pegboard.deadline import time_left

from ._access import access_of
from ._client import Client
from ._errors import Translation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from pegboard import Context

    from .options import ModelOptions
    from .services import Service

Files = list[tuple[str, tuple[str, bytes, str]]]
"""Field, then name, content and media type, of each file of a request."""
MULTIPART = {"Content-Type": "multipart/form-data"}
BYTES = {"Accept": "application/octet-stream"}


class Connection:
    """
    Requests to one service, in every event loop that there is.

    ``translation`` is the context in which to make them and to read their answers.
    """

    def __init__(
        self, service: Service, options: ModelOptions, context: Context
    ) -> None:
        """Connect with nothing yet."""
        self.translation = Translation(service.name, context.clock)
        self._access = access_of(options)
        self._connect_timeout = context.connect_timeout
        limits = _limits(context.connections, context.keep_alive)
        self._clients = PerLoop(lambda: self._access.client(limits), Client.close)

    async def get(self, path: str) -> Any:
        """Return what is at *path*."""
        client = await self._clients.get()
        return await client.get(path, cast_to=object, options=await self._options())

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the answer to *body*."""
        client = await self._clients.get()
        return await client.post(
            self._path(path, body),
            cast_to=object,
            body=body,
            options=await self._options(),
        )

    async def upload(self, path: str, fields: Mapping[str, Any], files: Files) -> Any:
        """Return the answer to a form of *fields* and *files*."""
        client = await self._clients.get()
        return await client.post(
            self._path(path, fields),
            cast_to=object,
            body=fields,
            files=files,
            options=await self._options(MULTIPART),
        )

    async def get_bytes(self, path: str) -> bytes:
        """Return the content at *path*."""
        client = await self._clients.get()
        content = await client.get(
            path, cast_to=HttpxBinaryResponseContent, options=await self._options(BYTES)
        )
        return content.content

    async def post_for_bytes(self, path: str, body: Mapping[str, Any]) -> bytes:
        """Return the content that answers *body*."""
        client = await self._clients.get()
        answer = await client.post(
            self._path(path, body),
            cast_to=HttpxBinaryResponseContent,
            body=body,
            options=await self._options(BYTES),
        )
        return answer.content

    async def events(
        self, path: str, body: Mapping[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """Yield the events that answer *body*."""
        client = await self._clients.get()
        async with await client.post(
            self._path(path, body),
            cast_to=object,
            body=body,
            options=await self._options(),
            stream=True,
            stream_cls=AsyncStream[object],
        ) as chunks:
            async for chunk in chunks:
                yield chunk

    async def aclose(self) -> None:
        """Close what is open."""
        await self._clients.aclose()

    def _path(self, path: str, body: Mapping[str, Any]) -> str:
        return self._access.path(path, body.get("model"))

    async def _options(self, headers: Mapping[str, str] | None = None) -> Any:
        """Return the SDK's options of a request."""
        total = time_left()
        connect = min(self._connect_timeout, math.inf if total is None else total)
        finite = None if connect == math.inf else connect
        own = await self._access.request_options()
        joined = {**own.get("headers", {}), **(headers or {})}
        return {**own, "headers": joined, "timeout": Timeout(total, connect=finite)}


def _limits(connections: int | None, keep_alive: float | None) -> Limits:
    """Return how many connections there may be, as the SDK has it where not said."""
    of_sdk = DEFAULT_CONNECTION_LIMITS
    return Limits(
        max_connections=connections or of_sdk.max_connections,
        max_keepalive_connections=connections or of_sdk.max_keepalive_connections,
        keepalive_expiry=of_sdk.keepalive_expiry if keep_alive is None else keep_alive,
    )
