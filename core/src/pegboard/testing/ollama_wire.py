"""
What an Ollama server sends, for scripts of ``FaultServer``: plain JSON values.

Streams are lines of JSON: ``Scripted.lines(*chat_stream("Hel", "lo."))``. Checked with
the SDK ``ollama`` 0.6.3: replies, streams, progress and errors, in and before a stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .scripted import json_line

COUNTS: Mapping[str, int] = {
    "total_duration": 4_000_000,
    "load_duration": 1_000_000,
    "prompt_eval_count": 11,
    "prompt_eval_duration": 1_000_000,
    "eval_count": 7,
    "eval_duration": 2_000_000,
}
"""What the last part of a reply counts; times are in nanoseconds."""
_STAMP: Mapping[str, Any] = {"model": "stub-1", "created_at": "2026-01-02T03:04:05Z"}
_DIGEST = "sha256:" + "0" * 64


def error(message: str = "model 'stub-1' not found") -> dict[str, Any]:
    """Return the body of an error; a model that is missing comes with a 404."""
    return {"error": message}


def error_line(message: str = "model runner has unexpectedly stopped") -> bytes:
    """Return an error within a stream, where the status has long been sent."""
    return json_line(error(message))


def message(words: str = "Hello.", **more: object) -> dict[str, Any]:
    """Return what the model says, with *more* such as ``thinking``."""
    return {"role": "assistant", "content": words, **more}


def tool_call(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call of the function *name*, for ``message(tool_calls=[...])``."""
    return {"function": {"name": name, "arguments": dict(arguments)}}


def chat(
    said: Mapping[str, Any] | None = None, *, done_reason: str = "stop"
) -> dict[str, Any]:
    """Return a whole reply, which is also the last part of a stream."""
    ended = {"done": True, "done_reason": done_reason}
    return {**_STAMP, "message": said or message(), **ended, **COUNTS}


def chat_line(said: Mapping[str, Any]) -> bytes:
    """Return one part of a stream that goes on."""
    return json_line({**_STAMP, "message": said, "done": False})


def chat_stream(*words: str) -> list[bytes]:
    """Return a whole stream that says *words*."""
    lines = (chat_line(message(word)) for word in words)
    return [*lines, json_line(chat(message("")))]


def tags(*models: str) -> dict[str, Any]:
    """Return the list of the *models* that are there."""
    return {"models": [_tag(name) for name in models]}


def show(*capabilities: str, context_length: int = 4096) -> dict[str, Any]:
    """Return what is told of a model that chats, and has the *capabilities* too."""
    return {
        "details": _tag("stub-1")["details"],
        "model_info": {
            "general.architecture": "llama",
            "llama.context_length": context_length,
        },
        "capabilities": ["completion", *capabilities],
    }


def progress(
    status: str, *, completed: int | None = None, total: int | None = None
) -> bytes:
    """Return one line of the progress of a pull; numbers are those of one layer."""
    if total is None:
        return json_line({"status": status})
    layer = {"digest": _DIGEST, "total": total, "completed": completed or 0}
    return json_line({"status": status, **layer})


def pull(completed: Iterable[int] = (50, 100), *, total: int = 100) -> list[bytes]:
    """Return the progress of a whole pull, whose layer grows as *completed* says."""
    name = f"pulling {'0' * 12}"
    return [
        progress("pulling manifest"),
        *(progress(name, completed=count, total=total) for count in completed),
        progress("verifying sha256 digest"),
        progress("writing manifest"),
        progress("success"),
    ]


def _tag(name: str) -> dict[str, Any]:
    details = {
        "parent_model": "",
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "135M",
        "quantization_level": "Q4_K_M",
    }
    return {
        "name": name,
        "model": name,
        "modified_at": _STAMP["created_at"],
        "size": 100,
        "digest": _DIGEST.removeprefix("sha256:"),
        "details": details,
    }
