"""
What the Anthropic API sends, for scripts of ``FaultServer``: plain JSON values.

Checked with the SDK ``anthropic`` 2.11: whole messages, both kinds of stream that it
has, and which error it raises for each body and event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .scripted import server_sent_event

USAGE: Mapping[str, Any] = {
    "input_tokens": 5,
    "cache_creation_input_tokens": 2,
    "cache_read_input_tokens": 4,
    "output_tokens": 7,
    "output_tokens_details": {"thinking_tokens": 3},
    "service_tier": "standard",
}
_OPAQUE: Mapping[str, Any] = {"encrypted_content": "b3BhcXVl", "page_age": None}
STATUS: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The HTTP status that each type of error comes with."""


def error(
    kind: str = "overloaded_error", message: str = "It went wrong."
) -> dict[str, Any]:
    """Return the body of an error; its status is ``STATUS[kind]``."""
    inner = {"type": kind, "message": message}
    return {"type": "error", "error": inner, "request_id": "req_1"}


def text(words: str = "Hello.") -> dict[str, Any]:
    """Return words as a block of a message."""
    return {"type": "text", "text": words, "citations": None}


def thinking(words: str, signature: str = "c2lnbmVk") -> dict[str, Any]:
    """Return signed thoughts as a block of a message."""
    return {"type": "thinking", "thinking": words, "signature": signature}


def tool_use(
    name: str, arguments: Mapping[str, Any], *, call_id: str = "toolu_1"
) -> dict[str, Any]:
    """Return a call of the tool *name* as a block of a message."""
    return {"type": "tool_use", "id": call_id, "name": name, "input": dict(arguments)}


def web_search(query: str, *pages: str, call_id: str = "srvtoolu_1") -> list[Any]:
    """Return the two blocks of a search of the web that found *pages*."""
    call = {"type": "server_tool_use", "id": call_id, "name": "web_search"}
    found = [
        {"type": "web_search_result", "url": url, "title": "A page", **_OPAQUE}
        for url in pages
    ]
    result = {"type": "web_search_tool_result", "tool_use_id": call_id}
    return [{**call, "input": {"query": query}}, {**result, "content": found}]


def web_citation(url: str, quote: str = "As read there.") -> dict[str, Any]:
    """Return what says of words that they rest on the page at *url*."""
    kind = "web_search_result_location"
    told = {"type": kind, "url": url, "title": "A page", "cited_text": quote}
    return {**told, "encrypted_index": "b3BhcXVl"}


def message(
    *blocks: Mapping[str, Any], stop_reason: str | None = "end_turn", **more: object
) -> dict[str, Any]:
    """Return a whole message that holds *blocks*, ``Hello.`` if there are none."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "stub-1",
        "content": list(blocks) or [text()],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": USAGE,
        **more,
    }


def event(kind: str, **fields: object) -> bytes:
    """Return one event of a stream."""
    return server_sent_event({"type": kind, **fields}, event=kind)


PING = event("ping")
"""Comes at any time and means nothing."""


def error_event(
    kind: str = "overloaded_error", message: str = "It went wrong."
) -> bytes:
    """Return an error within a stream, where the status has long been sent."""
    return server_sent_event(error(kind, message), event="error")


def block_start(index: int, block: Mapping[str, Any]) -> bytes:
    """Return the event that begins a block; *block* is still empty."""
    return event("content_block_start", index=index, content_block=block)


def block_delta(index: int, kind: str, **fields: object) -> bytes:
    """Return more of a block: ``block_delta(0, "text_delta", text="Hel")``."""
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def block_stop(index: int) -> bytes:
    """Return the event that ends a block."""
    return event("content_block_stop", index=index)


def message_start() -> bytes:
    """Return the first event, with the usage so far."""
    usage = {**USAGE, "output_tokens": 1, "output_tokens_details": None}
    started = message(stop_reason=None, content=[], usage=usage)
    return event("message_start", message=started)


def message_end(stop_reason: str = "end_turn") -> list[bytes]:
    """Return the last two events; the usage among them is that of the whole."""
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    return [event("message_delta", delta=delta, usage=USAGE), event("message_stop")]


def text_block(*words: str, index: int = 0) -> list[bytes]:
    """Return the events of a block that says *words*."""
    deltas = (block_delta(index, "text_delta", text=word) for word in words)
    return [block_start(index, text("")), *deltas, block_stop(index)]


def tool_use_block(name: str, *json_pieces: str, index: int = 0) -> list[bytes]:
    """Return the events of a tool call whose arguments come in *json_pieces*."""
    deltas = (
        block_delta(index, "input_json_delta", partial_json=piece)
        for piece in json_pieces
    )
    return [block_start(index, tool_use(name, {})), *deltas, block_stop(index)]


def message_stream(*words: str) -> list[bytes]:
    """Return a whole stream that says *words*."""
    return [message_start(), PING, *text_block(*words), *message_end()]
