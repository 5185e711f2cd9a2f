"""
What the Gemini API sends, for scripts of ``FaultServer``: plain JSON values.

Requests go to ``/v1beta/models/MODEL:generateContent`` and, for a stream of
server-sent events, to ``:streamGenerateContent?alt=sse``. Checked with the SDK
``google-genai`` 3.4, which asks ``v1`` if its ``api_version`` is not set: replies,
streams, and which error it raises for each body, in and before a stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .scripted import server_sent_event

USAGE: Mapping[str, Any] = {
    "promptTokenCount": 11,
    "cachedContentTokenCount": 4,
    "candidatesTokenCount": 4,
    "thoughtsTokenCount": 3,
    "totalTokenCount": 18,
}
"""The prompt includes what was cached; thoughts stand beside the candidates."""
STATUS: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""The HTTP status that each status of the API comes with."""


def error(
    status: str = "UNAVAILABLE",
    message: str = "It went wrong.",
    *details: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the body of an error; its HTTP status is ``STATUS[status]``."""
    inner = {"code": STATUS[status], "message": message, "status": status}
    return {"error": {**inner, "details": list(details)} if details else inner}


def retry_info(seconds: float) -> dict[str, Any]:
    """Return the detail that asks to wait; no header does."""
    kind = "type.googleapis.com/google.rpc.RetryInfo"
    return {"@type": kind, "retryDelay": f"{seconds:g}s"}


def error_info(reason: str = "API_KEY_INVALID") -> dict[str, Any]:
    """Return the detail that names the reason; a wrong key comes with status 400."""
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }


def text(words: str = "Hello.") -> dict[str, Any]:
    """Return words as a part."""
    return {"text": words}


def thought(words: str, signature: str = "c2lnbmVk") -> dict[str, Any]:
    """Return signed thoughts as a part; the signature is base64."""
    return {"text": words, "thought": True, "thoughtSignature": signature}


def function_call(
    name: str, arguments: Mapping[str, Any], *, signature: str = "c2lnbmVk"
) -> dict[str, Any]:
    """Return a call of the function *name* as a part."""
    call = {"name": name, "args": dict(arguments)}
    return {"functionCall": call, "thoughtSignature": signature}


def response(
    *parts: Mapping[str, Any], finish_reason: str | None = "STOP", **more: object
) -> dict[str, Any]:
    """Return a whole reply that holds *parts*, ``Hello.`` if there are none."""
    content = {"role": "model", "parts": list(parts) or [text()]}
    candidate: dict[str, Any] = {"content": content, "index": 0}
    if finish_reason is not None:
        candidate["finishReason"] = finish_reason
    return {
        "candidates": [candidate],
        "usageMetadata": USAGE,
        "modelVersion": "stub-1",
        "responseId": "resp-1",
        **more,
    }


def grounding(*pages: str) -> dict[str, Any]:
    """Return what a reply says besides its words if a search found *pages*."""
    chunks = [{"web": {"uri": url, "title": "A page"}} for url in pages]
    return {"webSearchQueries": ["pegs"], "groundingChunks": chunks}


def blocked(reason: str = "PROHIBITED_CONTENT") -> dict[str, Any]:
    """Return the reply to a prompt that is refused: it has no candidates."""
    usage = {"promptTokenCount": 11, "totalTokenCount": 11}
    return {
        "promptFeedback": {"blockReason": reason},
        "usageMetadata": usage,
        "modelVersion": "stub-1",
        "responseId": "resp-1",
    }


def chunk(
    *parts: Mapping[str, Any], finish_reason: str | None = None, **more: object
) -> bytes:
    """Return one event of a stream, which is a reply with a part of the parts."""
    return server_sent_event(response(*parts, finish_reason=finish_reason, **more))


def error_event(status: str = "UNAVAILABLE", message: str = "It went wrong.") -> bytes:
    """Return an error within a stream, where the status has long been sent."""
    return server_sent_event(error(status, message))


def content_stream(*words: str) -> list[bytes]:
    """Return a whole stream that says *words*; the last one brings the end."""
    *first, last = words
    return [
        *(chunk(text(word)) for word in first),
        chunk(text(last), finish_reason="STOP"),
    ]
