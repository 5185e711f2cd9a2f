"""The model: it asks the service through the SDK's client."""

from __future__ import annotations

import math
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from openai import AsyncStream, NotFoundError, Timeout
from pegboard import ChatRequest, PerLoop, Reply, StreamEvent
from pegboard.deadline import time_left
from pegboard.errors import CallError

from ._chat import ChatApi
from ._client import Client
from ._convert import merged
from ._errors import KNOWN, translated
from ._responses import ResponsesApi

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from pegboard import Context

    from .options import OpenAIOptions
    from .services import Service

APIS: Mapping[str, type[ChatApi | ResponsesApi]] = {
    "chat": ChatApi,
    "responses": ResponsesApi,
}


class OpenAIModel:
    """A model of OpenAI or of a service that speaks its API."""

    def __init__(
        self, service: Service, options: OpenAIOptions, context: Context
    ) -> None:
        """Make a model of *service*. Does no I/O."""
        self._service = service
        self._api = APIS[options.api](service, options)
        self._clock = context.clock
        self._connect_timeout = context.connect_timeout
        self._clients = PerLoop(lambda: Client(options), Client.close)

    async def ping(self) -> str | None:
        """Ask for the list of models: it takes the key, and no tokens."""
        try:
            client = await self._clients.get()
            await client.get("/models", cast_to=object, options=self._limits())
        except NotFoundError:
            return "answered, but has no list of models"
        except KNOWN as error:
            raise self._translated(error) from error
        return None

    async def complete(self, request: ChatRequest) -> Reply:
        """Answer *request* with a whole reply."""
        body = self._body(request)
        try:
            client = await self._clients.get()
            answer = await client.post(
                self._api.path, cast_to=object, body=body, options=self._limits()
            )
            return self._api.reply(answer)
        except KNOWN as error:
            raise self._translated(error) from error

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent, None]:
        """Answer *request* in pieces, the last of which is ``Finished``."""
        body = {**self._body(request), **self._api.stream_fields()}
        began = False
        try:
            async with aclosing(self._events(body)) as events:
                async for event in events:
                    began = True
                    yield event
        except CallError as error:
            error.in_stream = began
            raise
        except KNOWN as error:
            raise self._translated(error, in_stream=began) from error

    async def aclose(self) -> None:
        """Close the connections."""
        await self._clients.aclose()

    async def _events(self, body: dict[str, Any]) -> AsyncGenerator[StreamEvent, None]:
        reader = self._api.reader()
        client = await self._clients.get()
        async with await client.post(
            self._api.path,
            cast_to=object,
            body=body,
            options=self._limits(),
            stream=True,
            stream_cls=AsyncStream[object],
        ) as chunks:
            async for chunk in chunks:
                for event in reader.read(chunk):
                    yield event
        for event in reader.finish():
            yield event

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        own = request.extra.get(self._service.name, {})
        return merged(self._api.body(request), own)

    def _limits(self) -> Any:
        """Return the SDK's options that bound the time of a request."""
        total = time_left()
        connect = min(self._connect_timeout, math.inf if total is None else total)
        finite = None if connect == math.inf else connect
        return {"timeout": Timeout(total, connect=finite)}

    def _translated(self, error: Exception, *, in_stream: bool = False) -> CallError:
        ours = translated(error, self._service.name, self._clock)
        ours.in_stream = in_stream
        return ours
