"""The model: it asks the service through the SDK's client."""

from __future__ import annotations

from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any

from pegboard import ChatRequest, PerLoop, Reply, StreamEvent
from pegboard.errors import CallError

from ._client import Connection
from ._errors import KNOWN, translated
from ._replies import StreamReader, reply_of
from ._requests import body_of, model_name

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from pegboard import Context

    from .options import GeminiOptions


class GeminiModel:
    """A model of Gemini, by key or on Vertex AI."""

    def __init__(self, options: GeminiOptions, context: Context) -> None:
        """Make a model. Does no I/O."""
        self._options = options
        self._clock = context.clock
        self._connections = PerLoop(
            lambda: Connection(options, context), Connection.aclose
        )

    async def complete(self, request: ChatRequest) -> Reply:
        """Answer *request* with a whole reply."""
        model, body = self._prepared(request)
        with self._translating():
            connection = await self._connections.get()
            return reply_of(await connection.generate(model, body), model)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent, None]:
        """Answer *request* in pieces, the last of which is ``Finished``."""
        model, body = self._prepared(request)
        began = False
        try:
            with self._translating():
                async with aclosing(self._events(model, body)) as events:
                    async for event in events:
                        began = True
                        yield event
        except CallError as error:
            error.in_stream = began
            raise

    async def ping(self) -> str | None:
        """Ask for the model: it takes the key, and no tokens."""
        model = model_name(None, self._options)
        with self._translating():
            connection = await self._connections.get()
            await connection.answer(connection.sdk.models.get(model=model))
        return None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connections.aclose()

    async def _events(
        self, model: str, body: dict[str, Any]
    ) -> AsyncGenerator[StreamEvent, None]:
        reader = StreamReader(model)
        connection = await self._connections.get()
        async with aclosing(connection.stream(model, body)) as chunks:
            async for chunk in chunks:
                for event in reader.read(chunk):
                    yield event
        for event in reader.finish():
            yield event

    def _prepared(self, request: ChatRequest) -> tuple[str, dict[str, Any]]:
        model = model_name(request.model, self._options)
        return model, body_of(request, model, self._options)

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except KNOWN as error:
            raise translated(error, self._clock) from error
