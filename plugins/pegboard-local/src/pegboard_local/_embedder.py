"""Texts as vectors, made inside this process."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from pegboard import Embeddings, Usage
from pegboard.errors import InvalidReply, NotFound, Unsupported

from ._engine import Job
from ._errors import unread
from ._llama import Load
from ._packaged_embedder import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pegboard import EmbeddingRequest

    from ._shared import Models
    from .options import LocalOptions

TEXTS_AT_ONCE = 8
"""A call that is cancelled leaves at most so many texts to be read in vain."""


class LocalEmbedder:
    """An embedding model inside this process."""

    def __init__(self, options: LocalOptions, models: Models) -> None:
        path = options.embedding_model_path
        self._prefixes = {
            "query": options.query_prefix,
            "document": options.document_prefix,
        }
        self._models = models
        self._load = Load(
            path=path and path.expanduser().absolute(),
            context_length=options.context_length,
            threads=options.threads,
            gpu_layers=options.gpu_layers,
            chat_template=None,
            embeds=True,
            pooling=options.pooling,
        )
        self._name = path.stem if path else NAME

    @property
    def load(self) -> Load:
        """What it keeps in memory, once it is used."""
        return self._load

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return one vector for each text of *request*, in their order."""
        self._check(request)
        job = Job(self._body(request), embeds=True)
        self._models.engine(self._load, user=self).submit(job)
        async with aclosing(job.chunks()) as answers:
            async for answer in answers:
                return self._embeddings(answer)
        msg = "The embedding model ended without an answer."
        raise InvalidReply(msg)

    def leave(self) -> None:
        """Free the model, unless another instance uses it too."""
        self._models.leave(self._load, user=self)

    def _check(self, request: EmbeddingRequest) -> None:
        if request.model not in (None, self._name):
            msg = (
                f"There is no local embedding model {request.model!r} here. Known: "
                f"{self._name}. Set embedding_model_path in an instance of its own."
            )
            raise NotFound(msg, request_sent="no")
        if request.dimensions is not None:
            msg = "local makes vectors of one length only. Leave dimensions out."
            raise Unsupported(msg)

    def _body(self, request: EmbeddingRequest) -> dict[str, Any]:
        purpose = request.purpose or "document"
        texts = [self._prefixes[purpose] + text for text in request.texts]
        return {"input": texts, "purpose": purpose, "encoding_format": "float"}

    def _embeddings(self, answer: Mapping[str, Any]) -> Embeddings:
        if "error" in answer:
            raise unread(answer["error"])
        return Embeddings(
            vectors=tuple(tuple(one["embedding"]) for one in answer["data"]),
            model=self._name,
            usage=Usage(input=answer["usage"]["prompt_tokens"]),
        )
