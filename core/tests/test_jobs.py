from __future__ import annotations

import asyncio

import pytest
from pegboard import Jobs, JobState, KeyValue, Pegboard, Queue
from pegboard.errors import InvalidRequest, Unavailable
from pegboard.testing import no_leaks, run_virtual


def virtually(**options):
    """Run an async test of jobs in memory, in time that never waits."""

    def decorate(test):
        def run():
            async def main():
                clock = asyncio.get_running_loop().time
                memory = {"provider": "memory"}
                settings = {"integrations": {"q": memory}, "storage": {"s": memory}}
                board = Pegboard.isolated(settings, clock=clock)
                async with no_leaks(), board:
                    queue = board.integration("q", Queue)
                    store = board.storage("s", KeyValue)
                    await test(Jobs(queue, store, clock=clock, **options))

            run_virtual(main())

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return decorate


async def run_for(seconds, worker):
    """Let *worker* run for so long."""
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(seconds)
    worker.stop()
    await running


async def add(delivery):
    """Take a while, and return a sum."""
    await asyncio.sleep(5)
    return {"sum": sum(delivery.body)}


@virtually()
async def test_job_that_waits_is_queued(jobs):
    """From the moment on that its id is known."""
    job = await jobs.submit([1, 2])

    assert await jobs.state(job) == JobState(job, "queued", 0)


@virtually()
async def test_done_job_has_its_result(jobs):
    """What the handler returned, and when."""
    job = await jobs.submit([1, 2])
    await jobs.worker(add).drain()

    assert await jobs.state(job) == JobState(job, "done", 5, 1, {"sum": 3})


@virtually()
async def test_unknown_job_has_no_state(jobs):
    """Nothing is known of what was never there."""
    assert await jobs.state("nobody") is None


@virtually(heartbeat=2)
async def test_running_job_gives_signs_of_life(jobs):
    """Whoever looks knows that somebody still works at it."""
    job = await jobs.submit([1])
    running = asyncio.create_task(jobs.worker(add).drain())
    states = []
    for _ in range(3):
        await asyncio.sleep(1.5)
        states.append(await jobs.state(job))
    await running

    assert [(state.status, state.updated) for state in states] == [
        ("running", 0),
        ("running", 2),
        ("running", 4),
    ]


@virtually()
async def test_failed_job_says_why_and_runs_again(jobs):
    """It knows how often that was."""
    job = await jobs.submit([1])
    seen = []

    async def fail_once(delivery):
        if delivery.deliveries == 1:
            msg = "not yet"
            raise ValueError(msg)
        seen.append(await jobs.state(job))
        return "in the end"

    worker = jobs.worker(fail_once)
    await worker.drain()
    failed = await jobs.state(job)
    await run_for(10, jobs.worker(fail_once))
    done = await jobs.state(job)

    assert (failed.status, failed.error) == ("failed", "ValueError: not yet")
    assert worker.failed == 1
    assert (seen[0].status, seen[0].deliveries) == ("running", 2)
    assert (done.status, done.result, done.error) == ("done", "in the end", None)


@virtually(ttl=100)
async def test_state_is_forgotten_after_its_ttl(jobs):
    """Counted from the last that was heard of it."""
    job = await jobs.submit([1])
    await jobs.worker(add).drain()
    await asyncio.sleep(99)
    before = await jobs.state(job)
    await asyncio.sleep(2)

    assert before.status == "done"
    assert await jobs.state(job) is None


@virtually()
async def test_worker_may_be_faster_than_who_submits(jobs):
    """A job that is done does not go back to being queued."""
    store = jobs._store
    late = asyncio.Event()
    set_ = store.set

    async def slow_set(key, value, **options):
        if options.get("if_absent"):
            await late.wait()
        return await set_(key, value, **options)

    store.set = slow_set
    submitting = asyncio.create_task(jobs.submit([1, 2]))
    await run_for(10, jobs.worker(add))
    late.set()

    assert (await jobs.state(await submitting)).status == "done"


@virtually(heartbeat=1)
async def test_outage_of_the_store_ends_no_job(jobs):
    """A sign of life that cannot be given is left out."""
    store = jobs._store
    job = await jobs.submit([1, 2])
    running = asyncio.create_task(jobs.worker(add).drain())
    await asyncio.sleep(0.5)
    set_ = store.set

    async def away(*_, **__):
        msg = "away"
        raise Unavailable(msg)

    store.set = away
    await asyncio.sleep(2)
    store.set = set_
    await running

    assert (await jobs.state(job)).result == {"sum": 3}


@virtually()
async def test_result_that_json_lacks_is_a_failure(jobs):
    """It is told, not lost."""
    job = await jobs.submit([1])

    async def handle(_):
        return object()

    worker = jobs.worker(handle)
    await worker.drain()

    assert (await jobs.state(job)).status == "failed"
    assert worker.failed == 1


@virtually()
async def test_cancelled_job_stays_as_it_was(jobs):
    """The next one who works at it says so."""
    job = await jobs.submit([1])
    running = asyncio.create_task(jobs.worker(add).run())
    await asyncio.sleep(1)
    running.cancel()
    await asyncio.wait([running])
    left = await jobs.state(job)
    await jobs.worker(add).drain()

    assert left.status == "running"
    assert (await jobs.state(job)).status == "done"


@virtually()
async def test_bad_job_is_refused(jobs):
    """And nothing is known of it."""
    store = jobs._store
    with pytest.raises(InvalidRequest):
        await jobs.submit(object())
    assert (await store.scan()).keys == ()
