"""The connection: plain JSON through the SDK's client, within the time left."""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from httpx2 import Limits, Response
from openai import DEFAULT_CONNECTION_LIMITS, Timeout
from pegboard import PerLoop
from pegboard.deadline import time_left
from pegboard.errors import InvalidRequest
from pydantic_core import from_json, to_json

from ._access import access_of
from ._client import Client
from ._errors import Translation
from ._events import Events, Lines

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping

    from pegboard import Context

    from .options import ModelOptions
    from .services import Service

Files = list[tuple[str, tuple[str, bytes, str]]]
"""Field, then name, content and media type, of each file of a request."""
MULTIPART = {"Content-Type": "multipart/form-data"}


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
        return from_json(await self.get_bytes(path))

    async def get_bytes(self, path: str) -> bytes:
        """Return the content at *path*."""
        async with asyncio.timeout(time_left()):
            client = await self._clients.get()
            options = await self._options()
            response = await client.get(path, cast_to=Response, options=options)
        return response.content

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the answer to *body*."""
        return from_json(await self.post_for_bytes(path, body))

    async def post_for_bytes(self, path: str, body: Mapping[str, Any]) -> bytes:
        """Return the content that answers *body*."""
        async with asyncio.timeout(time_left()):
            client = await self._clients.get()
            response = await client.post(
                self._url(client, path, body),
                cast_to=Response,
                content=encoded(body),
                options=await self._options(),
            )
        return response.content

    async def upload(self, path: str, fields: Mapping[str, Any], files: Files) -> Any:
        """Return the answer to a form of *fields* and *files*."""
        async with asyncio.timeout(time_left()):
            client = await self._clients.get()
            response = await client.post(
                self._url(client, path, fields),
                cast_to=Response,
                body=fields,
                files=files,
                options=await self._options(MULTIPART),
            )
        return from_json(response.content)

    async def stream(
        self, path: str, body: Mapping[str, Any]
    ) -> AsyncGenerator[Iterator[Any], None]:
        """Yield the values that answer *body*, as many as arrive together."""
        client = await self._clients.get()
        async with (
            await client.post(
                self._url(client, path, body),
                cast_to=object,
                content=encoded(body),
                options=await self._stream_options(),
                stream=True,
                stream_cls=Events,
            ) as events,
            aclosing(events.values()) as values,
        ):
            async for together in values:
                yield together

    async def lines(self, path: str) -> AsyncGenerator[Iterator[Any], None]:
        """Yield the values in the file at *path*, as many as arrive together."""
        client = await self._clients.get()
        async with (
            await client.get(
                path,
                cast_to=object,
                options=await self._stream_options(),
                stream=True,
                stream_cls=Lines,
            ) as lines,
            aclosing(lines.values()) as values,
        ):
            async for together in values:
                yield together

    async def aclose(self) -> None:
        """Close what is open."""
        await self._clients.aclose()

    def _url(self, client: Client, path: str, body: Mapping[str, Any]) -> str:
        """Return the whole address: the SDK takes long to put one together."""
        return client.place + self._access.path(path, body.get("model"))

    async def _stream_options(self) -> Any:
        """Return options with timers: no other may stand around what is yielded."""
        return await self._options(longest=time_left())

    async def _options(
        self, headers: Mapping[str, str] | None = None, longest: float | None = None
    ) -> Any:
        """Return the SDK's options of a request."""
        connect = self._connect_timeout
        own = await self._access.request_options()
        timeout = Timeout(longest, connect=None if connect == math.inf else connect)
        return {
            **own,
            "headers": {**own.get("headers", {}), **(headers or {})},
            "timeout": timeout,
        }


def encoded(body: Mapping[str, Any]) -> bytes:
    """
    Return *body* as JSON.

    Raises:
        InvalidRequest: Something in it has no JSON.

    """
    try:
        return to_json(body)
    except ValueError as error:
        msg = f"The request cannot be sent as JSON: {error}."
        raise InvalidRequest(msg, request_sent="no") from error


def _limits(connections: int | None, keep_alive: float | None) -> Limits:
    """Return how many connections there may be, as the SDK has it where not said."""
    of_sdk = DEFAULT_CONNECTION_LIMITS
    return Limits(
        max_connections=connections or of_sdk.max_connections,
        max_keepalive_connections=connections or of_sdk.max_keepalive_connections,
        keepalive_expiry=of_sdk.keepalive_expiry if keep_alive is None else keep_alive,
    )
