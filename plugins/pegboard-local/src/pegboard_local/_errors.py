"""Errors of llama.cpp, as pegboard's: one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegboard import errors
from pegboard.http import error_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pegboard.errors import CallError

BY_CLASS: Mapping[type[Exception], type[CallError]] = {
    ValueError: errors.InvalidRequest,
    RuntimeError: errors.InvalidReply,
}
"""What is wrong with the request is a ValueError, with the output a RuntimeError."""


def translated(error: Exception) -> CallError:
    """Return what *error*, raised while a job was done, is in pegboard's terms."""
    # A traceback would keep the model in memory for as long as the error is kept.
    error.__traceback__ = None
    if isinstance(error, errors.CallError):
        return error
    kind = BY_CLASS.get(type(error), errors.CallError)
    translation = kind(f"llama.cpp: {str(error) or type(error).__name__}")
    translation.__cause__ = error
    return translation


def reported(error: Mapping[str, Any]) -> CallError:
    """Return the error that llama.cpp describes by *error*."""
    if error.get("type") == "exceed_context_size_error":
        return _too_long(error)
    kind = error_class(int(error.get("code", 500)))
    return kind(f"llama.cpp: {error.get('message')}", code=error.get("type"))


def unread(error: Mapping[str, Any]) -> CallError:
    """
    Return the error of texts that were not embedded, which *error* describes.

    llama.cpp calls a text that is too long an error of the server, and has no name
    for it. Almost nothing else goes wrong there.
    """
    message = str(error.get("message")).rstrip(".")
    msg = f"llama.cpp: {message}. Send shorter texts, or raise context_length."
    return errors.InvalidRequest(msg, code=error.get("type"))


def closed() -> CallError:
    """Return the error of a reply whose model is closed before its end."""
    msg = "The model was closed before the reply was finished."
    return errors.Unavailable(msg, retryable=False)


def forked() -> CallError:
    """Return the error of a process that was forked too late."""
    msg = (
        "This process was forked from one that had loaded a model, and llama.cpp "
        "does not work in it. Start processes by 'spawn', or before the first call."
    )
    return errors.Unavailable(msg, retryable=False, request_sent="no")


def _too_long(error: Mapping[str, Any]) -> CallError:
    msg = (
        f"The messages have {error['n_prompt_tokens']} tokens; the model reads "
        f"{error['n_ctx']}. Send less, or raise context_length."
    )
    return errors.ContextLengthExceeded(msg, code=error["type"])
