"""Server-sent events, as many at a time as have arrived. The SDK takes them singly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from httpx2 import Response


async def events_of(answer: Response) -> AsyncGenerator[list[Any], None]:
    """
    Yield the JSON values of the events of *answer* as they arrive.

    Raises:
        ValueError: An event is not JSON.

    """
    rest = b""
    async for piece in answer.aiter_bytes():
        *whole, rest = (rest + piece).replace(b"\r\n", b"\n").split(b"\n\n")
        if whole:
            yield [json.loads(text) for text in map(_text, whole) if text]


def _text(event: bytes) -> str:
    lines = event.split(b"\n")
    told: Iterable[bytes] = (one[5:] for one in lines if one.startswith(b"data:"))
    return b"\n".join(told).decode()
