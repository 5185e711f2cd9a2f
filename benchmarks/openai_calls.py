"""A governed call against the raw OpenAI SDK, both talking to one local server."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from statistics import median
from typing import TYPE_CHECKING, Any

from openai import AsyncOpenAI
from pegboard import Pegboard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from multiprocessing.connection import Connection

    Call = Callable[[], Awaitable[object]]

CALLS, ROUNDS = 192, 11
REPLY = json.dumps(
    {
        "id": "c-1",
        "object": "chat.completion",
        "created": 1,
        "model": "bench",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "Hello there."},
            }
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
    }
).encode()
HTTP = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
    % (len(REPLY), REPLY)
)


def serve(port: Connection) -> None:
    """Answer every request alike, in a process of its own."""

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2]
                await reader.readexactly(int(length.split(b"\r\n")[0]))
                writer.write(HTTP)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def raw(base_url: str) -> tuple[Call, AsyncOpenAI]:
    """Return a call of the SDK alone, without its retries."""
    client = AsyncOpenAI(api_key="k", base_url=base_url, max_retries=0)
    messages: Any = [{"role": "user", "content": "Say hello."}]

    async def call() -> object:
        return await client.chat.completions.create(model="bench", messages=messages)

    return call, client


def governed(base_url: str) -> tuple[Call, Pegboard]:
    """Return the same call through a board."""
    section = {
        "provider": "openai",
        "api": "chat",
        "model": "bench",
        "api_key": "k",
        "base_url": base_url,
    }
    board = Pegboard.isolated({"llm": {"default": section}})
    llm = board.llm()

    async def call() -> object:
        return await llm.complete("Say hello.")

    return call, board


async def microseconds(call: Call, at_once: int) -> float:
    """Return the client's CPU time of one *call*, on average."""
    start = time.process_time()
    for _ in range(CALLS // at_once):
        await asyncio.gather(*(call() for _ in range(at_once)))
    return (time.process_time() - start) / CALLS * 1e6


async def compare(base_url: str) -> None:
    """Print the table."""
    raw_call, client = raw(base_url)
    governed_call, board = governed(base_url)
    print("| at once | raw SDK, µs of CPU | governed, µs of CPU | ratio |")
    print("| ---: | ---: | ---: | ---: |")
    async with client, board:
        for at_once in (1, 64):
            seen = []
            for _ in range(ROUNDS):
                pair = [
                    await microseconds(c, at_once) for c in (raw_call, governed_call)
                ]
                seen.append(pair)
            one, two = (median(column) for column in zip(*seen[1:], strict=True))
            ratio = median(b / a for a, b in seen[1:])
            print(f"| {at_once} | {one:.0f} | {two:.0f} | {ratio:.2f} |")


def main() -> None:
    """Start the server, compare, stop the server."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    server = spawn.Process(target=serve, args=(there,), daemon=True)
    server.start()
    try:
        asyncio.run(compare(f"http://127.0.0.1:{here.recv()}/v1"))
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
