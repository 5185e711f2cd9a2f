"""Governed calls against the raw google-genai SDK, both talking to one local server."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from statistics import median
from typing import TYPE_CHECKING, Any

from google import genai
from google.genai.types import HttpOptions
from pegboard import Message, Pegboard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from multiprocessing.connection import Connection

    Call = Callable[[], Awaitable[object]]

CALLS, ROUNDS, CHUNKS = 128, 9, 200
USAGE = {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12}


def answer(text: str, **more: object) -> bytes:
    """Return what the API answers, or a piece of it."""
    content = {"role": "model", "parts": [{"text": text}]}
    candidate = {"content": content, "index": 0, **more}
    whole = {"candidates": [candidate], "usageMetadata": USAGE, "modelVersion": "b"}
    return json.dumps(whole).encode()


def http(kind: bytes, body: bytes) -> bytes:
    """Return *body* as an answer of HTTP."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n%s"
    return head % (kind, len(body), body)


REPLY = http(b"application/json", answer("Hello there.", finishReason="STOP"))
PIECES = [answer("word ")] * (CHUNKS - 1) + [answer("end", finishReason="STOP")]
STREAM = http(b"text/event-stream", b"".join(b"data: %s\n\n" % one for one in PIECES))


def serve(port: Connection) -> None:
    """Answer every request alike, in a process of its own."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2]
                await reader.readexactly(int(length.split(b"\r\n")[0]))
                line = head.partition(b"\r\n")[0]
                writer.write(STREAM if b"streamGenerate" in line else REPLY)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def raw(client: genai.Client, messages: int) -> Mapping[str, Call]:
    """Return the calls of the SDK alone."""
    roles = [("user", "model")[number % 2] for number in range(messages)]
    contents: Any = [{"role": role, "parts": [{"text": "Hello."}]} for role in roles]
    models = client.aio.models

    async def complete() -> object:
        return await models.generate_content(model="bench", contents=contents)

    async def stream() -> None:
        async for _ in await models.generate_content_stream(
            model="bench", contents=contents
        ):
            pass

    return {"complete": complete, "stream": stream}


def governed(board: Pegboard, messages: int) -> Mapping[str, Call]:
    """Return the same calls through a board."""
    roles: Any = [("user", "assistant")[number % 2] for number in range(messages)]
    turns = [Message.of(role, "Hello.") for role in roles]
    llm = board.llm()

    async def complete() -> object:
        return await llm.complete(turns)

    async def stream() -> None:
        async with llm.stream(turns) as events:
            async for _ in events:
                pass

    return {"complete": complete, "stream": stream}


async def microseconds(call: Call, calls: int, at_once: int) -> float:
    """Return the client's CPU time of one *call*, on average."""
    start = time.process_time()
    for _ in range(calls // at_once):
        await asyncio.gather(*(call() for _ in range(at_once)))
    return (time.process_time() - start) / calls * 1e6


async def rows(client: genai.Client, board: Pegboard) -> Iterator[tuple[str, Any]]:
    """Return the name of each row with what both sides took."""
    measured = []
    for name, way, messages, at_once, calls, parts in (
        ("call with 2 messages", "complete", 2, 1, CALLS, 1),
        ("call with 2 messages, 64 at once", "complete", 2, 64, CALLS, 1),
        ("call with 50 messages", "complete", 50, 1, CALLS, 1),
        ("piece of a stream", "stream", 2, 1, 8, CHUNKS),
    ):
        pair = raw(client, messages)[way], governed(board, messages)[way]
        seen = [
            [await microseconds(call, calls, at_once) / parts for call in pair]
            for _ in range(ROUNDS)
        ]
        measured.append((name, seen[1:]))
    return iter(measured)


async def compare(base_url: str) -> None:
    """Print the table."""
    options = HttpOptions(base_url=base_url, api_version="v1")
    section = {
        "provider": "gemini",
        "model": "bench",
        "api_key": "k",
        "base_url": base_url,
    }
    client = genai.Client(api_key="k", http_options=options)
    print("| | raw SDK, µs of CPU | governed, µs of CPU | ratio |")
    print("| --- | ---: | ---: | ---: |")
    async with client.aio, Pegboard.isolated({"llm": {"default": section}}) as board:
        for name, seen in await rows(client, board):
            one, two = (median(column) for column in zip(*seen, strict=True))
            ratio = median(b / a for a, b in seen)
            print(f"| {name} | {one:.0f} | {two:.0f} | {ratio:.2f} |")


def main() -> None:
    """Start the server, compare, stop the server."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    server = spawn.Process(target=serve, args=(there,), daemon=True)
    server.start()
    try:
        asyncio.run(compare(f"http://127.0.0.1:{here.recv()}"))
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
