"""Errors of the server and of the way to it, as pegboard's: one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import httpx
from pegboard import errors
from pegboard.http import error_class, retry_after

if TYPE_CHECKING:
    from pegboard.errors import CallError, RequestSent

OWN_STATUS: Mapping[int, type[CallError]] = {503: errors.Overloaded}
"""Where Ollama means more than the status says: its queue is full."""
UNREADABLE = (LookupError, TypeError, AttributeError, ValueError)
"""What reading an answer raises that is not as the API describes it."""
KNOWN = (httpx.HTTPError, *UNREADABLE)
"""Everything that a call can raise because of the server or the way to it."""
NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

HINTS: Mapping[type[CallError], str] = {
    errors.Authentication: "Check api_key.",
    errors.ConnectionFailed: "Check host, and that Ollama is running there.",
    errors.Overloaded: "Call less at once, or raise OLLAMA_MAX_QUEUE of the server.",
}
LONGEST = 200
"""Characters of a page that is no error of Ollama's."""
NO_MODEL = "Pull it with 'ollama pull {}', or set auto_pull = true."
MOVED = "Set host to where it is now: {}."
NO_PATH = "Check host: there seems to be no Ollama."


def translated(
    error: Exception, model: str, clock: Callable[[], float], *, in_stream: bool = False
) -> CallError:
    """Return the error that stands for *error* of a call to *model*."""
    ours = _translated(error, model, clock)
    ours.in_stream = in_stream
    return ours


def is_missing(response: httpx.Response) -> bool:
    """Return whether *response* says that there is no such model."""
    return response.status_code == httpx.codes.NOT_FOUND and isinstance(
        _error_in(response), str
    )


def reported(answer: Any) -> CallError:
    """Return the error that *answer*, which came without a status, describes."""
    told = _words(answer["error"]) or "no reason given"
    return errors.Unavailable(_said("reported", told, errors.Unavailable))


def _translated(error: Exception, model: str, clock: Callable[[], float]) -> CallError:
    if isinstance(error, httpx.HTTPStatusError):
        return _refused(error.response, model, clock)
    if isinstance(error, UNREADABLE):
        msg = f"Ollama answered with something unreadable: {_named(error)}."
        return errors.InvalidReply(msg)
    return _interrupted(error)


def _refused(
    response: httpx.Response, model: str, clock: Callable[[], float]
) -> CallError:
    status = response.status_code
    kind = OWN_STATUS.get(status) or error_class(status)
    told = _words(_error_in(response)) or response.text[:LONGEST]
    message = f"{_said(f'answered {status}', told, kind)} {_advice(response, model)}"
    wait = retry_after(response.headers, now=clock())
    return kind(message.rstrip(), retry_after=wait, status=status)


def _advice(response: httpx.Response, model: str) -> str:
    """Return what to do, where that is not the same for all errors of the kind."""
    if response.has_redirect_location:
        return MOVED.format(response.headers["location"])
    if response.status_code != httpx.codes.NOT_FOUND:
        return ""
    return NO_MODEL.format(model) if is_missing(response) else NO_PATH


def _interrupted(error: Exception) -> CallError:
    late = isinstance(error, httpx.TimeoutException)
    kind = errors.Timeout if late else errors.ConnectionFailed
    sent: RequestSent = "no" if isinstance(error, NOT_CONNECTED) else "maybe"
    happened = "did not answer in time" if late else "could not be talked to"
    message = f"Ollama {happened}: {_named(error)}. {HINTS.get(kind, '')}".rstrip()
    return kind(message, request_sent=sent)


def _words(error: Any) -> str | None:
    """Return what *error* says; a proxy may put it as OpenAI does."""
    told = error.get("message") if isinstance(error, Mapping) else error
    return told if isinstance(told, str) else None


def _error_in(response: httpx.Response) -> Any:
    try:
        body = response.json()
    except ValueError:
        return None
    return body.get("error") if isinstance(body, Mapping) else None


def _said(how: str, message: str, kind: type[CallError]) -> str:
    sentence = message.strip().rstrip(". ") or "no reason given"
    return f"Ollama {how}: {sentence}. {HINTS.get(kind, '')}".rstrip()


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
