"""What calls take by the HTTP library of an SDK alone: bytes there, JSON back."""

from __future__ import annotations

import importlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from _ways import HELLO, STORY, Talk, messages
from pydantic_core import from_json

Json = dict[str, Any]


class Wire(NamedTuple):
    """How a service is asked, and where the words are in what it answers."""

    library: str
    whole: str
    pieces: str
    body: Callable[[str, int], Json]
    words: Callable[[Json], str]
    more: Callable[[Json], str]


def _chat(text: str, turns: int) -> Json:
    return {"model": "bench", "messages": messages(text, turns), "max_tokens": 100}


def _contents(text: str, turns: int) -> Json:
    roles = ("user", "model")
    return {
        "contents": [
            {"role": roles[n % 2], "parts": [{"text": text}]} for n in range(turns)
        ]
    }


def _of_gemini(reply: Json) -> str:
    return str(reply["candidates"][0]["content"]["parts"][0]["text"])


WIRES = {
    "openai": Wire(
        "httpx2",
        "/v1/chat/completions",
        "/v1/chat/completions",
        _chat,
        lambda reply: reply["choices"][0]["message"]["content"],
        lambda chunk: chunk["choices"][0]["delta"].get("content") or "",
    ),
    "anthropic": Wire(
        "httpx2",
        "/v1/messages",
        "/v1/messages",
        _chat,
        lambda reply: reply["content"][0]["text"],
        lambda event: event.get("delta", {}).get("text") or "",
    ),
    "gemini": Wire(
        "httpx2",
        "/v1/models/bench:generateContent",
        "/v1/models/bench:streamGenerateContent?alt=sse",
        _contents,
        _of_gemini,
        _of_gemini,
    ),
    "ollama": Wire(
        "httpx",
        "/api/chat",
        "/api/chat",
        _chat,
        lambda reply: reply["message"]["content"],
        lambda part: part["message"]["content"],
    ),
}


@asynccontextmanager
async def alone(provider: str, url: str, turns: int = 1) -> AsyncIterator[Talk]:
    """Ask with bodies that are made before, and read no more than the words."""
    wire = WIRES[provider]
    library: Any = importlib.import_module(wire.library)
    hello = json.dumps({**wire.body(HELLO, turns), "stream": False}).encode()
    story = json.dumps({**wire.body(STORY, turns), "stream": True}).encode()
    headers = {"content-type": "application/json"}
    async with library.AsyncClient(base_url=url, headers=headers) as client:

        async def complete() -> str:
            answer = await client.post(wire.whole, content=hello)
            return wire.words(from_json(answer.content))

        async def stream() -> str:
            asked = client.stream("POST", wire.pieces, content=story)
            async with asked as answer:
                lines = _lines(answer)
                return "".join([wire.more(from_json(line)) async for line in lines])

        yield complete, stream


async def _lines(answer: Any) -> AsyncIterator[bytes]:
    """Yield the JSON of each line that has some."""
    rest = b""
    async for piece in answer.aiter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            told = line.removeprefix(b"data:").strip()
            if told.startswith(b"{"):
                yield told
