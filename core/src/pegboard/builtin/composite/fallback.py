"""Fallback: the next target is asked where one has failed."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from pegboard.builtin.error_names import CALL_ERRORS, ErrorName
from pegboard.deadline import time_left
from pegboard.draft import Draft
from pegboard.errors import CallError, InvalidReply
from pegboard.options import Function
from pegboard.schema import parsed

from .target import CompositeOptions, joined, targets_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pegboard.contracts.chat import ChatRequest, Reply, StreamEvent
    from pegboard.descriptors import Context

    from .target import Target


class FallbackOptions(CompositeOptions):
    """Who is asked in turn, and when the turn goes on."""

    on: tuple[ErrorName, ...] = (
        "Authentication",
        "PermissionDenied",
        "NotFound",
        "RateLimited",
        "QuotaExceeded",
        "Timeout",
        "ConnectionFailed",
        "Unavailable",
        "InvalidReply",
        "CallError",
    )
    """Errors that pass the turn on; ``CallError`` is those of no class of their own."""
    accept: Function | None = None
    """Function that returns whether a reply will do. Holds streams back until then."""


class AcceptFailed(CallError):
    """The function ``accept`` raised, or returned neither true nor false."""


class Fallback:
    """Asks one target after the other until one answers."""

    def __init__(self, options: FallbackOptions, context: Context) -> None:
        self._targets = targets_of(options.targets, context)
        self._kinds = tuple(CALL_ERRORS[name] for name in options.on)
        self._accept = options.accept

    async def complete(self, request: ChatRequest) -> Reply:
        """Return the first reply that will do."""
        errors: list[CallError] = []
        for target in self._targets:
            try:
                reply = await target.complete(request)
                self._check(target, request, reply)
            except CallError as error:
                errors.append(error)
                if not self._goes_on(error):
                    break
            else:
                return reply
        raise joined(errors)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent, None]:
        """Stream the first reply that begins, or with ``accept`` that will do."""
        errors: list[CallError] = []
        for target in self._targets:
            async with aclosing(self._events(target, request)) as events:
                try:
                    event = await anext(events, None)
                except CallError as error:
                    errors.append(error)
                    if not self._goes_on(error):
                        break
                    continue
                try:
                    while event is not None:
                        yield event
                        event = await anext(events, None)
                except CallError as error:
                    raise joined([error]) from error
                return
        raise joined(errors)

    async def _events(
        self, target: Target, request: ChatRequest
    ) -> AsyncGenerator[StreamEvent, None]:
        async with aclosing(target.stream(request)) as events:
            if self._accept is None:
                async for event in events:
                    yield event
                return
            draft, held = Draft(request), []
            async for event in events:
                draft.add(event)
                held.append(event)
            self._check(target, request, draft.reply())
        for event in held:
            yield event

    def _goes_on(self, error: CallError) -> bool:
        """Return whether the next target is asked after *error*."""
        if time_left() == 0:
            return False
        if type(error) is CallError:
            return CallError in self._kinds
        return isinstance(error, tuple(k for k in self._kinds if k is not CallError))

    def _check(self, target: Target, request: ChatRequest, reply: Reply) -> None:
        if request.schema is not None and not reply.tool_calls:
            parsed(reply, request.schema)
        if self._accept is None or self._is_accepted(self._accept, reply):
            return
        msg = f"{target.address}: the reply was not accepted."
        error = InvalidReply(msg, request_sent="yes")
        error.partial = reply
        raise error

    def _is_accepted(self, accept: Any, reply: Reply) -> bool:
        try:
            answer = accept(reply)
        except Exception as error:
            msg = f"accept failed: {type(error).__name__}: {error}."
            raise AcceptFailed(msg, request_sent="yes") from error
        if isinstance(answer, bool):
            return answer
        msg = f"accept returned a {type(answer).__name__}, neither true nor false."
        raise AcceptFailed(msg, request_sent="yes")
