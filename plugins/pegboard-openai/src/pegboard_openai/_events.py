"""The values of a stream: JSON in events or lines, as many as arrive at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

from httpx2 import RequestError
from openai import AsyncStream
from pydantic_core import from_json

FIELD = b"data:"
END = b"[DONE]"
"""What stands in the last event of a chat stream instead of JSON."""
SHORT = 0.1
"""Seconds in which the end of an answer follows its last event, if it does."""


class Events(AsyncStream[object]):
    """
    A stream of the SDK, read by fewer steps.

    The SDK makes an object of each line and one of each event, which costs more than
    everything else that happens to them.
    """

    async def values(self) -> AsyncGenerator[Iterator[Any], None]:
        """Yield the values of what arrives together."""
        cutter = EventCutter()
        pieces = self.response.aiter_bytes()
        async for piece in pieces:
            texts = cutter.cut(piece)
            if END in texts:
                yield map(from_json, texts[: texts.index(END)])
                await _drain(pieces)
                return
            yield map(from_json, texts)


class Lines(AsyncStream[object]):
    """A file of JSON values, one a line."""

    async def values(self) -> AsyncGenerator[Iterator[Any], None]:
        """Yield the values of what arrives together."""
        rest = b""
        async for piece in self.response.aiter_bytes():
            *lines, rest = (rest + piece).split(b"\n")
            yield map(from_json, filter(bytes.strip, lines))
        yield map(from_json, filter(bytes.strip, [rest]))


class EventCutter:
    """Cuts bytes, in whatever pieces they come, into the data of events."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[bytes] = []

    def cut(self, piece: bytes) -> list[bytes]:
        """Return the data of the events that *piece* completes."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        found = []
        for line in lines:
            if line.startswith(FIELD):
                self._lines.append(line[len(FIELD) :].strip())
            elif self._lines and line in {b"", b"\r"}:
                found.append(b"\n".join(self._lines))
                self._lines = []
        return found


async def _drain(pieces: AsyncIterator[bytes]) -> None:
    """Read to the end of the answer, so that its connection can be used again."""
    with suppress(TimeoutError, RequestError):
        async with asyncio.timeout(SHORT):
            async for _ in pieces:
                pass
