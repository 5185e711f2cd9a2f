"""Limits and the retry quota: alone, and through the policy in virtual time."""

import asyncio
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard import (
    ChatRequest,
    Finished,
    Message,
    Policy,
    Reply,
    Text,
    TextDelta,
    Usage,
    errors,
)
from pegboard._policy.limits import Bulkhead, Rate
from pegboard._policy.quota import RetryQuota
from pegboard._policy.stack import govern
from pegboard._policy.target import Target
from pegboard.contracts.declare import Operation
from pegboard.testing.cancellation import cancel_at_every_await
from pegboard.testing.clock import run_virtual


async def work():
    """Stand for the declaration of an operation."""


def governed(method, *, streams=False, **policy):
    """Return *method* under a policy, and its target."""
    target = Target("llm.x", Policy(**policy), "x", "pegboard-x")
    operation = Operation("work", True, streams, work)  # noqa: FBT003 - see Operation
    return govern(method, operation, target), target


# --- rates ---

gaps = st.lists(st.floats(0, 30), min_size=1, max_size=60)


@settings(max_examples=200, deadline=None)
@given(gaps=gaps, per_minute=st.integers(1, 20))
def test_no_more_begin_than_the_rate_allows(gaps, per_minute):
    """In any span of time, at most a minute's worth and what flows in meanwhile."""
    rate, now, starts = Rate(per_minute), 0.0, []
    for gap in gaps:
        now += gap
        starts.append(now + rate.take(1, now))

    assert starts == sorted(starts)
    for first, start in enumerate(starts):
        for last in range(first, len(starts)):
            allowed = per_minute + (starts[last] - start) * per_minute / 60
            assert last - first + 1 <= allowed + 1 + 1e-6


@settings(max_examples=100, deadline=None)
@given(gaps=gaps, per_minute=st.integers(1, 20))
def test_nobody_waits_longer_than_needed(gaps, per_minute):
    """A start is as early as a bucket of the same size would let it be."""
    rate, now = Rate(per_minute), 0.0
    free_at = [float("-inf")] * per_minute
    for gap in gaps:
        now += gap
        start = now + rate.take(1, now)
        earliest = max(now, free_at.pop(0))
        free_at.append(earliest + 60)
        assert start <= earliest + 60 / per_minute + 1e-6


def test_rate_slows_down_and_recovers():
    """Being throttled lowers the pace, success raises it again, within bounds."""
    rate = Rate(60)
    for _ in range(20):
        rate.slow_down()
    assert rate.pace == pytest.approx(0.1)
    for _ in range(60):
        rate.speed_up()

    assert rate.pace == 1


def test_requests_wait_for_their_turn():
    """The calls above the rate begin as the bucket fills."""
    starts = []

    async def method():
        starts.append(asyncio.get_running_loop().time())

    call, _ = governed(method, requests_per_minute=6)

    async def main():
        await asyncio.gather(*(call() for _ in range(9)))

    run_virtual(main())

    assert starts == pytest.approx([0] * 6 + [10, 20, 30])


def test_hopeless_wait_is_refused_at_once():
    """Who would wait beyond the deadline is told so, and leaves the queue as it was."""

    async def method():
        return "done"

    call, target = governed(method, requests_per_minute=1, deadline=10)

    async def main():
        await call()
        start = asyncio.get_running_loop().time()
        for _ in range(3):
            with pytest.raises(
                errors.RateLimited, match="longer than its deadline"
            ) as e:
                await call()
            assert (e.value.retry_after, e.value.request_sent) == (60.0, "no")
        assert asyncio.get_running_loop().time() == start
        await asyncio.sleep(60)
        return await call()

    assert run_virtual(main()) == "done"
    assert target.requests is not None


def test_throttling_slows_the_limit_and_not_the_breaker():
    """A 429 lowers the pace; the breaker does not hear of it."""

    async def method():
        msg = "slow down"
        raise errors.RateLimited(msg)

    call, target = governed(
        method, attempts=1, requests_per_minute=600, breaker={"failures": 2}
    )

    async def main():
        for _ in range(5):
            with pytest.raises(errors.RateLimited):
                await call()

    run_virtual(main())

    assert target.requests.pace < 1
    assert target.breaker.state == "closed"


# --- tokens ---

REQUEST = ChatRequest(messages=(Message.of("user", "x" * 40),), max_tokens=90)


def reply_of(tokens):
    """Return a reply that took so many *tokens*."""
    usage = Usage(input=10, output=tokens - 10)
    return Reply(parts=(Text("y"),), finish_reason="stop", usage=usage, model="m")


@pytest.mark.parametrize(("took", "second_starts"), [(20, 0), (100, 0), (160, 30)])
def test_tokens_are_set_aside_and_corrected(took, second_starts):
    """A request reserves what it may take; the reply says what it took."""
    starts = []

    async def method(request):
        assert request is REQUEST
        starts.append(asyncio.get_running_loop().time())
        return reply_of(took)

    call, _ = governed(method, tokens_per_minute=200)

    async def main():
        await call(REQUEST)
        await call(REQUEST)

    run_virtual(main())

    assert starts == pytest.approx([0, second_starts], abs=12)
    assert (starts[1] > 0) is (second_starts > 0)


def test_tokens_of_a_stream_are_corrected_at_its_end():
    """A stream's last event says what it took."""

    async def method(_):
        yield TextDelta("a")
        yield Finished(finish_reason="stop", model="m", usage=Usage(output=180))

    stream, target = governed(method, streams=True, tokens_per_minute=200)

    async def main():
        return [event async for event in stream(REQUEST)]

    assert len(run_virtual(main())) == 2
    assert target.tokens.take(0, 0.0) == 0
    assert target.tokens.take(21, 0.0) > 0


# --- concurrency ---


def test_only_so_many_run_at_once_and_in_order():
    """The others wait, first come first served."""
    running, most, order = 0, 0, []

    async def method(number):
        nonlocal running, most
        running += 1
        most = max(most, running)
        order.append(number)
        await asyncio.sleep(1)
        running -= 1

    call, _ = governed(method, concurrency=3)

    async def main():
        await asyncio.gather(*(call(number) for number in range(10)))

    run_virtual(main())

    assert most == 3
    assert order == list(range(10))


def test_waiting_for_a_place_ends_by_the_deadline():
    """Who gets no place in time is told what to change."""

    async def method():
        await asyncio.sleep(100)

    call, _ = governed(method, concurrency=1, deadline=5, attempts=1)

    async def main():
        results = await asyncio.gather(call(), call(), return_exceptions=True)
        return results, asyncio.get_running_loop().time()

    (first, second), elapsed = run_virtual(main())

    assert type(first) is errors.DeadlineExceeded
    assert isinstance(second, (errors.Overloaded, errors.DeadlineExceeded))
    assert elapsed == 5


def test_stream_keeps_its_place_until_it_ends():
    """A stream runs until it is read to its end or left."""

    async def method():
        yield 1
        yield 2

    stream, target = governed(method, streams=True, concurrency=1, deadline=5)

    async def main():
        first = stream()
        await anext(first)
        with pytest.raises(errors.Overloaded):
            await anext(stream())
        await first.aclose()
        return await anext(stream())

    assert run_virtual(main()) == 1
    assert target.bulkhead.waiting == 0


async def test_cancelled_call_gives_its_place_back():
    """Wherever a call is cancelled, no place is lost."""

    async def method():
        await asyncio.sleep(0)

    call, target = governed(method, concurrency=1)

    async def two():
        await asyncio.gather(call(), call())

    async def check():
        await asyncio.sleep(0)
        assert target.bulkhead.waiting == 0
        await asyncio.wait_for(target.bulkhead.enter(), 5)
        target.bulkhead.leave()

    assert await cancel_at_every_await(two, check) >= 1


@settings(max_examples=60, deadline=None)
@given(
    places=st.integers(1, 3),
    steps=st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3), st.booleans())),
)
def test_no_place_is_lost_or_made_up(places, steps):
    """Whoever comes, stays and is cancelled when, the places stay as many."""
    bulkhead, inside, most = Bulkhead(places), 0, 0

    async def visit(stay):
        nonlocal inside, most
        await bulkhead.enter()
        inside += 1
        most = max(most, inside)
        try:
            await asyncio.sleep(stay)
        finally:
            inside -= 1
            bulkhead.leave()

    async def main():
        tasks = []
        for pause, stay, is_cancelled in steps:
            tasks.append(asyncio.create_task(visit(stay)))
            await asyncio.sleep(pause)
            if is_cancelled:
                tasks[len(tasks) // 2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(places):
            await bulkhead.enter()

    run_virtual(main())

    assert most <= places
    assert bulkhead._free == 0


def test_loops_in_threads_share_the_places():
    """Threads with loops of their own wait for each other."""
    bulkhead, inside, most = Bulkhead(1), 0, 0

    async def visit():
        nonlocal inside, most
        for _ in range(50):
            await bulkhead.enter()
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1
            bulkhead.leave()

    threads = [threading.Thread(target=asyncio.run, args=(visit(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (most, bulkhead._free, bulkhead.waiting) == (1, 1, 0)


# --- quota ---


def test_quota_is_paid_and_refilled():
    """A repeat costs 14, after throttling 5; a success gives 1, up to the capacity."""
    quota = RetryQuota(30)

    assert quota.take(errors.Unavailable("x")) == 14
    assert quota.take(errors.RateLimited("x")) == 5
    assert quota.take(errors.Unavailable("x")) == 0
    assert quota.left == 11
    quota.give()
    quota.give(100)
    assert quota.left == 30


def test_repeat_that_succeeds_gives_back_what_it_cost():
    """An occasional failure costs nothing in the end."""
    outcomes = [errors.Unavailable("x"), "done"]

    async def method():
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    call, target = governed(method, retry_quota=20)

    assert run_virtual(call()) == "done"
    assert target.quota.left == 20


def test_outage_is_not_answered_by_a_storm():
    """When everything fails, repeats stop after some 35; then a call is one attempt."""
    attempts = 0

    async def method():
        nonlocal attempts
        attempts += 1
        msg = "down"
        raise errors.Unavailable(msg)

    call, _ = governed(method, breaker={"enabled": False})

    async def main():
        kinds = []
        for _ in range(1000):
            try:
                await call()
            except errors.CallError as error:
                kinds.append(type(error))
        return kinds

    kinds = run_virtual(main())

    assert attempts - 1000 == 500 // 14
    assert kinds[-1] is errors.RetryQuotaExhausted
    assert kinds.count(errors.Unavailable) <= 500 // 14


def test_refusal_names_the_quota_and_keeps_the_cause():
    """The error says why there was no repeat, and what had failed."""

    async def method():
        msg = "down"
        raise errors.Unavailable(msg)

    call, _ = governed(method, retry_quota=0)

    with pytest.raises(errors.RetryQuotaExhausted, match="retry_quota") as caught:
        run_virtual(call())

    assert isinstance(caught.value.__cause__, errors.Unavailable)


# --- idle streams ---


def test_idle_stream_is_ended():
    """A stream that falls silent is ended, with what had arrived before."""

    async def method():
        yield 1
        await asyncio.sleep(100)
        yield 2

    stream, _ = governed(method, streams=True, idle_timeout=3)

    async def main():
        items = []
        with pytest.raises(errors.Timeout, match="Raise idle_timeout") as caught:
            async for item in stream():
                items.append(item)
        return items, caught.value, asyncio.get_running_loop().time()

    items, error, elapsed = run_virtual(main())

    assert (items, elapsed) == ([1], 3)
    assert error.in_stream


def test_consumer_may_take_its_time():
    """What the reader does between events does not count as silence."""

    async def method():
        yield 1
        yield 2

    stream, _ = governed(method, streams=True, idle_timeout=3)

    async def main():
        items = []
        async for item in stream():
            await asyncio.sleep(10)
            items.append(item)
        return items

    assert run_virtual(main()) == [1, 2]
