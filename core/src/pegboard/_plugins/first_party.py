"""The packages of this project, for those who ask for what they have not installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# A fixed table: a name that a user typed must never become a package to install.
PACKAGES: Mapping[str, str] = {
    "local": "pegboard-local",
    "openai": "pegboard-openai",
    "cerebras": "pegboard-openai",
    "deepinfra": "pegboard-openai",
    "deepseek": "pegboard-openai",
    "fireworks": "pegboard-openai",
    "groq": "pegboard-openai",
    "huggingface": "pegboard-openai",
    "llama-cpp": "pegboard-openai",
    "lm-studio": "pegboard-openai",
    "mistral": "pegboard-openai",
    "moonshot": "pegboard-openai",
    "openai-compatible": "pegboard-openai",
    "openrouter": "pegboard-openai",
    "sglang": "pegboard-openai",
    "together": "pegboard-openai",
    "vllm": "pegboard-openai",
    "xai": "pegboard-openai",
}


def owner_of(name: str) -> str | None:
    """Return the package that is called after the provider *name*, if it is ours."""
    package = f"pegboard-{name}"
    return package if PACKAGES.get(name) == package else None
