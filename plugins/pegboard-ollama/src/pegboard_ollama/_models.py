"""The list of models: our values from its JSON."""

from __future__ import annotations

from typing import Any

from pegboard import ModelEntry

from ._chat import NAME

TOLD = ("size", "digest", "modified_at", "details")


def entries_of(answer: Any) -> tuple[ModelEntry, ...]:
    """Return the models that the API's *answer* lists."""
    return tuple(_entry(model) for model in answer["models"])


def _entry(model: Any) -> ModelEntry:
    told = {name: model[name] for name in TOLD if name in model}
    return ModelEntry(id=model["name"], provider_metadata={NAME: told})
