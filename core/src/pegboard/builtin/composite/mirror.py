"""Mirror: others get a copy of each request, to be compared with who answers."""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing
from typing import TYPE_CHECKING

from pydantic import Field

from pegboard.deadline import ends_at
from pegboard.errors import CallError

from .target import CompositeOptions, joined, targets_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pegboard.contracts.chat import ChatRequest, Reply, StreamEvent
    from pegboard.descriptors import Context

    from .target import Target


class MirrorOptions(CompositeOptions):
    """Who answers: the first; the others get copies."""

    max_in_flight: int = Field(default=10, ge=1)
    """Most copies on their way; those above it are dropped."""


class Mirror:
    """Has the first target answer, and asks the others the same in the background."""

    def __init__(self, options: MirrorOptions, context: Context) -> None:
        self._first, *self._others = targets_of(options.targets, context)
        self._most = options.max_in_flight
        self._copies: set[asyncio.Task[None]] = set()
        self.finished = 0
        """How many copies were answered."""
        self.failed = 0
        """How many were answered with an error."""
        self.dropped = 0
        """How many were not sent, because too many were on their way."""

    async def complete(self, request: ChatRequest) -> Reply:
        """Return the reply of the first target; then send the copies."""
        try:
            reply = await self._first.complete(request)
        except CallError as error:
            raise joined([error]) from error
        self._send_copies(request)
        return reply

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent, None]:
        """Stream the reply of the first target; send copies when it has ended."""
        try:
            async with aclosing(self._first.stream(request)) as events:
                async for event in events:
                    yield event
        except CallError as error:
            raise joined([error]) from error
        self._send_copies(request)

    async def aclose(self) -> None:
        """Cancel the copies that are on their way in this event loop."""
        # Copies of another loop were cancelled when that loop ended.
        here = asyncio.get_running_loop()
        copies = [copy for copy in self._copies if copy.get_loop() is here]
        for copy in copies:
            copy.cancel()
        if copies:
            await asyncio.wait(copies)

    def _send_copies(self, request: ChatRequest) -> None:
        for target in self._others:
            if len(self._copies) >= self._most:
                self.dropped += 1
                continue
            copy = asyncio.create_task(self._send(target, request))
            self._copies.add(copy)
            copy.add_done_callback(self._copies.discard)

    async def _send(self, target: Target, request: ChatRequest) -> None:
        # The deadline of the answer is none of the copy's; its own policy bounds it.
        ends_at.set(math.inf)
        try:
            await target.complete(request)
        except Exception:  # noqa: BLE001 - a copy may fail as it likes
            self.failed += 1
        else:
            self.finished += 1
