"""The packages of this project, for those who ask for what they have not installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# A fixed table: a name that a user typed must never become a package to install.
_NAMES: Mapping[str, str] = {
    "pegboard-local": "local",
    "pegboard-openai": (
        "cerebras deepinfra deepseek fireworks groq huggingface llama-cpp lm-studio "
        "mistral moonshot openai openai-compatible openrouter sglang together vllm xai"
    ),
}
PACKAGES: Mapping[str, str] = {
    name: package for package, names in _NAMES.items() for name in names.split()
}
