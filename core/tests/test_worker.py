from __future__ import annotations

import asyncio
import itertools
import threading
from dataclasses import replace
from functools import partial

import pytest
from pegboard import (
    DeadLetterQueue,
    NewMessage,
    Pegboard,
    Queue,
    QueueCounts,
    Worker,
    sync,
)
from pegboard.errors import (
    Authentication,
    ConnectionFailed,
    InvalidRequest,
    RateLimited,
    Unavailable,
)
from pegboard.testing import no_leaks, run_virtual

EMPTY = QueueCounts(0, 0, 0)


def virtually(test):
    """Run an async *test* in time that never waits, with a queue in memory."""

    def run():
        async def main():
            clock = asyncio.get_running_loop().time
            memory = {"provider": "memory", "max_deliveries": 4}
            board = Pegboard.isolated({"integrations": {"q": memory}}, clock=clock)
            async with no_leaks(), board:
                await test(board.integration("q", DeadLetterQueue))

        run_virtual(main())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def now():
    """Return the virtual time."""
    return asyncio.get_running_loop().time()


async def fill(queue, number):
    """Put messages with the bodies 0, 1, 2 ... in."""
    await queue.publish_many([NewMessage(body=body) for body in range(number)])


async def cancelled(task):
    """Cancel *task*, and wait for its end."""
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


class Wrapped:
    """A queue of which a test changes some calls."""

    def __init__(self, queue, **changed):
        self._queue = queue
        self._changed = changed

    def __getattr__(self, name):
        return self._changed.get(name) or getattr(self._queue, name)


@virtually
async def test_each_message_is_handled_and_acknowledged(queue):
    """When the queue is empty, all have been handled, each once."""
    await fill(queue, 25)
    seen = []

    async def handle(delivery):
        seen.append(delivery.body)

    worker = Worker(queue, handle)
    await worker.drain()

    assert sorted(seen) == list(range(25))
    assert worker.done == 25
    assert await queue.count() == EMPTY


@virtually
async def test_run_handles_what_is_published_meanwhile(queue):
    """It waits for messages for as long as it is not stopped."""
    seen = []

    async def handle(delivery):
        seen.append((delivery.body, now()))

    worker = Worker(queue, handle)
    running = asyncio.create_task(worker.run())
    for body in range(3):
        await asyncio.sleep(100)
        await queue.publish(body)
    await asyncio.sleep(1)
    worker.stop()
    await running

    assert seen == [(0, 100), (1, 200), (2, 300)]


@virtually
async def test_so_many_run_at_once_and_no_more(queue):
    """The bound is reached, and kept."""
    await fill(queue, 20)
    running, most = 0, 0

    async def handle(_):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1

    await Worker(queue, handle, concurrency=4).drain()

    assert most == 4
    assert now() == 5


@virtually
async def test_slot_is_filled_as_soon_as_it_is_free(queue):
    """A slow message holds up nobody."""
    await fill(queue, 11)

    async def handle(delivery):
        await asyncio.sleep(10 if delivery.body == 0 else 1)

    await Worker(queue, handle, concurrency=2).drain()

    assert now() == 10


@virtually
async def test_what_fails_comes_again_later_each_time(queue):
    """The pauses double, until it is a dead letter."""
    await queue.publish("poison")
    tried = []

    async def handle(_):
        tried.append(now())
        raise ValueError

    worker = Worker(queue, handle, backoff=1.0)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(100)
    worker.stop()
    await running

    assert tried == pytest.approx([0, 1, 3, 7], abs=0.01)
    assert worker.failed == 4
    assert worker.done == 0
    assert [one.body for one in (await queue.list_dead_letters()).letters] == ["poison"]


@virtually
async def test_error_may_ask_for_more_time(queue):
    """What a service asks for is waited for."""
    await queue.publish("busy")
    tried = []

    async def handle(delivery):
        tried.append(now())
        if delivery.deliveries == 1:
            msg = "slow down"
            raise RateLimited(msg, retry_after=60)

    worker = Worker(queue, handle)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(100)
    worker.stop()
    await running

    assert tried == pytest.approx([0, 60], abs=0.01)


@virtually
async def test_failure_is_told(queue):
    """Whoever asks gets the message and the error."""
    await queue.publish("bad")
    told = []

    async def handle(_):
        msg = "no"
        raise ValueError(msg)

    def on_failure(delivery, error):
        told.append((delivery.body, repr(error)))

    await Worker(queue, handle, on_failure=on_failure).drain()

    assert told == [("bad", "ValueError('no')")]


@virtually
async def test_failure_to_tell_ends_nothing(queue):
    """Others are worked at, and the message comes again."""
    await fill(queue, 3)

    async def handle(_):
        raise ValueError

    worker = Worker(queue, handle, concurrency=1, on_failure=lambda: None)
    await worker.drain()

    assert worker.failed == 3
    assert (await queue.count()).delayed == 3


@virtually
async def test_strange_error_of_a_queue_stops_no_other_sign_of_life(queue):
    """What one message cannot say, the others still do."""
    await fill(queue, 2)
    begun = []

    async def handle(delivery):
        begun.append((delivery.body, delivery.deliveries))
        await asyncio.sleep(100)

    async def extend(receipt, **options):
        if receipt.startswith("0."):
            raise KeyError(receipt)
        return await queue.extend(receipt, **options)

    worker = Worker(Wrapped(queue, extend=extend), handle, visibility=30)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(101)
    worker.stop()
    await running

    assert [deliveries for body, deliveries in begun if body == 1] == [1]


@virtually
async def test_handler_that_cancels_itself_has_failed(queue):
    """It ends neither the worker nor the message."""
    await queue.publish("odd")
    told = []

    async def handle(_):
        raise asyncio.CancelledError

    async with asyncio.timeout(100):
        worker = Worker(queue, handle, on_failure=lambda *what: told.append(what))
        await worker.drain()

    assert worker.failed == 1
    assert len(told) == 1


@virtually
async def test_message_is_kept_while_it_is_worked_at(queue):
    """Work that takes longer than the visibility is not done twice."""
    await queue.publish("long")
    seen = []

    async def handle(delivery):
        seen.append(delivery.deliveries)
        await asyncio.sleep(1000)

    await Worker(queue, handle, visibility=30).drain()

    assert seen == [1]
    assert await queue.count() == EMPTY


@virtually
async def test_handler_ends_when_its_message_is_lost(queue):
    """What was delivered anew is somebody else's work, and is not given back."""
    await queue.publish("lost")
    ended = []

    async def handle(_):
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append(now())

    async def extend(*_, **__):
        return False

    lossy = Wrapped(queue, extend=extend)
    worker = Worker(lossy, handle, visibility=30)
    await worker.drain()

    assert ended[0] == pytest.approx(10)
    assert worker.done == worker.failed == 0


@virtually
async def test_outage_of_extend_ends_no_handler(queue):
    """Who cannot say that it still works goes on working."""
    await queue.publish("long")

    async def handle(_):
        await asyncio.sleep(25)

    async def extend(*_, **__):
        msg = "away"
        raise Unavailable(msg)

    worker = Worker(Wrapped(queue, extend=extend), handle, visibility=30)
    await worker.drain()

    assert worker.done == 1


@virtually
async def test_cancelled_worker_gives_all_back(queue):
    """Handlers are cancelled, and others get their messages at once."""
    await fill(queue, 5)
    ended = []

    async def handle(delivery):
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append(delivery.body)

    running = asyncio.create_task(Worker(queue, handle, concurrency=3).run())
    await asyncio.sleep(1)
    await cancelled(running)

    assert sorted(ended) == [0, 1, 2]
    assert await queue.count() == QueueCounts(ready=5, delayed=0, in_flight=0)


@virtually
async def test_waiting_worker_can_be_cancelled(queue):
    """With nothing to do, it ends at once."""

    async def handle(_):
        pass

    running = asyncio.create_task(Worker(queue, handle).run())
    await asyncio.sleep(1)
    await cancelled(running)

    assert now() == 1


@virtually
async def test_stopped_worker_finishes_what_it_has(queue):
    """It takes nothing more, and what it had is acknowledged."""
    await fill(queue, 5)

    async def handle(_):
        await asyncio.sleep(5)

    worker = Worker(queue, handle, concurrency=3)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(1)
    worker.stop()
    await running

    assert now() == 5
    assert worker.done == 3
    assert await queue.count() == QueueCounts(ready=2, delayed=0, in_flight=0)


@virtually
async def test_grace_of_a_stopped_worker_ends(queue):
    """What takes longer is given back."""
    await queue.publish("long")

    async def handle(_):
        await asyncio.sleep(1000)

    worker = Worker(queue, handle, grace=10)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(1)
    worker.stop()
    await running

    assert now() == 11
    assert await queue.count() == QueueCounts(ready=1, delayed=0, in_flight=0)


@virtually
async def test_worker_outlives_an_outage(queue):
    """While the queue is away, it is tried ever less often; then work goes on."""
    await queue.publish("after the outage")
    tried, seen = [], []

    async def receive(**options):
        tried.append(now())
        if len(tried) <= 8:
            msg = "away"
            raise ConnectionFailed(msg)
        return await queue.receive(**options)

    async def handle(delivery):
        seen.append(delivery.body)
        worker.stop()

    worker = Worker(Wrapped(queue, receive=receive), handle)
    await worker.run()

    pauses = [b - a for a, b in itertools.pairwise(tried)][:8]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5])
    assert seen == ["after the outage"]


@virtually
async def test_refusal_ends_the_worker(queue):
    """What trying again does not help is an error; what it had is finished."""
    await queue.publish("had")
    calls = []

    async def receive(**options):
        calls.append(options)
        if len(calls) > 1:
            msg = "no"
            raise Authentication(msg)
        return await queue.receive(**options)

    async def handle(_):
        await asyncio.sleep(5)

    worker = Worker(Wrapped(queue, receive=receive), handle)
    with pytest.raises(Authentication):
        await worker.run()

    assert worker.done == 1


@virtually
async def test_done_work_is_acknowledged_after_an_outage(queue):
    """It is not done again because the queue was away for a moment."""
    await queue.publish("once")
    seen, tried = [], []

    async def ack(receipt):
        tried.append(now())
        if len(tried) <= 3:
            msg = "away"
            raise Unavailable(msg)
        return await queue.ack(receipt)

    async def handle(delivery):
        seen.append(delivery.body)

    worker = Worker(Wrapped(queue, ack=ack), handle)
    await worker.drain()

    assert seen == ["once"]
    assert worker.done == 1
    assert len(tried) == 4


@virtually
async def test_group_of_one_receive_is_handled_in_order(queue):
    """Some services give several of a group at once: one after the other, then."""
    await fill(queue, 6)
    begun, ended = [], []

    async def receive(**options):
        found = await queue.receive(**{**options, "limit": 6})
        return [replace(one, group=f"g{one.body % 2}") for one in found]

    async def handle(delivery):
        begun.append((now(), delivery.body))
        await asyncio.sleep(1)
        ended.append(delivery.body)

    await Worker(Wrapped(queue, receive=receive), handle).drain()

    assert begun == [(0, 0), (0, 1), (1, 2), (1, 3), (2, 4), (2, 5)]


@virtually
async def test_rest_of_a_group_is_given_back_with_what_failed(queue):
    """None of them is handled before the one that failed."""
    await fill(queue, 3)
    seen, given_back = [], []

    async def receive(**options):
        found = await queue.receive(**{**options, "limit": 3})
        return [replace(one, group="g") for one in found]

    async def nack(receipt, *, delay=0.0):
        given_back.append(delay)
        return await queue.nack(receipt, delay=1000)

    async def handle(delivery):
        seen.append(delivery.body)
        raise ValueError

    worker = Worker(Wrapped(queue, receive=receive, nack=nack), handle, backoff=2)
    await worker.drain()

    assert seen == [0]
    assert given_back == [0, 0, 2]


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, None])
def test_bad_concurrency_is_refused(concurrency):
    """A worker does one thing at a time, at least."""

    async def handle(_):
        pass

    with pytest.raises(InvalidRequest, match="concurrency"):
        Worker(Queue, handle, concurrency=concurrency)


def test_bad_visibility_is_refused():
    """A message that nobody keeps would be everybody's."""

    async def handle(_):
        pass

    with pytest.raises(InvalidRequest, match="visibility"):
        Worker(Queue, handle, visibility=0)


def test_handler_that_is_not_async_is_refused():
    """It would hold up all others, and the error says what to pass."""
    with pytest.raises(InvalidRequest, match="not async"):
        Worker(Queue, print)


def test_handler_may_be_any_async_callable():
    """A method, a partial function, an object with an async call."""

    class Handler:
        async def __call__(self, delivery):
            """Do nothing."""

    Worker(Queue, Handler())
    Worker(Queue, partial(Handler().__call__))


@pytest.fixture
def blocking_queue():
    """Return a queue for programs that are not async."""
    settings = {"integrations": {"q": {"provider": "memory"}}}
    with sync.Pegboard.isolated(settings) as board:
        yield board.integration("q", sync.Queue)


def test_plain_functions_work_in_threads(blocking_queue):
    """So many at once, each message once; what raises comes again."""
    for body in range(8):
        blocking_queue.publish(body)
    together, seen, told = threading.Barrier(4, timeout=30), [], []

    def handle(delivery):
        if delivery.body < 4:
            together.wait()  # all four are at it, or this fails
        if delivery.body == 7:
            raise ValueError
        seen.append(delivery.body)

    worker = sync.Worker(
        blocking_queue,
        handle,
        concurrency=4,
        on_failure=lambda *what: told.append(what),
    )
    worker.drain()

    assert sorted(seen) == list(range(7))
    assert (worker.done, worker.failed, len(told)) == (7, 1, 1)


def test_blocking_worker_is_stopped_by_another_thread(blocking_queue):
    """It finishes what it has."""
    begun, may_end = threading.Event(), threading.Event()

    def handle(_):
        begun.set()
        may_end.wait(timeout=30)

    worker = sync.Worker(blocking_queue, handle)
    running = threading.Thread(target=worker.run)
    running.start()
    blocking_queue.publish("message")
    begun.wait(timeout=30)
    worker.stop()
    may_end.set()
    running.join()

    assert worker.done == 1
    assert blocking_queue.count() == EMPTY


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"visibility": 0}])
def test_blocking_worker_refuses_the_same(blocking_queue, options):
    """In the same words."""
    with pytest.raises(InvalidRequest):
        sync.Worker(blocking_queue, print, **options)


def test_blocking_worker_refuses_what_is_async(blocking_queue):
    """Nobody would wait for it; the error says where to use it."""

    async def handle(_):
        pass

    with pytest.raises(InvalidRequest, match=r"pegboard\.Worker"):
        sync.Worker(blocking_queue, handle)


@virtually
async def test_worker_loses_nothing_whenever_it_is_cancelled(queue):
    """What it had is with others at once, done or not."""
    bodies = itertools.count()
    handled = []

    async def handle(delivery):
        await asyncio.sleep(1)
        handled.append(delivery.body)
        await asyncio.sleep(1)

    for tenths in range(25):
        for group in ("g", "g", None):
            await queue.publish(next(bodies), group=group)
        running = asyncio.create_task(Worker(queue, handle, concurrency=2).run())
        await asyncio.sleep(tenths / 10)
        running.cancel()
        await asyncio.wait([running])
        assert (await queue.count()).in_flight == 0
        await Worker(queue, handle).drain()
        assert await queue.count() == EMPTY

    assert set(handled) == set(range(75))
