"""One attempt: bounded in time, its errors classified."""

from __future__ import annotations

import asyncio
import math
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from pegboard.deadline import ends_at
from pegboard.errors import CallError

if TYPE_CHECKING:
    from pegboard.observers import Call

    from .target import Method, Step, Target


def attempt(method: Method, target: Target) -> Step:
    """Return a step that calls *method* within the time of an attempt."""
    longest = target.policy.attempt_timeout

    async def step(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call.attempts += 1
        end = min(call.ends_at, call.clock() + longest)
        return await until(end, call, target, method, args, kwargs)

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
    limit = TimeLimit(end)
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
        ends_at.reset(token)


def _scoped(method: Method, call: Call) -> Method:
    """Return *method* within the contexts that observers of *call* asked for."""

    async def scoped(*args: Any, **kwargs: Any) -> Any:
        with ExitStack() as stack:
            for scope in call.scopes:
                stack.enter_context(scope())
            return await method(*args, **kwargs)

    return scoped


class TimeLimit:
    """
    Cancels the running task when its time is over.

    Does what ``asyncio.timeout_at`` does, for a third of its cost: every call pays it.
    """

    __slots__ = ("_cancelling", "_handle", "_is_over", "_task")

    def __init__(self, end: float) -> None:
        self._is_over = False
        self._handle = None
        if end == math.inf:
            return
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None  # noqa: S101 - a coroutine is run by a task
        self._task = task
        self._cancelling = task.cancelling()
        self._handle = loop.call_at(end, self._expire)

    def stop(self) -> bool:
        """End the limit; return whether it, and nothing else, cancelled the task."""
        if self._handle is not None:
            self._handle.cancel()
        return self._is_over and self._task.uncancel() <= self._cancelling

    def _expire(self) -> None:
        self._is_over = True
        self._task.cancel()
