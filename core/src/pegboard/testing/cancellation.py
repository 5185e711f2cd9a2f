"""Cancel a coroutine at each place where it can be cancelled."""

from __future__ import annotations

import asyncio
import inspect
from types import coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator

    Make = Callable[[], Coroutine[Any, Any, object]]
    Check = Callable[[], Awaitable[object] | object]

MOST_STEPS = 10_000


async def cancel_at_every_await(make: Make, check: Check) -> int:
    """
    Cancel what *make* returns at its 1st suspension, a new one at its 2nd, and so on.

    *check* is called after each, and once more after the run that reached its end
    before it could be cancelled. Let it assert that nothing is left over: no lock
    held, no task, no connection. It may be a coroutine function.

    Returns:
        How many places there were.

    Raises:
        AssertionError: A cancellation was swallowed or turned into another error, or
            *check* raised it.

    """
    step = 1
    while await _run_to(step, make()):
        await _call(check)
        step += 1
        assert step <= MOST_STEPS, f"Still running after {MOST_STEPS} suspensions."
    await _call(check)
    return step - 1


async def _run_to(step: int, work: Coroutine[Any, Any, object]) -> bool:
    """Run *work*, cancel it at its suspension *step*, return whether it got there."""
    reached: list[int] = []
    task = asyncio.ensure_future(_cancel_at(step, work, reached))
    try:
        await asyncio.wait([task])
    finally:
        task.cancel()
    if not reached:
        task.result()
        return False
    assert task.cancelled(), f"The cancellation at suspension {step} {_fate(task)}."
    return True


def _fate(task: asyncio.Future[object]) -> str:
    error = task.exception()
    return f"was turned into {error!r}" if error else "was swallowed"


async def _call(check: Check) -> None:
    outcome = check()
    if inspect.isawaitable(outcome):
        await outcome


@coroutine
def _cancel_at(
    step: int, work: Coroutine[Any, Any, object], reached: list[int]
) -> Generator[Any, Any, object]:
    """Drive *work* by hand, as ``await`` does, and cancel its task on the way."""
    error: BaseException | None = None
    suspension = 0
    while True:
        try:
            awaited = work.send(None) if error is None else work.throw(error)
        except StopIteration as end:
            return end.value
        suspension += 1
        if suspension == step:
            reached.append(step)
            _cancel_current_task()
        error = None
        try:
            yield awaited
        except BaseException as thrown:  # noqa: BLE001 - it belongs to *work*
            error = thrown


def _cancel_current_task() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
