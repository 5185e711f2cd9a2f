"""Many calls at once, bounded and in order."""

import asyncio
import itertools
import tracemalloc
from contextlib import aclosing

import pytest
from pegboard import Pegboard, errors, gather, time_left
from pegboard.deadline import ends_at
from pegboard.testing.cancellation import cancel_at_every_await
from pegboard.testing.clock import run_virtual


class Service:
    """Takes as many seconds as it is asked for, and knows how many ask at once."""

    def __init__(self):
        self.running = 0
        self.most = 0
        self.begun = 0
        self.cancelled = 0

    async def __call__(self, seconds):
        self.running += 1
        self.begun += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        return f"{seconds} s"


def now():
    """Return the time of the running loop."""
    return asyncio.get_running_loop().time()


async def async_items(items):
    """Yield *items*, each after a second."""
    for item in items:
        await asyncio.sleep(1)
        yield item


# --- what comes back ---


def test_outcomes_are_in_the_order_of_the_items():
    """However long each takes."""

    async def main():
        return await gather(Service(), [3, 1, 2], at_once=3)

    outcomes = run_virtual(main())

    assert [one.item for one in outcomes] == [3, 1, 2]
    assert [one.result for one in outcomes] == ["3 s", "1 s", "2 s"]
    assert [one.error for one in outcomes] == [None] * 3


def test_error_is_given_back_with_its_item():
    """The others go on; asking for the result raises the error."""

    async def call(item):
        await asyncio.sleep(item)
        if item == 2:
            raise errors.Unavailable(str(item))
        return item

    async def main():
        return await gather(call, [1, 2, 3])

    first, second, third = run_virtual(main())

    assert (first.result, third.result) == (1, 3)
    assert type(second.error) is errors.Unavailable
    with pytest.raises(errors.Unavailable):
        _ = second.result


def test_outcomes_come_as_soon_as_their_turn_is():
    """Who loops need not wait for the last one, nor for the next item."""

    async def main():
        items = async_items([0, 5, 0])
        return [(one.item, now()) async for one in gather(Service(), items)]

    assert run_virtual(main()) == [(0, 1), (5, 7), (0, 7)]


def test_nothing_to_do_is_done():
    """No items, no outcomes."""

    async def main():
        return await gather(Service(), [])

    assert run_virtual(main()) == []


def test_at_least_one_call_runs():
    """None at once would never end."""
    with pytest.raises(ValueError, match="at_once is 0"):
        gather(Service(), [1], at_once=0)


# --- how much at once ---


def test_so_many_run_at_once():
    """No more, and no fewer while there is work."""
    service = Service()

    async def main():
        await gather(service, [1] * 100, at_once=25)
        return now()

    assert run_virtual(main()) == 4
    assert service.most == 25


def test_slow_call_does_not_keep_the_others_from_beginning():
    """Order is kept, but those behind it go on as far as there is room."""
    service = Service()

    async def main():
        await gather(service, [6, *[1] * 6], at_once=2)
        return now()

    assert run_virtual(main()) == 6


def test_endless_items_are_read_only_as_far_as_needed():
    """What runs, and what waits for its turn, is bounded."""
    read = []

    async def main():
        items = (read.append(number) or number for number in itertools.count())
        service = Service()

        async def call(_item):
            return await service(1)

        async with aclosing(aiter(gather(call, items, at_once=5))) as outcomes:
            async for _ in outcomes:
                await asyncio.sleep(100)
                break
        return service

    service = run_virtual(main())

    assert len(read) <= 21
    assert service.most == 5


def test_memory_does_not_grow_with_the_items():
    """A loop over many keeps what is under way, and nothing else."""

    async def call(_number):
        await asyncio.sleep(0)
        return bytes(10_000)

    async def main():
        async for _ in gather(call, range(2_000), at_once=10):
            pass

    tracemalloc.start()
    try:
        asyncio.run(main())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 4_000_000


# --- when it ends early ---


def test_leaving_the_loop_cancels_what_is_under_way():
    """And begins nothing more."""
    service = Service()

    async def main():
        async with aclosing(aiter(gather(service, [1, *[9] * 50]))) as outcomes:
            async for _ in outcomes:
                break
        begun = service.begun
        await asyncio.sleep(100)
        return begun

    assert run_virtual(main()) == service.begun == 26
    assert (service.running, service.cancelled) == (0, 25)


def test_leaving_the_loop_waits_for_what_was_cancelled():
    """What a call does in its ``finally`` is done before the next statement."""
    closed = []

    async def call(item):
        try:
            await asyncio.sleep(item)
        finally:
            await asyncio.sleep(3)
            closed.append(item)

    async def main():
        async with aclosing(aiter(gather(call, [1, 9, 9]))) as outcomes:
            async for _ in outcomes:
                break
        return list(closed)

    assert run_virtual(main()) == [1, 9, 9]


def test_broken_items_end_it_after_what_they_brought():
    """Their error is no call's: it is raised, and nothing goes on."""
    service = Service()

    def items():
        yield 1
        yield 2
        msg = "no more"
        raise LookupError(msg)

    async def main():
        seen = []
        with pytest.raises(LookupError, match="no more"):
            async for one in gather(service, items()):
                seen.append(one.result)
        return seen

    assert run_virtual(main()) == ["1 s", "2 s"]
    assert service.running == 0


async def test_cancelling_leaves_nothing():
    """Cancelled anywhere, it leaves no call and no task behind."""
    before = asyncio.all_tasks()
    running = []

    async def call(item):
        running.append(item)
        try:
            await asyncio.sleep(0)
        finally:
            running.remove(item)

    async def work():
        await gather(call, range(9), at_once=2)

    def check():
        assert asyncio.all_tasks() == before
        assert running == []

    assert await cancel_at_every_await(work, check) >= 3


# --- with a board ---


def test_calls_share_the_deadline_around_them():
    """Within a call, such as that of a tool, none lasts longer than it may."""

    async def call(_item):
        return time_left()

    async def main():
        ends_at.set(now() + 5)
        return await gather(call, [1, 2])

    assert [one.result for one in run_virtual(main())] == [5, 5]


async def test_many_prompts_are_completed():
    """The method of a model is a call like any other."""
    script = {
        "provider": "fake",
        "failures": ["Unavailable"],
        "policy": {"attempts": 1},
    }
    async with Pegboard.isolated({"llm": {"default": script}}) as board:
        prompts = [f"Number {number}." for number in range(30)]
        outcomes = await gather(board.llm().complete, prompts, at_once=10)

    failed = [one for one in outcomes if one.error]
    assert [type(one.error) for one in failed] == [errors.Unavailable]
    assert all(one.item in one.result.text for one in outcomes if not one.error)
