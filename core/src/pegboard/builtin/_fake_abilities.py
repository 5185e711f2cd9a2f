"""What a fake model can do besides answering."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from dataclasses import replace
from itertools import count

from pegboard.contracts.audio import (
    Speech,
    SpeechRequest,
    Transcript,
    TranscriptionRequest,
)
from pegboard.contracts.batches import Batch, BatchItem, BatchResult
from pegboard.contracts.chat import ChatRequest, Image, Message, Reply, Text, Usage
from pegboard.contracts.embeddings import EmbeddingRequest, Embeddings
from pegboard.contracts.images import GeneratedImages, ImageRequest
from pegboard.contracts.models import ModelEntry, PullProgress
from pegboard.errors import CallError, InvalidRequest, NotFound

from . import _fake_media as media
from .error_names import CALL_ERRORS, ErrorName

MODEL_SIZE = 1000
"""Bytes of a model that is fetched."""


class Failures:
    """Errors that are to happen first, one for each call."""

    def __init__(self, names: Iterable[ErrorName], address: str) -> None:
        self._names = deque(names)
        self._address = address

    def happen(self) -> None:
        """Raise the next one, if any is left."""
        if self._names:
            msg = f"Scripted failure; [{self._address}] failures asks for it."
            raise CALL_ERRORS[self._names.popleft()](msg)


class FakeAbilities:
    """Does what can be done without understanding anything."""

    texts_at_once = 16

    def __init__(self, model: str, failures: Failures) -> None:
        self._model = model
        self._failures = failures

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return vectors in which texts that share words are near each other."""
        self._failures.happen()
        return Embeddings(
            vectors=tuple(
                media.vector_of(text, request.dimensions) for text in request.texts
            ),
            model=request.model or self._model,
            usage=_usage(*request.texts),
        )

    async def generate_images(self, request: ImageRequest) -> GeneratedImages:
        """Return PNGs of one colour, which depends on the prompt and the number."""
        self._failures.happen()
        try:
            pictures = tuple(
                Image(media.picture_of(f"{request.prompt} {number}", request.size))
                for number in range(request.count)
            )
        except ValueError as error:
            raise InvalidRequest(str(error), request_sent="no") from error
        model = request.model or self._model
        return GeneratedImages(
            images=pictures, model=model, usage=_usage(request.prompt)
        )

    async def speak(self, request: SpeechRequest) -> Speech:
        """Return a WAV file with a tone for each word."""
        self._failures.happen()
        return Speech(
            audio=media.sound_of(request.text, request.speed or 1.0),
            media_type="audio/wav",
            model=request.model or self._model,
            usage=_usage(request.text),
        )

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """Return what was said by a fake model; it hears nothing else."""
        self._failures.happen()
        return Transcript(
            text=media.words_of(request.audio),
            model=request.model or self._model,
            language=request.language,
            duration=media.seconds_of(request.audio),
        )

    async def list_models(self) -> tuple[ModelEntry, ...]:
        """Return the only model that there is."""
        self._failures.happen()
        return (ModelEntry(id=self._model, name="a fake model"),)

    async def pull_model(self, model: str) -> AsyncGenerator[PullProgress, None]:
        """Fetch nothing, step by step; the model ``missing`` is not to be had."""
        self._failures.happen()
        if model == "missing":
            msg = f"There is no model {model!r}."
            raise NotFound(msg)
        yield PullProgress(f"looking for {model}")
        for completed in (0, MODEL_SIZE // 2, MODEL_SIZE):
            yield PullProgress("fetching", completed, MODEL_SIZE)
        yield PullProgress("there")

    async def count_tokens(self, request: ChatRequest) -> int:
        """Return how many words and pictures *request* has."""
        self._failures.happen()
        return sum(map(length_of, request.messages))


class FakeBatches(ABC):
    """Batches that are done the second time that somebody looks."""

    def __init__(self, failures: Failures) -> None:
        self._batch_failures = failures
        self._numbers = count(1)
        self._items: dict[str, tuple[BatchItem, ...]] = {}
        self._batches: dict[str, Batch] = {}
        self._results: dict[str, list[BatchResult]] = {}

    @abstractmethod
    async def complete(self, request: ChatRequest) -> Reply:
        """Answer *request*."""

    async def submit_batch(self, items: tuple[BatchItem, ...]) -> Batch:
        """Take *items* in."""
        self._batch_failures.happen()
        name = f"batch-{next(self._numbers)}"
        self._items[name] = items
        self._batches[name] = Batch(id=name, state="running", total=len(items))
        return self._batches[name]

    async def get_batch(self, batch_id: str) -> Batch:
        """Return how far the batch is, and answer it."""
        self._batch_failures.happen()
        batch = self._batch(batch_id)
        if not batch.has_ended:
            await self._answer_batch(batch)
        return batch

    async def cancel_batch(self, batch_id: str) -> Batch:
        """End the batch, if it has not ended."""
        self._batch_failures.happen()
        batch = self._batch(batch_id)
        if not batch.has_ended:
            batch = replace(batch, state="cancelled", failed=batch.total)
        self._batches[batch_id] = batch
        return batch

    async def batch_results(self, batch_id: str) -> AsyncGenerator[BatchResult, None]:
        """Yield the results, the last first: nobody shall rely on an order."""
        self._batch_failures.happen()
        if not self._batch(batch_id).has_ended:
            msg = f"The batch {batch_id!r} has no results yet."
            raise NotFound(msg)
        for result in reversed(self._results.get(batch_id, ())):
            yield result

    async def _answer_batch(self, batch: Batch) -> None:
        results = [await self._result(item) for item in self._items[batch.id]]
        failed = sum(result.error is not None for result in results)
        self._results[batch.id] = results
        self._batches[batch.id] = replace(
            batch, state="done", succeeded=batch.total - failed, failed=failed
        )

    async def _result(self, item: BatchItem) -> BatchResult:
        try:
            return BatchResult(item.id, reply=await self.complete(item.request))
        except CallError as error:
            return BatchResult(item.id, error=error)

    def _batch(self, batch_id: str) -> Batch:
        if batch_id in self._batches:
            return self._batches[batch_id]
        msg = f"There is no batch {batch_id!r}."
        raise NotFound(msg)


def words_of(text: str) -> list[str]:
    """Return *text* in pieces that add up to it."""
    return re.findall(r"\S+\s*|\s+", text)


def length_of(message: Message) -> int:
    """Return how many tokens *message* has: a word counts as one, as does a picture."""
    return sum(
        len(words_of(part.text)) if isinstance(part, Text) else 1
        for part in message.parts
    )


def _usage(*texts: str) -> Usage:
    return Usage(input=sum(len(words_of(text)) for text in texts))
