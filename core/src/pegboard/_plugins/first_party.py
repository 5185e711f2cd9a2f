"""The packages of this project, for those who ask for what they have not installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# A fixed table: a name that a user typed must never become a package to install. And
# who asks for one of these names means that package: another one that offers it, and
# would be handed the key, has to be named in the settings.
PACKAGES: Mapping[str, str] = {
    "anthropic": "pegboard-anthropic",
    "azure": "pegboard-openai",
    "azure-blob": "pegboard-s3",
    "claude-code": "pegboard-claude-code",
    "dynamodb": "pegboard-dynamodb",
    "gemini": "pegboard-google",
    "keyring": "pegboard-keyring",
    "local": "pegboard-local",
    "ollama": "pegboard-ollama",
    "openai": "pegboard-openai",
    "phoenix": "pegboard-phoenix",
    "redis": "pegboard-redis",
    "postgresql": "pegboard-sql",
    "sql": "pegboard-sql",
    "slack": "pegboard-slack",
    "sqs": "pegboard-aws",
    "notion": "pegboard-notion",
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
    "fsspec": "pegboard-fsspec",
    "s3": "pegboard-s3",
    "secrets-manager": "pegboard-aws",
    "sglang": "pegboard-openai",
    "together": "pegboard-openai",
    "vllm": "pegboard-openai",
    "xai": "pegboard-openai",
}
