"""One local server that answers as OpenAI, Anthropic, Gemini and Ollama do."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

REPLY = ["Hello", " there", "."]
STORY = ["word ", "more "] * 200
"""What is told to whoever asks for a story, a chunk for each."""

Message = dict[str, Any]


def openai_reply() -> Message:
    """Return a whole reply of Chat Completions."""
    message = {"role": "assistant", "content": "".join(REPLY)}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    told = {"id": "c-1", "created": 1, "model": "bench"}
    return {**told, "object": "chat.completion", "choices": [choice], "usage": usage}


def openai_stream(words: list[str]) -> bytes:
    """Return its events, one for each of *words*."""

    def chunk(delta: Message, reason: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        told = {"id": "c-1", "created": 1, "model": "bench", "choices": [choice]}
        return event({**told, "object": "chat.completion.chunk"})

    said = [chunk({"content": word}, None) for word in words]
    return b"".join(said) + chunk({}, "stop") + b"data: [DONE]\n\n"


def anthropic_reply() -> Message:
    """Return a whole reply of Messages."""
    return {
        "id": "m-1",
        "type": "message",
        "role": "assistant",
        "model": "bench",
        "content": [{"type": "text", "text": "".join(REPLY)}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 3},
    }


def anthropic_stream(words: list[str]) -> bytes:
    """Return its events, one for each of *words* and five around them."""
    block = {"type": "text", "text": ""}
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    usage = {"input_tokens": 9, "output_tokens": 3}
    start = {**anthropic_reply(), "content": []}
    deltas = [{"type": "text_delta", "text": word} for word in words]
    events: list[Message] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *[{"type": "content_block_delta", "index": 0, "delta": one} for one in deltas],
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": usage},
        {"type": "message_stop"},
    ]
    return b"".join(
        b"event: %s\n" % one["type"].encode() + event(one) for one in events
    )


def gemini_reply(text: str = "".join(REPLY), reason: str | None = "STOP") -> Message:
    """Return a whole reply of generateContent, or a piece of one."""
    content = {"role": "model", "parts": [{"text": text}]}
    candidate = {"content": content, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "bench"}


def gemini_stream(words: list[str]) -> bytes:
    """Return its events, one for each of *words*."""
    pieces = [event(gemini_reply(word, None)) for word in words[:-1]]
    return b"".join(pieces) + event(gemini_reply(words[-1]))


def ollama_reply(text: str = "".join(REPLY)) -> Message:
    """Return a whole reply of Ollama's chat, or the end of one."""
    durations = ("total", "load", "prompt_eval", "eval")
    return {
        "model": "bench",
        "created_at": "2026-01-02T03:04:05Z",
        "message": {"role": "assistant", "content": text},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 9,
        "eval_count": 3,
        **{f"{name}_duration": 1_000_000 for name in durations},
    }


def ollama_stream(words: list[str]) -> bytes:
    """Return its lines, one for each of *words*."""
    told = {"model": "bench", "created_at": "2026-01-02T03:04:05Z", "done": False}
    messages = [{"role": "assistant", "content": word} for word in words]
    lines = [{**told, "message": one} for one in messages]
    return b"".join(
        json.dumps(one).encode() + b"\n" for one in [*lines, ollama_reply("")]
    )


def event(told: Message) -> bytes:
    """Return a server-sent event."""
    return b"data: " + json.dumps(told).encode() + b"\n\n"


def http(kind: str, body: bytes) -> bytes:
    """Return an answer of the content type *kind*."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


def answers() -> dict[bytes, tuple[bytes, bytes, bytes]]:
    """Return the reply, the reply as a stream and the story, by a part of the path."""
    events, lines = "text/event-stream", "application/x-ndjson"
    known = {
        b"/chat/completions": (openai_reply, openai_stream, events),
        b"/messages": (anthropic_reply, anthropic_stream, events),
        b":streamGenerateContent": (gemini_reply, gemini_stream, events),
        b":generateContent": (gemini_reply, gemini_stream, events),
        b"/api/chat": (ollama_reply, ollama_stream, lines),
    }
    return {
        path: (
            http("application/json", json.dumps(reply()).encode()),
            http(kind, stream(REPLY)),
            http(kind, stream(STORY)),
        )
        for path, (reply, stream, kind) in known.items()
    }


def choose(
    known: dict[bytes, tuple[bytes, bytes, bytes]], path: bytes, body: bytes
) -> bytes:
    """Return the answer to a request."""
    found = [known[part] for part in known if part in path]
    if not found:
        return b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
    reply, stream, story = found[0]
    if b"story" in body:
        return story
    return stream if b'"stream":true' in body.replace(b" ", b"") else reply


def serve(port: Connection) -> None:
    """Answer whoever asks, in a process of its own."""
    known = answers()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2]
                body = await reader.readexactly(int(length.split(b"\r\n")[0] or 0))
                writer.write(choose(known, head.split(b" ", 2)[1], body))
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0, backlog=256)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def running() -> Iterator[str]:
    """Yield the address of a server that runs."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    server = spawn.Process(target=serve, args=(there,), daemon=True)
    server.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        server.terminate()
        server.join()
