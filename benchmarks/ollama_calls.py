"""A governed call against the raw Ollama SDK, both talking to one local server."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from statistics import median
from typing import TYPE_CHECKING, Any

from ollama import AsyncClient
from pegboard import Message, Pegboard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from multiprocessing.connection import Connection

    Call = Callable[[], Awaitable[object]]

CALLS, STREAMS, CHUNKS, ROUNDS = 192, 4, 400, 9
TOLD = {"model": "bench", "created_at": "2026-01-02T03:04:05Z"}
COUNTS = {
    "total_duration": 4_000_000,
    "load_duration": 1_000_000,
    "prompt_eval_count": 9,
    "prompt_eval_duration": 1_000_000,
    "eval_count": 3,
    "eval_duration": 2_000_000,
}


def line(words: str, **more: object) -> bytes:
    """Return a part of a reply."""
    message = {"role": "assistant", "content": words}
    return json.dumps({**TOLD, "message": message, **more}).encode() + b"\n"


def http(kind: str, *pieces: bytes) -> bytes:
    """Return an answer of the content type *kind*, each piece a chunk of its own."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return head.encode() + b"\r\n\r\n" + chunks + b"0\r\n\r\n"


END = {"done": True, "done_reason": "stop", **COUNTS}
WHOLE = http("application/json", line("Hello there.", **END))
WORDS = [line("word ", done=False)] * CHUNKS
STREAM = http("application/x-ndjson", *WORDS, line("", **END))


def serve(port: Connection) -> None:
    """Answer every request alike, in a process of its own."""

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2]
                body = await reader.readexactly(int(length.split(b"\r\n")[0]))
                writer.write(STREAM if b'"stream":true' in body else WHOLE)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


class Raw:
    """The SDK alone."""

    def __init__(self, url: str) -> None:
        self.client = AsyncClient(url)

    async def complete(self, turns: list[str]) -> object:
        """Send a conversation of *turns*."""
        return await self.client.chat(model="bench", messages=self._messages(turns))

    async def stream(self, turns: list[str]) -> object:
        """Read a stream to its end."""
        parts = await self.client.chat(
            model="bench", messages=self._messages(turns), stream=True
        )
        return [part async for part in parts]

    @staticmethod
    def _messages(turns: list[str]) -> list[dict[str, Any]]:
        return [
            {"role": role, "content": text}
            for role, text in zip(roles(turns), turns, strict=True)
        ]


class Governed:
    """The same through a board."""

    def __init__(self, url: str) -> None:
        section = {"provider": "ollama", "model": "bench", "host": url}
        self.client = Pegboard.isolated({"llm": {"default": section}})
        self.llm = self.client.llm()

    async def complete(self, turns: list[str]) -> object:
        """Send a conversation of *turns*."""
        return await self.llm.complete(self._messages(turns))

    async def stream(self, turns: list[str]) -> object:
        """Read a stream to its end."""
        async with self.llm.stream(self._messages(turns)) as events:
            return [event async for event in events]

    @staticmethod
    def _messages(turns: list[str]) -> list[Message]:
        return [
            Message.of(role, text)
            for role, text in zip(roles(turns), turns, strict=True)
        ]


def roles(turns: list[str]) -> list[Any]:
    """Return who says each of *turns*."""
    return ["user", "assistant"] * (len(turns) // 2) + ["user"] * (len(turns) % 2)


async def microseconds(call: Call, count: int, at_once: int) -> float:
    """Return the client's CPU time of one *call*, on average of *count*."""
    start = time.process_time()
    for _ in range(count // at_once):
        await asyncio.gather(*(call() for _ in range(at_once)))
    return (time.process_time() - start) / count * 1e6


async def compare(url: str) -> None:
    """Print the table."""
    sides = Raw(url), Governed(url)
    short, long = ["Say hello."] * 2, ["Say hello."] * 50
    rows = [
        ("2 messages, 1 at once", [lambda s=s: s.complete(short) for s in sides], 1),
        ("2 messages, 64 at once", [lambda s=s: s.complete(short) for s in sides], 64),
        ("50 messages, 1 at once", [lambda s=s: s.complete(long) for s in sides], 1),
        ("streamed chunk", [lambda s=s: s.stream(short) for s in sides], 0),
    ]
    print("| | raw SDK, µs of CPU | governed, µs of CPU | ratio |")
    print("| --- | ---: | ---: | ---: |")
    async with sides[0].client, sides[1].client:
        for name, calls, at_once in rows:
            seen = [await pair(calls, at_once) for _ in range(ROUNDS)][1:]
            one, two = (median(column) for column in zip(*seen, strict=True))
            ratio = median(b / a for a, b in seen)
            print(f"| {name} | {one:.0f} | {two:.0f} | {ratio:.2f} |")


async def pair(calls: list[Call], at_once: int) -> list[float]:
    """Return the times of both sides, of a chunk if *at_once* is 0."""
    if at_once:
        return [await microseconds(call, CALLS, at_once) for call in calls]
    return [await microseconds(call, STREAMS, 1) / CHUNKS for call in calls]


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
