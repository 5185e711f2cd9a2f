"""
What decides whether an attempt may be made: limits first, then the breaker.

Each guard of a target is asked anew for every attempt. What it lent comes back when
the attempt has ended, a stream's when the stream has.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pegboard.errors import (
    CallError,
    CircuitOpen,
    ConnectionFailed,
    DeadlineExceeded,
    InvalidReply,
    Overloaded,
    RateLimited,
    Timeout,
    Unavailable,
)

from .tokens import expected_tokens, spent_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from pegboard.observers import Call

    from .breaker import Outcome
    from .limits import Bulkhead, Rate
    from .target import Step, Target

    End = Callable[[BaseException | None, Any], None]

FAILURES = (Timeout, ConnectionFailed, Unavailable, InvalidReply)
"""The errors that speak against the service."""


def break_circuit(inner: Step, target: Target) -> Step:
    """Return *inner*, refused while the breaker of *target* is open."""

    # Every call passes here, so nothing is made that only a stream needs.
    async def step(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        breaker = target.breaker_of(call.request)
        permit = breaker.acquire(call.clock())
        if permit is None:
            raise _refusal(breaker.wait(call.clock()), target.section)
        try:
            result = await inner(call, args, kwargs)
        except BaseException as error:
            breaker.settle(permit, outcome_of(error), call.clock())
            raise
        if call.streams:
            call.at_end.append(
                lambda error, _: breaker.settle(permit, outcome_of(error), call.clock())
            )
        else:
            breaker.settle(permit, "success", call.clock())
        return result

    return step


def limit_rate(
    inner: Step, rate: Rate, section: str, amount: Callable[[Any], float]
) -> Step:
    """Return *inner*, begun no faster than *rate* allows."""

    async def step(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        share = amount(call.request)
        wait = rate.take(share, call.clock())
        if wait:
            await _wait_turn(rate, share, wait, call, section)

        def end(error: BaseException | None, _result: Any) -> None:
            if isinstance(error, RateLimited):
                rate.slow_down()
            elif error is None:
                rate.speed_up()

        return await _lent(inner, end, call, args, kwargs)

    return step


def limit_tokens(inner: Step, rate: Rate, section: str) -> Step:
    """Return *inner*, begun no faster than its tokens are allowed."""
    paced = limit_rate(inner, rate, section, expected_tokens)

    async def step(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        expected = expected_tokens(call.request)

        def end(_error: BaseException | None, result: Any) -> None:
            spent = spent_tokens(result)
            if spent is not None:
                rate.give(expected - spent)

        return await _lent(paced, end, call, args, kwargs)

    return step


def limit_concurrency(inner: Step, bulkhead: Bulkhead, section: str) -> Step:
    """Return *inner*, of which only so many run at once."""

    async def step(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            async with asyncio.timeout_at(call.ends_at):
                await bulkhead.enter()
        except TimeoutError:
            msg = (
                "waited for a place until the deadline. Raise concurrency in "
                f"{section}, or call less at once."
            )
            raise Overloaded(msg, retryable=False) from None

        def end(_error: BaseException | None, _result: Any) -> None:
            bulkhead.leave()

        return await _lent(inner, end, call, args, kwargs)

    return step


def outcome_of(error: BaseException | None) -> Outcome:
    """Return what *error*, or None, says of the service."""
    if error is None:
        return "success"
    is_unasked = isinstance(error, DeadlineExceeded) and error.request_sent == "no"
    is_failure = isinstance(error, FAILURES) and not is_unasked
    return "failure" if is_failure else "neutral"


async def _lent(
    inner: Step, end: End, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Return the result of *inner*, calling *end* once when all of it has ended."""
    try:
        result = await inner(call, args, kwargs)
    except BaseException as error:
        end(error, None)
        raise
    if call.streams:
        call.at_end.append(end)
    else:
        end(None, result)
    return result


async def _wait_turn(
    rate: Rate, share: float, wait: float, call: Call, section: str
) -> None:
    if call.clock() + wait >= call.ends_at:
        rate.give(share)
        msg = (
            f"the limits of {section} would make it wait {wait:.3g} s, which is "
            "longer than its deadline. Raise the limit, or call less often."
        )
        raise RateLimited(msg, retry_after=wait, retryable=False)
    try:
        await asyncio.sleep(wait)
    except BaseException:
        rate.give(share)
        raise


def _refusal(wait: float, section: str) -> CallError:
    msg = (
        "has failed too often lately and is left alone"
        f"{f' for another {wait:.3g} s' if wait else ' while others try it'}. "
        f"See breaker in {section}."
    )
    return CircuitOpen(msg, retry_after=wait)
