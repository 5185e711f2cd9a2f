"""Digests: of what is short at once, of the rest in a thread, while more comes."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Self

from pegboard.contracts.blob_content import in_thread

SHORT = 64 * 1024
"""Bytes whose digest is made sooner than a thread has begun to."""


async def digest_of(content: bytes) -> str:
    """Return the digest of *content*."""
    if len(content) <= SHORT:
        return _digest(content)
    return await in_thread(_digest, content)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class RunningDigest:
    """The digest of what was added so far; of nothing if none is *expected*."""

    def __init__(self, expected: str | None) -> None:
        self._expected = expected
        self._digest = hashlib.sha256()
        self._running: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._settle()

    async def add(self, piece: bytes) -> None:
        """Begin with *piece*, once the one before it is done."""
        await self._settle()
        if self._expected is not None:
            work = in_thread(self._digest.update, piece)
            self._running = asyncio.ensure_future(work)

    async def is_met(self) -> bool:
        """Return whether the digest is the one that was expected, if any was."""
        await self._settle()
        return self._expected in {None, self._digest.hexdigest()}

    async def _settle(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            await running
