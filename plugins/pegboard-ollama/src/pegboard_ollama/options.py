"""What settings may say about a model of an Ollama server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pegboard import Options
from pydantic import AfterValidator, Field, SecretStr

from ._host import address_of

DURATION = re.compile(r"-?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+")


def _checked(keep_alive: float | str | None) -> float | str | None:
    if isinstance(keep_alive, str) and not DURATION.fullmatch(keep_alive):
        msg = "it is neither a number of seconds nor a duration such as '10m'"
        raise ValueError(msg)
    return keep_alive


class OllamaOptions(Options):
    """Options of the provider ``ollama``."""

    model: str = Field(min_length=1)
    """The model to ask, such as ``qwen3:4b``. Without a tag it is ``latest``."""
    host: Annotated[str, AfterValidator(address_of)] = "http://127.0.0.1:11434"
    """Where the server is, in any spelling that Ollama takes for OLLAMA_HOST."""
    api_key: SecretStr | None = None
    """The key, if the server or a proxy before it checks one."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """HTTP headers to send with every request."""
    keep_alive: Annotated[float | str | None, AfterValidator(_checked)] = Field(
        default=None, union_mode="left_to_right"
    )
    """How long the server keeps the model loaded: ``"10m"``, seconds, -1 for ever."""
    num_ctx: int | None = Field(default=None, ge=1)
    """How many tokens the model reads at most. The server decides if not set."""
    think: bool | Literal["low", "medium", "high"] | None = Field(
        default=None, union_mode="left_to_right"
    )
    """Whether, or how hard, the model thinks if a call does not say."""
    auto_pull: bool = False
    """Whether a model that the server does not have is pulled when it is needed."""
    pull_timeout: float = Field(default=7200.0, gt=0)
    """Longest time of a pull, in seconds, however long the calls may take."""
    models_folder: Path | None = None
    """Where the server keeps its models, if it runs on this machine."""
    disk_reserve: int = Field(default=1_000_000_000, ge=0)
    """Bytes that a pull must leave free on the disk of that folder."""
