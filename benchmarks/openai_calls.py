"""Governed calls against the raw OpenAI SDK, both talking to one local server."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from statistics import median
from typing import TYPE_CHECKING, Any

from openai import AsyncOpenAI
from pegboard import LLM, Message, Pegboard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from multiprocessing.connection import Connection

    Call = Callable[[], Awaitable[object]]

AT_ONCE = (1, 64)
ROUNDS = 9
CALLS = 128
STREAMS = 64
CHUNKS = 100
TURNS = (2, 50)
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


def chunk(**choice: object) -> bytes:
    """Return one event of a stream."""
    told = {"index": 0, "delta": {}, "finish_reason": None, **choice}
    whole = {
        "id": "c-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "bench",
        "choices": [told],
    }
    return b"data: " + json.dumps(whole).encode() + b"\n\n"


STREAM = (
    chunk(delta={"content": " word"}) * CHUNKS
    + chunk(finish_reason="stop")
    + b"data: [DONE]\n\n"
)


def http(kind: str, body: bytes) -> bytes:
    """Return a whole answer."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


WHOLE, PIECES = http("application/json", REPLY), http("text/event-stream", STREAM)


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
                writer.write(PIECES if b'"stream":true' in body else WHOLE)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=2**20)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def turns(count: int) -> list[dict[str, str]]:
    """Return a conversation of *count* messages."""
    roles = ("user", "assistant")
    text = "Say hello to everyone who is here, and tell them what there is to do."
    return [{"role": roles[n % 2], "content": text} for n in range(count)]


def raw_call(client: AsyncOpenAI, count: int) -> Call:
    """Return a call of the SDK alone, without its retries."""
    messages: Any = turns(count)

    async def call() -> object:
        return await client.chat.completions.create(model="bench", messages=messages)

    return call


def raw_stream(client: AsyncOpenAI) -> Call:
    """Return the reading of a stream through the SDK alone."""
    messages: Any = turns(2)

    async def call() -> object:
        words = []
        async with await client.chat.completions.create(
            model="bench", messages=messages, stream=True
        ) as chunks:
            async for one in chunks:
                words += [choice.delta.content or "" for choice in one.choices]
        return "".join(words)

    return call


def governed_call(llm: LLM, count: int) -> Call:
    """Return the same call through a board."""
    prompt = [Message.of(one["role"], one["content"]) for one in turns(count)]

    async def call() -> object:
        return await llm.complete(prompt)

    return call


def governed_stream(llm: LLM) -> Call:
    """Return the reading of the same stream through a board."""
    prompt = [Message.of(one["role"], one["content"]) for one in turns(2)]

    async def call() -> object:
        async with llm.stream(prompt) as stream:
            return "".join([text async for text in stream.text])

    return call


def board_at(base_url: str) -> Pegboard:
    """Return a board whose default model is at the server."""
    section = {
        "provider": "openai",
        "api": "chat",
        "model": "bench",
        "api_key": "k",
        "base_url": base_url,
    }
    return Pegboard.isolated({"llm": {"default": section}})


async def microseconds(call: Call, count: int, at_once: int) -> float:
    """Return the client's CPU time of one *call*, on average of *count*."""
    start = time.process_time()
    for _ in range(count // at_once):
        await asyncio.gather(*(call() for _ in range(at_once)))
    return (time.process_time() - start) / count * 1e6


async def measure(
    raw: Call, governed: Call, count: int, at_once: int
) -> tuple[float, float, float]:
    """Return what each costs, and how many times the first the second is."""
    seen = [
        [await microseconds(call, count, at_once) for call in (raw, governed)]
        for _ in range(ROUNDS + 1)
    ][1:]
    one, two = (median(column) for column in zip(*seen, strict=True))
    return one, two, median(b / a for a, b in seen)


async def compare(base_url: str) -> None:
    """Print the table."""
    print("| what | at once | raw SDK, µs of CPU | governed, µs of CPU | ratio |")
    print("| --- | ---: | ---: | ---: | ---: |")
    client = AsyncOpenAI(api_key="k", base_url=base_url, max_retries=0)
    async with client, board_at(base_url) as board:
        llm = board.llm()
        pairs = [
            (f"{n} messages", raw_call(client, n), governed_call(llm, n), CALLS, 1)
            for n in TURNS
        ]
        streams = raw_stream(client), governed_stream(llm)
        pairs.append(("a chunk of a stream", *streams, STREAMS, CHUNKS))
        for what, raw, governed, count, parts in pairs:
            for at_once in AT_ONCE:
                one, two, ratio = await measure(raw, governed, count, at_once)
                figures = f"{one / parts:.0f} | {two / parts:.0f} | {ratio:.2f}"
                print(f"| {what} | {at_once} | {figures} |")


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
