"""The model: it asks the server through the SDK's client."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
from pegboard import (
    ChatRequest,
    Embeddings,
    ModelEntry,
    PerLoop,
    PullProgress,
    Reply,
    StreamEvent,
    gather,
)
from pegboard.errors import CallError, NotFound

from ._chat import ChatReader, body_of, reply_of
from ._client import Client, Path
from ._embed import embed_body_of, embeddings_of
from ._errors import KNOWN, is_missing, translated
from ._models import described, entries_of
from ._names import full_name
from ._pulls import Pulls
from ._told import Told, shown

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from pegboard import Context, EmbeddingRequest

    from .options import OllamaOptions

Answer = TypeVar("Answer")
AT_ONCE = 8
"""Models of the list that the server is asked about at the same time."""


class OllamaModel:
    """A model of an Ollama server."""

    texts_at_once = 128
    """The server has no limit of its own, but holds all of them in memory."""

    def __init__(self, options: OllamaOptions, context: Context) -> None:
        """Make a model. Does no I/O."""
        self._options = options
        self._clock = context.clock
        self._told = Told()
        make_client = partial(Client, options, context)
        self._clients = PerLoop(make_client, Client.close)
        make_pulls = partial(Pulls, options, context, self._clients.get, self._has)
        self._pulls = PerLoop(make_pulls, Pulls.aclose)

    async def ping(self) -> str | None:
        """Ask for the list of models, and look for this one in it."""
        model = self._options.model
        known = await self._listed()
        if _is_in(known, model):
            return None
        if self._options.auto_pull:
            return f"answered; {model} will be pulled when it is needed"
        names = ", ".join(entry.id for entry in known) or "none"
        msg = (
            f"Ollama has no model {model!r}. Known: {names}. "
            f"Pull it with 'ollama pull {model}', or set auto_pull = true."
        )
        raise NotFound(msg)

    async def complete(self, request: ChatRequest) -> Reply:
        """Answer *request* with a whole reply."""
        body = body_of(request, self._options)
        try:
            return reply_of(await self._asked(Client.post, "/api/chat", body))
        except KNOWN as error:
            raise self._translated(error, body) from error

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent, None]:
        """Answer *request* in pieces, the last of which is ``Finished``."""
        body = {**body_of(request, self._options), "stream": True}
        reader = ChatReader()
        began = False
        try:
            answer = await self._asked(Client.open, "/api/chat", body)
            async with aclosing(answer):
                async for chunk in answer.aiter_bytes():
                    for event in reader.read(chunk):
                        began = True
                        yield event
            for event in reader.finish():
                yield event
        except CallError as error:
            error.in_stream = began
            raise
        except KNOWN as error:
            raise self._translated(error, body, in_stream=began) from error

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return one vector for each text of *request*, in their order."""
        body = embed_body_of(request, self._options)
        try:
            answer = await self._asked(Client.post, "/api/embed", body)
            return embeddings_of(answer, len(request.texts))
        except KNOWN as error:
            raise self._translated(error, body) from error

    async def list_models(self) -> tuple[ModelEntry, ...]:
        """Return all models that the server has."""
        listed = await self._listed()
        client = await self._clients.get()

        async def describe(entry: ModelEntry) -> ModelEntry:
            return described(entry, await shown(client, entry.id))

        try:
            found = await gather(describe, listed, at_once=AT_ONCE)
            return tuple(outcome.result for outcome in found)
        except KNOWN as error:
            raise self._translated(error, {}) from error

    async def pull_model(self, model: str) -> AsyncGenerator[PullProgress, None]:
        """Fetch *model*, and yield how far it is until it is there."""
        pulls = await self._pulls.get()
        async with aclosing(pulls.newest(model).watch()) as steps:
            async for progress in steps:
                yield progress

    async def aclose(self) -> None:
        """Stop the pulls and close the connections."""
        await self._pulls.aclose()
        await self._clients.aclose()

    async def _asked(
        self,
        ask: Callable[[Client, Path, Any], Awaitable[Answer]],
        path: Path,
        body: Mapping[str, Any],
    ) -> Answer:
        """Return the answer to *body*, after a pull if the model is missing."""
        try:
            return await self._asked_once(ask, path, body)
        except httpx.HTTPStatusError as error:
            if not (self._options.auto_pull and is_missing(error.response)):
                raise
        pulls = await self._pulls.get()
        await pulls.missing(body["model"]).wait()
        return await self._asked_once(ask, path, body)

    async def _asked_once(
        self,
        ask: Callable[[Client, Path, Any], Awaitable[Answer]],
        path: Path,
        body: Mapping[str, Any],
    ) -> Answer:
        client = await self._clients.get()
        if path == "/api/chat":
            await self._told.check(client, body)
        return await ask(client, path, body)

    async def _listed(self) -> tuple[ModelEntry, ...]:
        """Return the models by their names."""
        try:
            client = await self._clients.get()
            return entries_of(await client.get("/api/tags"))
        except KNOWN as error:
            raise self._translated(error, {}) from error

    async def _has(self, model: str) -> bool:
        return _is_in(await self._listed(), model)

    def _translated(
        self, error: Exception, body: Mapping[str, Any], *, in_stream: bool = False
    ) -> CallError:
        model = str(body.get("model") or self._options.model)
        return translated(error, model, self._clock, in_stream=in_stream)


def _is_in(known: tuple[ModelEntry, ...], model: str) -> bool:
    return full_name(model) in {full_name(entry.id) for entry in known}
