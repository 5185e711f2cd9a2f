"""What all composites are made of: targets, and the errors that these answer with."""

from __future__ import annotations

from contextlib import aclosing
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pegboard.contracts.chat import Finished
from pegboard.options import Options

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from pegboard.contracts.chat import ChatRequest, Reply, StreamEvent, Vendor
    from pegboard.descriptors import Context
    from pegboard.errors import CallError, RequestSent


class CompositeOptions(Options):
    """Who is asked."""

    targets: tuple[str, ...] = Field(min_length=1)
    """Names of other language models, in order."""


@dataclass(slots=True)
class Target:
    """Another instance, called under its own policy."""

    address: str
    chat: Any
    running: int = 0
    """How many of its calls from here have not ended."""

    async def complete(self, request: ChatRequest) -> Reply:
        """Return its reply, which says whose it is."""
        self.running += 1
        try:
            reply: Reply = await self.chat.complete(request)
        finally:
            self.running -= 1
        return replace(reply, provider_metadata=self._signed(reply.provider_metadata))

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent, None]:
        """Stream its reply, the end of which says whose it is."""
        self.running += 1
        try:
            async with aclosing(self.chat.stream(request)) as events:
                async for event in events:
                    yield self._sign(event)
        finally:
            self.running -= 1

    def _sign(self, event: StreamEvent) -> StreamEvent:
        if not isinstance(event, Finished):
            return event
        return replace(event, provider_metadata=self._signed(event.provider_metadata))

    def _signed(self, metadata: Vendor) -> Vendor:
        # Where composites are nested, the one who really answered has signed already.
        return {"pegboard": {"answered_by": self.address}, **metadata}


def targets_of(names: Iterable[str], context: Context) -> list[Target]:
    """Return the instances with *names*."""
    family = context.address.partition(".")[0]
    return [Target(f"{family}.{name}", context.targets[name]) for name in names]


def joined(errors: Sequence[CallError]) -> CallError:
    """Return an error like the last of *errors* that tells what each target said."""
    error = copy(errors[-1])
    error.message = "; ".join(map(str, errors))
    error.args = (error.message,)
    error.address = error.operation = None
    error.retryable = any(one.retryable for one in errors)
    error.retry_after = min(
        (e.retry_after for e in errors if e.retry_after), default=None
    )
    error.request_sent = _sent(errors)
    error.__cause__ = errors[0]
    if len(errors) > 1:
        error.__cause__ = ExceptionGroup("What the targets said", errors)
    return error


def _sent(errors: Sequence[CallError]) -> RequestSent:
    """Return whether any service may have acted on the request."""
    said = {error.request_sent for error in errors}
    return "yes" if "yes" in said else "maybe" if "maybe" in said else "no"
