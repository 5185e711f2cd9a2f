"""What a language model can do besides answering, whoever provides it."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pegboard.contracts.audio import (
    Speech,
    SpeechRequest,
    Transcript,
    TranscriptionRequest,
)
from pegboard.contracts.embeddings import EmbeddingRequest, Embeddings, Purpose
from pegboard.contracts.images import GeneratedImages, ImageRequest
from pegboard.contracts.models import ModelEntry, PullProgress
from pegboard.errors import CallError, InvalidReply, InvalidRequest, Unsupported

if TYPE_CHECKING:
    from pegboard.contracts.chat import Image, Vendor
    from pegboard.observers import Observer

Failed = TypeVar("Failed", bound=CallError)


@dataclass(frozen=True, slots=True)
class Model:
    """What the facade knows of the provider behind it."""

    address: str
    provider: str
    handle: Any
    """Has the operations of its contracts."""
    capabilities: frozenset[str]
    abilities: frozenset[str] = field(default=frozenset())
    """What its contracts stand for, with these settings."""
    drops_unsupported: bool = False
    texts_at_once: int | None = None
    """Most texts that it embeds in one request; None: any number."""
    model: str | None = None
    """The model that the settings name."""
    deadline: float = math.inf
    """Most seconds that a call takes."""
    observers: tuple[Observer, ...] = ()
    secrets: Callable[[], Iterable[str]] = tuple
    """Returns the texts that nobody may be told."""


class Abilities:
    """A model, and what its contracts let it do. The base of ``LLM``."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._closed = False

    @property
    def address(self) -> str:
        """The address in settings, errors and logs."""
        return self._model.address

    @property
    def capabilities(self) -> frozenset[str]:
        """What the provider claims of requests, with these settings."""
        return self._model.capabilities

    @property
    def abilities(self) -> frozenset[str]:
        """What the provider can do with these settings, such as ``embeddings``."""
        return self._model.abilities

    async def embed(
        self,
        texts: str | Iterable[str],
        *,
        model: str | None = None,
        dimensions: int | None = None,
        purpose: Purpose | None = None,
        extra: Vendor | None = None,
    ) -> Embeddings:
        """
        Return a vector for each of *texts*, in their order.

        As many requests are made as the service's limit takes, one after the other.

        Raises:
            Unsupported: The provider makes no embeddings; nothing was sent.
            InvalidReply: The vectors are not as many as the texts.
            CallError: The call failed.

        """
        self._refuse_without("embeddings", "embed")
        request = EmbeddingRequest(
            texts=self._texts(texts),
            model=model,
            dimensions=dimensions,
            purpose=purpose,
            extra=extra or {},
        )
        at_once = self._model.texts_at_once or len(request.texts)
        made = [
            await self._embed(replace(request, texts=request.texts[start:][:at_once]))
            for start in range(0, len(request.texts), at_once)
        ]
        return _joined(made)

    async def generate_images(  # noqa: PLR0913 - what a service may be told
        self,
        prompt: str,
        *,
        images: Sequence[Image] = (),
        mask: Image | None = None,
        model: str | None = None,
        count: int = 1,
        size: str | None = None,
        quality: str | None = None,
        background: str | None = None,
        extra: Vendor | None = None,
    ) -> GeneratedImages:
        """
        Return pictures of what *prompt* says, made of *images* if there are any.

        Raises:
            Unsupported: The provider paints not, or not from pictures.
            ContentFiltered: The service does not want to paint that.
            CallError: The call failed.

        """
        self._refuse_without("image_generation", "generate_images")
        if images and "image_editing" not in self.capabilities:
            msg = f"{self._model.provider} does not make pictures of pictures."
            raise self._placed(Unsupported(msg), "generate_images")
        request = ImageRequest(
            prompt=prompt,
            images=tuple(images),
            mask=mask,
            model=model,
            count=count,
            size=size,
            quality=quality,
            background=background,
            extra=extra or {},
        )
        self._check_pictures(request)
        painted: GeneratedImages = await self._model.handle.generate_images(request)
        return painted

    async def speak(  # noqa: PLR0913 - what a service may be told
        self,
        text: str,
        *,
        model: str | None = None,
        voice: str | None = None,
        instructions: str | None = None,
        format: str | None = None,  # noqa: A002 - the word for it
        speed: float | None = None,
        extra: Vendor | None = None,
    ) -> Speech:
        """
        Return *text* as sound.

        Raises:
            Unsupported: The provider does not speak; nothing was sent.
            CallError: The call failed.

        """
        self._refuse_without("speech", "speak")
        request = SpeechRequest(
            text=text,
            model=model,
            voice=voice,
            instructions=instructions,
            format=format,
            speed=speed,
            extra=extra or {},
        )
        speech: Speech = await self._model.handle.speak(request)
        return speech

    async def transcribe(  # noqa: PLR0913 - what a service may be told
        self,
        audio: bytes,
        *,
        media_type: str = "audio/wav",
        model: str | None = None,
        language: str | None = None,
        prompt: str | None = None,
        extra: Vendor | None = None,
    ) -> Transcript:
        """
        Return what is said in *audio*.

        Raises:
            Unsupported: The provider does not listen; nothing was sent.
            CallError: The call failed.

        """
        self._refuse_without("transcription", "transcribe")
        request = TranscriptionRequest(
            audio=audio,
            media_type=media_type,
            model=model,
            language=language,
            prompt=prompt,
            extra=extra or {},
        )
        transcript: Transcript = await self._model.handle.transcribe(request)
        return transcript

    async def list_models(self) -> tuple[ModelEntry, ...]:
        """
        Return the models that the service has.

        Raises:
            Unsupported: The provider has no list; nothing was sent.
            CallError: The call failed.

        """
        self._refuse_without("model_list", "list_models")
        models: tuple[ModelEntry, ...] = await self._model.handle.list_models()
        return models

    async def pull_model(self, model: str) -> AsyncGenerator[PullProgress]:
        """
        Fetch *model* to the server, and yield how far it is.

        Raises:
            Unsupported: The provider fetches no models; nothing was sent.
            CallError: The call failed.

        """
        self._refuse_without("model_pull", "pull_model")
        async with aclosing(self._model.handle.pull_model(model)) as progress:
            async for step in progress:
                yield step

    async def _embed(self, request: EmbeddingRequest) -> Embeddings:
        made: Embeddings = await self._model.handle.embed(request)
        if len(made.vectors) == len(request.texts):
            return made
        msg = (
            f"{self._model.provider} made {len(made.vectors)} vectors of "
            f"{len(request.texts)} texts."
        )
        raise self._placed(InvalidReply(msg, request_sent="yes"), "embed")

    def _texts(self, texts: str | Iterable[str]) -> tuple[str, ...]:
        given = (texts,) if isinstance(texts, str) else tuple(texts)
        kinds = {type(text).__name__ for text in given} - {"str"}
        if kinds:
            msg = f"{', '.join(sorted(kinds))} cannot be embedded. Pass texts."
        elif not given:
            msg = "There is nothing to embed. Pass at least one text."
        else:
            return given
        raise self._placed(InvalidRequest(msg, request_sent="no"), "embed")

    def _check_pictures(self, request: ImageRequest) -> None:
        if request.count < 1:
            msg = f"count is {request.count}. Ask for at least one picture."
        elif request.mask is not None and not request.images:
            msg = "A mask says what of a picture to change. Pass images too."
        else:
            return
        error = InvalidRequest(msg, request_sent="no")
        raise self._placed(error, "generate_images")

    def _refuse_without(
        self, ability: str, operation: str, instead: str = "Use another provider."
    ) -> None:
        """Raise if the model cannot do that, before anything is sent."""
        if self._closed:
            msg = "the board is closed. Use it inside 'async with Pegboard()'."
            raise self._placed(Unsupported(msg), operation)
        if ability not in self.abilities:
            able = ", ".join(sorted(self.abilities)) or "nothing"
            msg = (
                f"{self._model.provider} has no {ability} with these settings. "
                f"It has {able}. {instead}"
            )
            raise self._placed(Unsupported(msg), operation)

    def _placed(self, error: Failed, operation: str) -> Failed:
        error.address, error.operation = self.address, operation
        return error


def _joined(made: Sequence[Embeddings]) -> Embeddings:
    """Return the vectors of several requests as if of one."""
    usage = made[0].usage
    for more in made[1:]:
        usage += more.usage
    vectors = tuple(vector for one in made for vector in one.vectors)
    return replace(made[0], vectors=vectors, usage=usage)
