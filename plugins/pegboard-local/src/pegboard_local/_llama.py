"""Loading a model with llama.cpp."""

from __future__ import annotations

import ctypes
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pegboard.errors import Unavailable

from ._model_file import found
from ._packaged_embedder import PackagedEmbedder
from ._waiting import threads_that_sleep

if TYPE_CHECKING:
    from pathlib import Path

SILENT = -1
TOKENS_AT_ONCE = 256
"""Tokens of a prompt that are read in one go. In between, a job can be stopped."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is loaded, and how. Equal loads are one model."""

    path: Path | None
    context_length: int
    threads: int | None
    gpu_layers: int | None
    chat_template: str | None
    embeds: bool = False
    """Whether it makes vectors of texts."""
    pooling: str | None = None


def open_server(load: Load) -> Any:
    """
    Return a llama.cpp server with the model in memory. Takes seconds.

    Raises:
        NotFound: There is no model file.
        Unavailable: The file is no model, or llama.cpp cannot load it.

    """
    if load.embeds and load.path is None:
        return PackagedEmbedder(load.threads)
    path = found(load.path)
    parameters = _parameters(load, path)
    try:
        server = _library().Server(parameters)
    except RuntimeError as error:
        template = " chat_template may be wrong," if load.chat_template else ""
        msg = (
            f"llama.cpp cannot load {path}: the file may be incomplete or too new,"
            f"{template} or memory is short."
        )
        raise Unavailable(msg, retryable=False, request_sent="no") from error
    # A server that is freed before it has begun to serve never ends. It has begun
    # when it answers.
    server.handle_metrics()
    return server


def _parameters(load: Load, path: Path) -> Any:
    """Return what llama.cpp has to know to load the model in *path*."""
    parameters = _library().CommonParams()
    parameters.model.path = str(path)
    parameters.model_alias = {path.stem}
    parameters.n_ctx = load.context_length
    parameters.n_batch = parameters.n_ubatch = TOKENS_AT_ONCE
    parameters.n_parallel = 1
    parameters.cache_ram_mib = 0  # or it keeps up to 8 GB of earlier conversations
    parameters.verbosity = SILENT
    parameters.endpoint_metrics = True
    if load.embeds:
        _make_embedding(parameters, load.pooling)
    if load.threads is not None:
        parameters.cpuparams.n_threads = load.threads
        parameters.cpuparams_batch.n_threads = load.threads
    if load.gpu_layers is not None:
        parameters.n_gpu_layers = load.gpu_layers
    if load.chat_template is not None:
        parameters.chat_template = load.chat_template
    _shut_off(parameters)
    return parameters


def _make_embedding(parameters: Any, pooling: str | None) -> None:
    """Have the model make vectors."""
    parameters.embedding = True
    if pooling is not None:
        kinds = _library().llama_pooling_type
        name = f"LLAMA_POOLING_TYPE_{pooling.upper()}"
        parameters.pooling_type = getattr(kinds, name)
    # A text is read in one go, so that one may be as long as the context.
    parameters.n_batch = parameters.n_ubatch = parameters.n_ctx


def skip_destructors() -> None:
    """
    Have this process, a forked one, end without the destructors of C libraries.

    One of llama.cpp's waits for a thread that only the parent has, so a child that
    does not leave by ``os._exit`` would hang at its very end.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "on_exit"):
        libc.on_exit(libc._exit, None)  # noqa: SLF001 - its name in C


def _shut_off(parameters: Any) -> None:
    """Make the HTTP server, which llama.cpp always starts, of no use to anyone."""
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [secrets.token_urlsafe(32)]
    parameters.ui = False
    parameters.endpoint_slots = False


def _library() -> Any:
    try:
        with threads_that_sleep():
            # 100 MB, for those who use it.
            import xllamacpp  # type: ignore[import-untyped]  # noqa: PLC0415 - it has no types
    except ImportError as error:
        msg = (
            f"llama.cpp cannot be used here: {error}. Install it: pip install "
            "xllamacpp. On Linux it needs libgomp.so.1 (apt-get install libgomp1)."
        )
        raise Unavailable(msg, retryable=False, request_sent="no") from error
    return xllamacpp
