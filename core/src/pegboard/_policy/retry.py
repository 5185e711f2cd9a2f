"""Retry: the one place where a failed call is made again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pegboard.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenacity import RetryCallState

    from pegboard.observers import Call
    from pegboard.policy import Policy

    from .target import Step, Target

    Again = Callable[[], Awaitable[Any]]


def retry(attempt: Step, target: Target, *, repeatable: bool) -> Step:
    """Return a step that makes *attempt* again as the policy allows."""
    policy = target.policy

    async def step(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return await attempt(call, args, kwargs)
        except CallError as error:
            if policy.attempts == 1 or not _may_repeat(error, repeatable):
                raise
            first = error
        return await _go_on(first, call, lambda: attempt(call, args, kwargs))

    async def _go_on(first: CallError, call: Call, again: Again) -> Any:
        # Imported and run only after a failure: it costs more than the whole policy.
        from tenacity import AsyncRetrying, wait_random_exponential  # noqa: PLC0415

        jitter = wait_random_exponential(policy.backoff, policy.max_backoff)
        failed = [first]

        async def next_attempt() -> Any:
            if failed:
                raise failed.pop()
            return await again()

        return await AsyncRetrying(
            retry=lambda state: _may_repeat(_error(state), repeatable),
            wait=lambda state: max(jitter(state), _asked_wait(state)),
            stop=lambda state: _is_over(state, call, policy),
            before_sleep=lambda state: target.retry(
                call, _error(state), state.upcoming_sleep
            ),
            reraise=True,
        )(next_attempt)

    return step


def _may_repeat(error: BaseException | None, repeatable: bool) -> bool:  # noqa: FBT001 - private
    """Return whether the call can be made again without doing its work twice."""
    if not isinstance(error, CallError) or error.in_stream:
        return False
    return error.retryable and (repeatable or error.request_sent == "no")


def _is_over(state: RetryCallState, call: Call, policy: Policy) -> bool:
    """Return whether no further attempt is allowed, or none would be in time."""
    return (
        state.attempt_number >= policy.attempts
        or _asked_wait(state) > policy.max_retry_after
        or asyncio.get_running_loop().time() + state.upcoming_sleep >= call.ends_at
    )


def _asked_wait(state: RetryCallState) -> float:
    return getattr(_error(state), "retry_after", None) or 0.0


def _error(state: RetryCallState) -> Any:
    return state.outcome.exception() if state.outcome else None
