"""One attempt: bounded in time, its errors classified."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from pegboard.deadline import ends_at
from pegboard.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pegboard.observers import Call

    from .target import Method, Step, Target


def attempt(method: Method, target: Target) -> Step:
    """Return a step that calls *method* within the time of an attempt."""
    longest = target.policy.attempt_timeout

    async def step(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call.attempts += 1
        end = min(call.ends_at, asyncio.get_running_loop().time() + longest)
        return await until(end, call, target, lambda: method(*args, **kwargs))

    return step


async def until(
    end: float, call: Call, target: Target, work: Callable[[], Awaitable[Any]]
) -> Any:
    """
    Return the result of *work*, which knows that it may take until *end*.

    Raises:
        CallError: Whatever went wrong, in pegboard's terms.

    """
    if end <= asyncio.get_running_loop().time():
        raise target.overdue(call, request_sent="no")
    token = ends_at.set(end)
    limit = asyncio.timeout_at(None if end == math.inf else end)
    try:
        async with limit:
            return await work()
    except CallError:
        raise
    except Exception as error:
        if limit.expired() and isinstance(error, TimeoutError):
            raise target.overdue(call) from None
        raise target.classified(error) from error
    finally:
        ends_at.reset(token)
