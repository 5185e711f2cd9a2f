"""
What the OpenAI APIs send, for scripts of ``FaultServer``: plain JSON values.

Checked with the SDK ``openai`` 3.54 by the tests of ``pegboard-openai``, which read all
of it through the SDK. Images, batches and lists of models are as its types describe
them; no server was asked.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from .scripted import json_line, server_sent_event

CHAT_USAGE: Mapping[str, Any] = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
RESPONSES_USAGE: Mapping[str, Any] = {
    "input_tokens": 11,
    "output_tokens": 7,
    "total_tokens": 18,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "output_tokens_details": {"reasoning_tokens": 3},
}


def error(
    message: str = "It went wrong.",
    *,
    kind: str = "server_error",
    code: str | None = None,
) -> dict[str, Any]:
    """Return the body of an error, of both APIs."""
    inner = {"message": message, "type": kind, "param": None, "code": code}
    return {"error": inner}


def error_event(message: str = "It went wrong.", **more: Any) -> bytes:
    """Return an error within a chat stream, where the status has long been sent."""
    return server_sent_event(error(message, **more))


def chat_message(text: str | None = "Hello.", **more: object) -> dict[str, Any]:
    """Return what the model says, with *more* fields such as ``tool_calls``."""
    return {"role": "assistant", "content": text, **more}


def chat_tool_call(
    name: str, arguments: str, *, call_id: str = "call_1"
) -> dict[str, Any]:
    """Return a call of the function *name*; *arguments* is JSON text."""
    function = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def chat_completion(
    message: Mapping[str, Any] | None = None, *, finish_reason: str = "stop"
) -> dict[str, Any]:
    """Return a whole chat completion."""
    choice = {
        "index": 0,
        "message": message or chat_message(),
        "finish_reason": finish_reason,
        "logprobs": None,
    }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "stub-1",
        "choices": [choice],
        "usage": CHAT_USAGE,
    }


def chat_chunk(
    delta: Mapping[str, Any] | None = None, *, finish_reason: str | None = None
) -> bytes:
    """Return one event of a chat stream."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish_reason}
    return server_sent_event({**_CHUNK, "choices": [choice]})


def chat_usage_chunk() -> bytes:
    """Return the event that brings the usage, after the last choice."""
    return server_sent_event({**_CHUNK, "choices": [], "usage": CHAT_USAGE})


DONE = server_sent_event("[DONE]")
"""The last event of a chat stream."""


def chat_stream(*words: str) -> list[bytes]:
    """Return a whole chat stream that says *words*."""
    return [
        chat_chunk({"role": "assistant", "content": ""}),
        *(chat_chunk({"content": word}) for word in words),
        chat_chunk(finish_reason="stop"),
        chat_usage_chunk(),
        DONE,
    ]


def output_message(*content: Mapping[str, Any]) -> dict[str, Any]:
    """Return an output item of the Responses API that holds *content*."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": list(content),
    }


def output_text(
    text: str = "Hello.", *annotations: Mapping[str, Any]
) -> dict[str, Any]:
    """Return words as content of an output message."""
    return {"type": "output_text", "text": text, "annotations": list(annotations)}


def url_citation(url: str, title: str = "A page") -> dict[str, Any]:
    """Return what says of words that they rest on the page at *url*."""
    place = {"start_index": 0, "end_index": 1}
    return {"type": "url_citation", "url": url, "title": title, **place}


def web_search_call(query: str) -> dict[str, Any]:
    """Return an output item that has searched the web."""
    return {
        "id": "ws_1",
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": query},
    }


def function_call(
    name: str, arguments: str, *, call_id: str = "call_1"
) -> dict[str, Any]:
    """Return an output item that calls a function; *arguments* is JSON text."""
    return {
        "id": "fc_1",
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        "status": "completed",
    }


def reasoning_item(*summaries: str, encrypted: str = "b3BhcXVl") -> dict[str, Any]:
    """Return an output item with the encrypted thoughts of a model."""
    return {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text} for text in summaries],
        "encrypted_content": encrypted,
    }


def response(
    *output: Mapping[str, Any], status: str = "completed", **more: object
) -> dict[str, Any]:
    """Return a whole response of the Responses API."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "stub-1",
        "status": status,
        "error": None,
        "incomplete_details": None,
        "output": list(output) or [output_message(output_text())],
        "usage": RESPONSES_USAGE,
        **more,
    }


def response_event(kind: str, **fields: object) -> bytes:
    """Return one event of a responses stream."""
    return server_sent_event({"type": kind, **fields}, event=kind)


def response_stream(*words: str) -> list[bytes]:
    """Return a whole responses stream that says *words*."""
    whole = response(output_message(output_text("".join(words))))
    return [
        response_event("response.created", response={**whole, "output": []}),
        *(response_event("response.output_text.delta", delta=word) for word in words),
        response_event("response.output_item.done", item=whole["output"][0]),
        response_event("response.completed", response=whole),
    ]


def embeddings(*vectors: Sequence[float] | str) -> dict[str, Any]:
    """Return *vectors*, which are numbers or their bytes as base64."""
    made = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    return {"object": "list", "data": made, "model": "stub-1", "usage": usage}


def images(*pictures: bytes, **more: object) -> dict[str, Any]:
    """Return painted *pictures*, with *more* fields such as ``output_format``."""
    return {
        "created": 1,
        "data": [{"b64_json": b64encode(picture).decode()} for picture in pictures],
        "usage": {"input_tokens": 9, "output_tokens": 272, "total_tokens": 281},
        **more,
    }


def batch(status: str = "in_progress", **more: object) -> dict[str, Any]:
    """Return a batch, with *more* fields such as ``output_file_id``."""
    return {
        "id": "batch_1",
        "object": "batch",
        "endpoint": "/v1/responses",
        "errors": None,
        "input_file_id": "file-1",
        "completion_window": "24h",
        "status": status,
        "output_file_id": None,
        "error_file_id": None,
        "created_at": 1,
        "request_counts": {"total": 2, "completed": 0, "failed": 0},
        **more,
    }


def batch_line(
    name: str,
    answer: object = None,
    *,
    status: int = 200,
    error: Mapping[str, Any] | None = None,
) -> bytes:
    """Return a line of a batch's results: an *answer*, or the *error* without one."""
    told = {"status_code": status, "request_id": "req_1", "body": answer}
    response = None if answer is None else told
    line = {"id": "batch_req_1", "custom_id": name, "response": response}
    return json_line({**line, "error": error})


def models(*entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return a list of models, of which *entries* say at least the ``id``."""
    usual = {"object": "model", "created": 1, "owned_by": "openai"}
    return {"object": "list", "data": [{**usual, **entry} for entry in entries]}


_CHUNK: Mapping[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "stub-1",
}
