"""The model: what it does for each contract."""

from __future__ import annotations

from asyncio import TaskGroup
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from pegboard import (
    Batch,
    BatchItem,
    BatchResult,
    ChatRequest,
    EmbeddingRequest,
    Embeddings,
    GeneratedImages,
    ImageRequest,
    ModelEntry,
    PerLoop,
    Reply,
    Speech,
    SpeechRequest,
    StreamEvent,
    Transcript,
    TranscriptionRequest,
)
from pegboard.errors import CallError, NotFound, PermissionDenied, Unsupported

from . import _calls as calls
from ._audio import speech_body, speech_of, transcript_of, transcription_body
from ._batches import batch_body, batch_model, batch_of, checked_id, results_of
from ._catalog import count_body, entry_of, models_of
from ._client import Connection
from ._embeddings import config_of, contents_of, embeddings_of, texts_at_once
from ._errors import KNOWN, translated
from ._images import image_body, painted
from ._replies import reply_of
from ._requests import body_of
from ._stream import StreamReader

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from pegboard import Context

    from ._calls import Call
    from .options import GeminiOptions

    Json = dict[str, Any]

Found = TypeVar("Found")


class GeminiModel:
    """A model of Gemini, by key or on Vertex AI."""

    def __init__(self, options: GeminiOptions, context: Context) -> None:
        """Make a model. Does no I/O."""
        self.texts_at_once = texts_at_once(options)
        self._options = options
        self._clock = context.clock
        self._connections = PerLoop(
            lambda: Connection(options, context), Connection.aclose
        )

    async def ping(self) -> str | None:
        """Ask for the model: it takes the key, and no tokens."""
        await self._ask(calls.get_model(self._options.model), dict)
        return None

    async def complete(self, request: ChatRequest) -> Reply:
        """Answer *request* with a whole reply."""
        return await self._reply(*self._prepared(request))

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

    async def count_tokens(self, request: ChatRequest) -> int:
        """Return how many tokens *request* has."""
        model, body = self._prepared(request)
        counted = count_body(body, model, on_vertex=self._options.vertex)
        call = calls.count(model, counted)
        return await self._ask(call, lambda answer: int(answer["totalTokens"]))

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return one vector for each text of *request*, in their order."""
        options = self._options
        model = request.model or options.embedding_model or options.model
        call = calls.embed(
            model, contents_of(request, model), config_of(request, model)
        )
        return await self._ask(
            call, lambda answer: embeddings_of(answer, request, model)
        )

    async def generate_images(self, request: ImageRequest) -> GeneratedImages:
        """Paint with the first model that can be used."""
        body, options = image_body(request), self._options
        models = options.image_models or (options.model,)
        *others, last = (request.model,) if request.model else models
        for model in others:
            try:
                return await self._paint(model, body, request.count)
            except (NotFound, PermissionDenied):
                continue
        return await self._paint(last, body, request.count)

    async def speak(self, request: SpeechRequest) -> Speech:
        """Say what *request* says."""
        options = self._options
        model = request.model or options.speech_model or options.model
        reply = await self._reply(model, speech_body(request, options.voice))
        return speech_of(reply, request)

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """Write down what is said in *request*."""
        options = self._options
        model = request.model or options.transcription_model or options.model
        return transcript_of(await self._reply(model, transcription_body(request)))

    async def list_models(self) -> tuple[ModelEntry, ...]:
        """Return all models that can be asked for."""
        found: list[ModelEntry] = []
        page: str | None = ""
        while page is not None:
            entries, page = await self._ask(calls.list_models(page), models_of)
            found += map(entry_of, entries)
        return tuple(found)

    async def submit_batch(self, items: tuple[BatchItem, ...]) -> Batch:
        """Hand in *items*; they have ids that differ."""
        self._refuse_batches_on_vertex()
        model = batch_model(items, self._options)
        body = batch_body(items, model, self._options)
        return await self._ask(calls.create_batch(model, body), batch_of)

    async def get_batch(self, batch_id: str) -> Batch:
        """Return how far the batch is."""
        return await self._job(batch_id, batch_of)

    async def cancel_batch(self, batch_id: str) -> Batch:
        """Ask for an early end. What is answered already stays."""
        self._refuse_batches_on_vertex()
        await self._ask(calls.cancel_batch(checked_id(batch_id)), dict)
        return await self.get_batch(batch_id)

    async def batch_results(self, batch_id: str) -> AsyncGenerator[BatchResult, None]:
        """Yield what there is, in any order, of a batch that has ended."""
        for result in await self._job(batch_id, results_of):
            yield result

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connections.aclose()

    async def _ask(self, call: Call, read: Callable[[Any], Found]) -> Found:
        """Return what *read* makes of the answer to *call*."""
        with self._translating():
            connection = await self._connections.get()
            return read(await connection.answer(call))

    async def _paint(self, model: str, body: Json, count: int) -> GeneratedImages:
        """Paint *count* pictures, each in a request of its own."""
        try:
            async with TaskGroup() as group:
                works = [
                    group.create_task(self._reply(model, body)) for _ in range(count)
                ]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed.exceptions[0].__cause__
        return painted(work.result() for work in works)

    async def _reply(self, model: str, body: Json) -> Reply:
        call = calls.generate(model, body)
        return await self._ask(call, lambda answer: reply_of(answer, model))

    async def _job(self, batch_id: str, read: Callable[[Any], Found]) -> Found:
        self._refuse_batches_on_vertex()
        return await self._ask(calls.get_batch(checked_id(batch_id)), read)

    async def _events(
        self, model: str, body: Json
    ) -> AsyncGenerator[StreamEvent, None]:
        reader = StreamReader(model)
        connection = await self._connections.get()
        chunks = connection.pieces(calls.stream(model, body))
        async with aclosing(chunks):
            async for chunk in chunks:
                for event in reader.read(chunk):
                    yield event
        for event in reader.finish():
            yield event

    def _prepared(self, request: ChatRequest) -> tuple[str, Json]:
        model = request.model or self._options.model
        return model, body_of(request, model, self._options)

    def _refuse_batches_on_vertex(self) -> None:
        if self._options.vertex:
            msg = (
                "Vertex AI takes batches from Cloud Storage and BigQuery only. "
                "Hand them in by key, without vertex = true."
            )
            raise Unsupported(msg)

    @contextmanager
    def _translating(self) -> Iterator[None]:
        """Turn what the service or the way to it raises into pegboard's errors."""
        try:
            yield
        except KNOWN as error:
            raise translated(error, self._clock) from error
