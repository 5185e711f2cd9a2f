"""Server-sent events, as many at a time as have arrived. The SDK takes them singly."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from httpx2 import Response


FIRST = (b":", b"data:", b"event:", b"id:", b"retry:")
"""What a line of a stream begins with."""


async def events_of(answer: Response) -> AsyncGenerator[list[bytes], None]:
    """
    Yield what the events of *answer* say, as they arrive.

    Raises:
        ValueError: The answer is no stream of events, but a page, for example.

    """
    rest = b""
    async for piece in answer.aiter_bytes():
        *whole, rest = (rest + piece).replace(b"\r\n", b"\n").split(b"\n\n")
        if whole:
            yield [_text(event) for event in whole]
    if rest and not rest.startswith(FIRST):
        msg = f"{rest[:80]!r} is no event"
        raise ValueError(msg)


def _text(event: bytes) -> bytes:
    told = (one[5:] for one in event.split(b"\n") if one.startswith(b"data:"))
    return b"\n".join(told)
