"""The model that the board calls."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from pegboard.errors import InvalidReply, NotFound

from ._convert import Reading, body_of, reply_of
from ._embedder import TEXTS_AT_ONCE, LocalEmbedder
from ._engine import Job
from ._llama import Load
from ._model_file import found, name_of
from ._tools import CallReading

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pegboard import (
        ChatRequest,
        EmbeddingRequest,
        Embeddings,
        Reply,
        StreamEvent,
    )

    from ._shared import Models
    from .options import LocalOptions


class LocalChat:
    """A language model inside this process."""

    texts_at_once = TEXTS_AT_ONCE

    def __init__(self, options: LocalOptions, models: Models) -> None:
        self._options = options
        self._models = models
        self._load = _load_of(options)
        self._name = name_of(self._load.path)
        self._embedder = LocalEmbedder(options, models)

    def __repr__(self) -> str:
        return f"<LocalChat {self._name}>"

    async def ping(self) -> str:
        """Look for the model's file; tell whether the model is in memory."""
        await asyncio.to_thread(found, self._load.path)
        return "loaded" if self._models.has(self._load) else "not loaded yet"

    async def complete(self, request: ChatRequest) -> Reply:
        """Answer *request* with a whole reply."""
        # By way of a stream, since llama.cpp can stop nothing else.
        async with aclosing(self.stream(request)) as events:
            return reply_of([event async for event in events])

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent, None]:
        """Answer *request* in pieces, the last of which is ``Finished``."""
        self._check_model(request)
        job = Job(body_of(request, self._options))
        self._models.engine(self._load, user=self).submit(job)
        reading, calls = Reading(), CallReading(request)
        async with aclosing(job.chunks()) as chunks:
            async for chunk in chunks:
                for said in reading.events(chunk):
                    for event in calls.events(said):
                        yield event
        if not reading.is_finished:
            msg = "llama.cpp ended the reply without saying why."
            raise InvalidReply(msg)

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return one vector for each text of *request*, in their order."""
        return await self._embedder.embed(request)

    async def aclose(self) -> None:
        """Free the models, unless another instance uses them too."""
        await asyncio.to_thread(self._models.leave, self._load, user=self)
        await asyncio.to_thread(self._embedder.leave)

    def _check_model(self, request: ChatRequest) -> None:
        if request.model in (None, self._name):
            return
        msg = (
            f"There is no local model {request.model!r} here. Known: {self._name}. "
            "Set model_path in an instance of its own."
        )
        raise NotFound(msg, request_sent="no")


def _load_of(options: LocalOptions) -> Load:
    path = options.model_path
    return Load(
        path=path and path.expanduser().absolute(),
        context_length=options.context_length,
        threads=options.threads,
        gpu_layers=options.gpu_layers,
        chat_template=options.chat_template,
    )
