"""The model: everything that a service does, through one connection."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from pegboard.errors import CallError, NotFound

from ._audio import AudioApi
from ._batches import BatchApi
from ._catalog import PATH as MODELS
from ._catalog import CatalogApi
from ._chat import ChatApi
from ._connection import Connection
from ._convert import merged
from ._embeddings import EmbeddingApi
from ._images import ImageApi
from ._refusal import refuse_unsupported
from ._responses import ResponsesApi
from .profiles import profile_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from pegboard import (
        Batch,
        BatchItem,
        BatchResult,
        ChatRequest,
        Context,
        EmbeddingRequest,
        Embeddings,
        GeneratedImages,
        ImageRequest,
        ModelEntry,
        Reply,
        Speech,
        SpeechRequest,
        StreamEvent,
        Transcript,
        TranscriptionRequest,
    )

    from .options import ModelOptions
    from .services import Service

APIS: Mapping[str, type[ChatApi | ResponsesApi]] = {
    "chat": ChatApi,
    "responses": ResponsesApi,
}


class OpenAIModel:
    """A model of OpenAI or of a service that speaks its API."""

    def __init__(
        self, service: Service, options: ModelOptions, context: Context
    ) -> None:
        """Make a model of *service*. Does no I/O."""
        self.texts_at_once = service.texts_at_once
        self._service = service
        self._options = options
        self._profile = profile_of(options.known_model, service.profiles)
        self._connection = Connection(service, options, context)
        self._api = APIS[options.api](service, options)
        self._embeddings = EmbeddingApi(service, options, self._connection)
        self._images = ImageApi(service.name, options, self._connection)
        self._audio = AudioApi(service.name, options, self._connection)
        self._batches = BatchApi(service, self._api, self._connection)
        self._catalog = CatalogApi(service, options.api, self._connection)

    async def ping(self) -> str | None:
        """Ask for the list of models: it takes the key, and no tokens."""
        try:
            with self._connection.translation:
                await self._connection.get_bytes(MODELS)
        except NotFound:
            return "answered, but has no list of models"
        return None

    async def complete(self, request: ChatRequest) -> Reply:
        """Answer *request* with a whole reply."""
        body = self._body(request)
        with self._connection.translation:
            return self._api.reply(await self._connection.post(self._api.path, body))

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent, None]:
        """Answer *request* in pieces, the last of which is ``Finished``."""
        body = {**self._body(request), **self._api.stream_fields()}
        reader = self._api.reader()
        began = False
        try:
            with self._connection.translation:
                source = self._connection.stream(self._api.path, body)
                async with aclosing(source) as arrivals:
                    async for together in arrivals:
                        for value in together:
                            for event in reader.read(value):
                                began = True
                                yield event
                for event in reader.finish():
                    yield event
        except CallError as error:
            error.in_stream = began
            raise

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return one vector for each text of *request*, in their order."""
        return await self._embeddings.embed(request)

    async def generate_images(self, request: ImageRequest) -> GeneratedImages:
        """Paint what *request* says."""
        return await self._images.generate_images(request)

    async def speak(self, request: SpeechRequest) -> Speech:
        """Say what *request* says."""
        return await self._audio.speak(request)

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """Write down what is said in *request*."""
        return await self._audio.transcribe(request)

    async def submit_batch(self, items: tuple[BatchItem, ...]) -> Batch:
        """Hand in *items*; they have ids that differ."""
        bodies = {item.id: self._body(item.request) for item in items}
        return await self._batches.submit(bodies)

    async def get_batch(self, batch_id: str) -> Batch:
        """Return how far the batch is."""
        return await self._batches.get(batch_id)

    async def cancel_batch(self, batch_id: str) -> Batch:
        """Ask for an early end. What is answered already stays."""
        return await self._batches.cancel(batch_id)

    async def batch_results(self, batch_id: str) -> AsyncGenerator[BatchResult, None]:
        """Yield what there is, in any order, of a batch that has ended."""
        async with aclosing(self._batches.results(batch_id)) as results:
            async for result in results:
                yield result

    async def list_models(self) -> tuple[ModelEntry, ...]:
        """Return all models that can be asked for."""
        return await self._catalog.list_models()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connection.aclose()

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        profile = self._profile
        if request.model is not None:
            profile = profile_of(request.model, self._service.profiles)
        model = request.model or self._options.known_model
        refuse_unsupported(request, model, profile)
        own = request.extra.get(self._service.name, {})
        return merged(self._api.body(request), own)
