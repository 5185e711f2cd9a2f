"""Embeddings: texts to the SDK's call, and the vectors from the answers to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from google.genai.types import EmbedContentConfig
from pegboard import EmbeddingRequest, Embeddings, Usage
from pegboard.draft import CHARACTERS_PER_TOKEN
from pegboard.errors import InvalidRequest
from pydantic import ValidationError

from ._requests import OWN

if TYPE_CHECKING:
    from .options import GeminiOptions

TASKS = {"query": "RETRIEVAL_QUERY", "document": "RETRIEVAL_DOCUMENT"}
"""What a model is told that a text is for."""
PROMPTS = {
    "query": "task: search result | query: {}",
    "document": "title: none | text: {}",
}
"""What newer models read before the text instead."""
PROMPTED = "gemini-embedding-2"
AT_ONCE = 100
AT_ONCE_ON_VERTEX = {"text-": 250, PROMPTED: AT_ONCE}
"""By what the name of the model begins with; others take one."""

Json = Mapping[str, Any]


def texts_at_once(options: GeminiOptions) -> int:
    """Return how many texts go into one request with *options*."""
    if not options.vertex:
        return AT_ONCE
    model = options.embedding_model or options.model
    found = (n for name, n in AT_ONCE_ON_VERTEX.items() if _is(name, model))
    return next(found, 1)


def contents_of(request: EmbeddingRequest, model: str) -> list[Json]:
    """Return the texts, each by itself: the SDK would join those of newer models."""
    form = "{}"
    if request.purpose and _is(PROMPTED, model):
        form = PROMPTS[request.purpose]
    return [{"parts": [{"text": form.format(text)}]} for text in request.texts]


def config_of(request: EmbeddingRequest, model: str) -> EmbedContentConfig:
    """
    Return how *request* wants its vectors.

    Raises:
        InvalidRequest: The vendor parameters are not those of the SDK.

    """
    purpose = None if _is(PROMPTED, model) else request.purpose
    known = {
        "task_type": purpose and TASKS[purpose],
        "output_dimensionality": request.dimensions,
    }
    try:
        return EmbedContentConfig(**known, **request.extra.get(OWN, {}))
    except (ValidationError, TypeError) as error:
        names = ", ".join(sorted(EmbedContentConfig.model_fields))
        msg = f"These vendor parameters are not understood. Known: {names}."
        raise InvalidRequest(msg, request_sent="no") from error


def embeddings_of(answer: Json, request: EmbeddingRequest, model: str) -> Embeddings:
    """Return the vectors in *answer*, whichever of the APIs gave it."""
    vectors = [tuple(one["values"]) for one in _embeddings(answer)]
    usage = _usage(answer, request.texts)
    return Embeddings(vectors=tuple(vectors), model=model, usage=usage)


def _is(family: str, model: str) -> bool:
    return model.rpartition("/")[2].startswith(family)


def _embeddings(answer: Json) -> Sequence[Json]:
    if "predictions" in answer:
        return [one["embeddings"] for one in answer["predictions"]]
    return [answer["embedding"]] if "embedding" in answer else answer["embeddings"]


def _usage(answer: Json, texts: Sequence[str]) -> Usage:
    counted = (answer.get("usageMetadata") or {}).get("promptTokenCount")
    if counted is None:
        told = [one.get("statistics", {}) for one in _embeddings(answer)]
        counted = sum(int(one.get("token_count", 0)) for one in told)
    if counted:
        return Usage(input=counted)
    return Usage(input=sum(map(_about, texts)), estimated=True)


def _about(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)
