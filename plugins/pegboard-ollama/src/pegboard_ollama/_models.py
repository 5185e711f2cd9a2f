"""The list of models: our values from its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pegboard import ModelEntry

from ._chat import NAME
from ._told import capabilities_of, context_window_of

TOLD = ("size", "digest", "modified_at", "details")


def entries_of(answer: Any) -> tuple[ModelEntry, ...]:
    """Return the models that the API's *answer* lists."""
    return tuple(_entry(model) for model in answer["models"])


def described(entry: ModelEntry, told: Mapping[str, Any]) -> ModelEntry:
    """Return *entry* with what is *told* of its model."""
    return replace(
        entry,
        context_window=context_window_of(told),
        capabilities=capabilities_of(told),
    )


def _entry(model: Any) -> ModelEntry:
    told = {name: model[name] for name in TOLD if name in model}
    return ModelEntry(id=model["name"], provider_metadata={NAME: told})
