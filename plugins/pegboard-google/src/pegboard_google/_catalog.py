"""What models there are, and how long a request is. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pegboard import ModelEntry

from ._requests import OWN
from .profiles import capabilities_of

ABILITIES = {
    "batchGenerateContent": "batches",
    "countTokens": "token_count",
    "embedContent": "embeddings",
}
"""What the API's methods are in pegboard's words."""

Json = Mapping[str, Any]


def models_of(answer: Json) -> tuple[list[Json], str | None]:
    """Return the models on a page of the list, and the name of the next page."""
    models = answer.get("models") or answer.get("publisherModels") or []
    return models, answer.get("nextPageToken")


def entry_of(told: Json) -> ModelEntry:
    """Return what the API has *told* of a model."""
    name = told["name"].rpartition("models/")[2]
    return ModelEntry(
        id=name,
        name=told.get("displayName"),
        context_window=told.get("inputTokenLimit"),
        max_output=told.get("outputTokenLimit"),
        capabilities=_capabilities(name, told.get("supportedGenerationMethods")),
        provider_metadata={OWN: dict(told)},
    )


def count_body(body: Json, model: str, *, on_vertex: bool) -> dict[str, Any]:
    """Return the body that has *body* counted, instructions and tools included."""
    if on_vertex:
        return dict(body)
    named = model if "/" in model else f"models/{model}"
    return {"generateContentRequest": {"model": named, **body}}


def _capabilities(name: str, methods: list[str] | None) -> frozenset[str] | None:
    if methods is None:
        return None
    able = {ABILITIES[method] for method in methods if method in ABILITIES}
    answers = "generateContent" in methods
    return frozenset(able) | (capabilities_of(name) if answers else frozenset())
