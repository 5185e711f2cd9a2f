"""Names of models, of which Ollama lets parts be left out."""

from __future__ import annotations

REGISTRY = "registry.ollama.ai/"
LIBRARY = "library/"


def full_name(model: str) -> str:
    """Return the one name of all that *model* may be called: ``qwen3:latest``."""
    name = model.lower().removeprefix(REGISTRY).removeprefix(LIBRARY)
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"
