"""Retry: the one place where a failed call is made again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegboard.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenacity import RetryCallState

    from pegboard.observers import Call
    from pegboard.policy import Policy

    from .target import Step, Target

    Attempt = Callable[[], Awaitable[Any]]


def retry(attempt: Step, target: Target, *, repeatable: bool) -> Step:
    """Return a step that makes *attempt* again as the policy allows."""
    policy, quota = target.policy, target.quota

    async def step(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            result = await attempt(call, args, kwargs)
        except CallError as error:
            # With a key the service itself sees to it that twice is once.
            is_safe = repeatable or kwargs.get("idempotency_key") is not None
            if policy.attempts == 1 or not _may_repeat(error, is_safe):
                raise
            first = error
        else:
            quota.give()
            return result
        again = Again(first, target, call, lambda: attempt(call, args, kwargs))
        return await again.run(repeatable=is_safe)

    return step


class Again:
    """A call whose first attempt has failed."""

    def __init__(
        self, first: CallError, target: Target, call: Call, attempt: Attempt
    ) -> None:
        self._failed = [first]
        self._target = target
        self._call = call
        self._attempt = attempt
        self._paid = 0
        self._is_broke = False

    async def run(self, *, repeatable: bool) -> Any:
        """Make the attempts that are left and return the result."""
        # Imported and run only after a failure: it costs more than the whole policy.
        from tenacity import AsyncRetrying, wait_random_exponential  # noqa: PLC0415

        policy = self._target.policy
        jitter = wait_random_exponential(policy.backoff, policy.max_backoff)
        retrying = AsyncRetrying(
            retry=lambda state: _may_repeat(_error(state), repeatable),
            wait=lambda state: max(jitter(state), _asked_wait(state)),
            stop=self._must_stop,
            before_sleep=self._tell,
            reraise=True,
        )
        try:
            result: Any = await retrying(self._next_attempt)
        except CallError as error:
            if self._is_broke:
                raise self._target.broke() from error
            raise
        self._target.quota.give(self._paid)
        return result

    async def _next_attempt(self) -> Any:
        if self._failed:
            raise self._failed.pop()
        return await self._attempt()

    def _must_stop(self, state: RetryCallState) -> bool:
        """Return whether no attempt is left, none would be in time, or none is paid."""
        if _is_over(state, self._call, self._target.policy):
            return True
        self._paid = self._target.quota.take(_error(state))
        self._is_broke = self._paid == 0
        return self._is_broke

    def _tell(self, state: RetryCallState) -> None:
        self._target.retry(self._call, _error(state), state.upcoming_sleep)


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
        or call.clock() + state.upcoming_sleep >= call.ends_at
    )


def _asked_wait(state: RetryCallState) -> float:
    return getattr(_error(state), "retry_after", None) or 0.0


def _error(state: RetryCallState) -> Any:
    return state.outcome.exception() if state.outcome else None
