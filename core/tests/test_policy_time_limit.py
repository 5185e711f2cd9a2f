"""Time limits, which are lent to one call after the other."""

import asyncio
import gc
import weakref
from contextvars import ContextVar

import pytest
from pegboard import Policy, errors
from pegboard._policy.stack import govern
from pegboard._policy.target import Target
from pegboard._policy.time_limit import KEPT
from pegboard.contracts.declare import Operation
from pegboard.deadline import ends_at
from pegboard.testing.clock import run_virtual


async def sleep(seconds):
    """Take *seconds*."""
    await asyncio.sleep(seconds)
    return seconds


def governed(**policy):
    """Return ``sleep`` under a policy, and its target."""
    rules = Policy(attempts=1, breaker={"enabled": False}, **policy)
    target = Target("llm.x", rules, "x", "pegboard-x")
    operation = Operation("sleep", repeatable=True, streams=False, method=sleep)
    return govern(sleep, operation, target), target


async def ended_at(call):
    """Return how *call* ended, and when."""
    try:
        result = await call
    except errors.CallError as error:
        result = type(error)
    return result, asyncio.get_running_loop().time()


def test_timer_of_an_earlier_call_does_not_end_a_later_one():
    """The second call runs beyond the end of the first, up to its own."""
    call, _ = governed(deadline=10)

    async def main():
        await call(1)
        await asyncio.sleep(5)
        return [await ended_at(call(9)), await ended_at(call(11))]

    assert run_virtual(main()) == [(9, 15.0), (errors.DeadlineExceeded, 25.0)]


def test_shorter_limit_after_a_longer_one_is_held():
    """A timer that is set too late for the next call is set anew."""
    call, _ = governed(deadline=100)

    async def main():
        await call(1)
        ends_at.set(4.0)
        return await ended_at(call(20))

    assert run_virtual(main()) == (errors.DeadlineExceeded, 4.0)


def test_each_of_many_calls_at_once_has_its_own_limit():
    """Also when there are more than are kept."""
    call, target = governed(deadline=10)

    async def main():
        for _ in range(2):
            calls = (ended_at(call(takes % 20)) for takes in range(5 * KEPT))
            found = await asyncio.gather(*calls)
        return [result for result, _ in found]

    expected = [
        takes % 20 if takes % 20 < 10 else errors.DeadlineExceeded
        for takes in range(5 * KEPT)
    ]
    assert run_virtual(main()) == expected
    assert len(target.time_limits._idle) == KEPT


def test_limit_belongs_to_its_loop():
    """A call in another loop gets a timer of that loop."""
    call, _ = governed(deadline=10)

    run_virtual(ended_at(call(1)))

    assert run_virtual(ended_at(call(99))) == (errors.DeadlineExceeded, 10.0)


async def test_timer_keeps_nothing_of_the_call_alive():
    """What a program puts into its context is not held until the timer goes off."""
    variable = ContextVar("variable")
    call, _ = governed(deadline=1000)

    class Request:
        """Something large."""

    async def handle():
        request = Request()
        variable.set(request)
        await call(0)
        return weakref.ref(request)

    kept = await asyncio.create_task(handle())
    await asyncio.sleep(0)
    gc.collect()

    assert kept() is None


@pytest.mark.parametrize("first", [1.0, 99.0])
def test_cancelling_is_not_mistaken_for_the_limit(first):
    """A cancelled call is cancelled, whoever had its limit before."""
    call, _ = governed(deadline=10)

    async def main():
        await ended_at(call(first))
        task = asyncio.create_task(call(9))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert run_virtual(main())


def test_timer_that_nobody_waits_for_goes_off_quietly():
    """Nothing is cancelled, and nothing is complained of."""
    call, _ = governed(deadline=10)
    complaints = []

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        await call(1)
        await asyncio.sleep(20)

    run_virtual(main())

    assert complaints == []
