"""Server-sent events, as many at a time as have arrived. The SDK takes them singly."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from httpx2 import Response


async def events_of(answer: Response) -> AsyncGenerator[list[str], None]:
    """Yield what the events of *answer* say, as they arrive."""
    rest = b""
    async for piece in answer.aiter_bytes():
        *whole, rest = (rest + piece).replace(b"\r\n", b"\n").split(b"\n\n")
        if whole:
            yield [_text(event) for event in whole]


def _text(event: bytes) -> str:
    told = (one[5:] for one in event.split(b"\n") if one.startswith(b"data:"))
    return b"\n".join(told).decode(errors="replace")
