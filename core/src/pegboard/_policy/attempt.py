"""One attempt: bounded in time, its errors classified."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from pegboard.deadline import ends_at
from pegboard.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from pegboard.observers import Call

    from .target import Method, Step, Target


def attempt(method: Method, target: Target) -> Step:
    """Return a step that calls *method* within the time of an attempt."""
    longest = target.policy.attempt_timeout

    # Not a coroutine itself, which would be one more to pass for every call.
    def step(
        call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Awaitable[Any]:
        call.attempts += 1
        end = min(call.ends_at, call.clock() + longest)
        return until(end, call, target, method, args, kwargs)

    return step


async def until(  # noqa: PLR0913, PLR0917 - on the way of every call: nothing is wrapped
    end: float,
    call: Call,
    target: Target,
    method: Method,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """
    Return what *method* returns, which knows that it may take until *end*.

    Raises:
        CallError: Whatever went wrong, in pegboard's terms.

    """
    if end <= call.clock():
        raise target.overdue(call, request_sent="no")
    if call.scopes:
        method = _scoped(method, call)
    token = ends_at.set(end)
    limit = target.time_limits.lend()
    limit.start(end)
    try:
        result = await method(*args, **kwargs)
    except asyncio.CancelledError:
        if limit.stop():
            raise target.overdue(call) from None
        raise
    except BaseException as error:
        limit.stop()
        if isinstance(error, CallError) or not isinstance(error, Exception):
            raise
        raise target.classified(error) from error
    else:
        limit.stop()
        return result
    finally:
        target.time_limits.take_back(limit)
        ends_at.reset(token)


def _scoped(method: Method, call: Call) -> Method:
    """Return *method* within the contexts that observers of *call* asked for."""

    async def scoped(*args: Any, **kwargs: Any) -> Any:
        with ExitStack() as stack:
            for scope in call.scopes:
                stack.enter_context(scope())
            return await method(*args, **kwargs)

    return scoped
