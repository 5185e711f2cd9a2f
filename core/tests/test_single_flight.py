"""Work that is done once, and what is kept of it."""

from __future__ import annotations

import asyncio
import gc
import math
import threading

import pytest
from loguru import logger
from pegboard import (
    Cache,
    KeyValue,
    Pegboard,
    SingleFlight,
    enable_logging,
    errors,
    sync,
)
from pegboard.testing import cancel_at_every_await
from pegboard.testing.clock import ManualClock


class Work:
    """Work that is done when it is told to be."""

    def __init__(self):
        self.done = asyncio.Event()
        self.begun = 0
        self.cancelled = 0
        self.error = None

    async def __call__(self):
        self.begun += 1
        try:
            await self.done.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error:
            raise self.error
        return {"number": self.begun}


class LeaderSingleFlight:
    """Stands for a flight in which the first one works and the others wait for it."""

    def __init__(self):
        self.futures = {}

    async def do(self, key, work):
        if key in self.futures:
            return await self.futures[key]
        future = self.futures[key] = asyncio.get_running_loop().create_future()
        try:
            result = await work()
        except Exception as error:
            future.set_exception(error)
            raise
        else:
            future.set_result(result)
            return result
        finally:
            self.futures.pop(key)


async def start(flights, work, count, key="a"):
    """Return *count* tasks that all wait for the same work."""
    tasks = [asyncio.create_task(flights.do(key, work)) for _ in range(count)]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def followers_outlive_the_first(flights):
    """Check that those who joined get a result though the first is cancelled."""
    work = Work()
    first, *others = await start(flights, work, 4)
    first.cancel()
    await asyncio.wait([first])
    work.done.set()
    for _ in range(5):
        await asyncio.sleep(0)
    done = [task for task in others if task.done()]
    for task in others:
        task.cancel()
    assert first.cancelled()
    assert [task.result() for task in done] == [{"number": 1}] * 3


async def test_work_is_done_once():
    """All who ask meanwhile get the result of one."""
    work, flights = Work(), SingleFlight()
    tasks = await start(flights, work, 5)
    work.done.set()

    assert await asyncio.gather(*tasks) == [{"number": 1}] * 5
    assert await flights.do("a", work) == {"number": 2}


async def test_keys_are_worked_for_apart():
    """Another key is other work."""
    work, flights = Work(), SingleFlight()
    tasks = [*await start(flights, work, 2), *await start(flights, work, 2, key="b")]
    work.done.set()
    await asyncio.gather(*tasks)

    assert work.begun == 2


async def test_first_one_may_be_cancelled():
    """The others are neither cancelled with it nor left waiting."""
    await followers_outlive_the_first(SingleFlight())


async def test_first_one_that_works_itself_would_be_noticed():
    """The same check fails where the first one's end is the end for all."""
    with pytest.raises(AssertionError):
        await followers_outlive_the_first(LeaderSingleFlight())


async def test_work_that_nobody_wants_is_cancelled():
    """The last one who leaves turns off the light; who comes then begins anew."""
    work, flights = Work(), SingleFlight()
    tasks = await start(flights, work, 3)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert (work.begun, work.cancelled) == (1, 1)
    work.done.set()

    assert await flights.do("a", work) == {"number": 2}


async def test_who_comes_while_work_is_cancelled_begins_anew():
    """Nobody gets the cancellation of others."""
    flights, leaving = SingleFlight(), asyncio.Event()

    async def stubborn():
        try:
            await asyncio.Event().wait()
        finally:
            await leaving.wait()

    (task,) = await start(flights, stubborn, 1)
    task.cancel()
    await asyncio.sleep(0)
    work = Work()
    work.done.set()
    assert await flights.do("a", work) == {"number": 1}
    leaving.set()
    await asyncio.wait([task])
    assert not flights._flights


async def test_errors_reach_all_and_are_not_kept():
    """Who comes later tries again."""
    work, flights = Work(), SingleFlight()
    tasks = await start(flights, work, 3)
    work.error = ValueError("no")
    work.done.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    work.error = None

    assert [type(result) for result in results] == [ValueError] * 3
    assert await flights.do("a", work) == {"number": 2}


async def test_cancelled_at_any_point_nothing_is_left():
    """No task goes on, and nothing is remembered."""
    flights = SingleFlight()

    async def work():
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def nothing_is_left():
        assert not flights._flights
        assert len(asyncio.all_tasks()) == 1

    assert await cancel_at_every_await(lambda: flights.do("a", work), nothing_is_left)


def test_threads_work_for_themselves():
    """Event loops share no futures."""
    flights, results = SingleFlight(), []
    together = threading.Barrier(4)

    async def work():
        together.wait()
        return threading.get_ident()

    def run():
        results.append((asyncio.run(flights.do("a", work)), threading.get_ident()))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == 4
    assert all(found == own for found, own in results)


# -- what is kept ---------------------------------------------------------------------


@pytest.fixture
def clock():
    """Return a clock that is moved by hand."""
    return ManualClock()


@pytest.fixture
async def board(clock):
    """Return a board with a memory."""
    settings = {"storage": {"kit": {"provider": "memory"}}}
    async with Pegboard.isolated(settings, clock=clock) as board:
        yield board


@pytest.fixture
def cache(board):
    """Return a cache, empty."""
    return board.storage("kit", Cache)


class Maker:
    """Makes something, and counts how often."""

    def __init__(self):
        self.made = 0

    async def __call__(self):
        self.made += 1
        await asyncio.sleep(0)
        return {"made": self.made, "pair": (1, None)}


async def test_value_is_made_once(cache):
    """Whoever wants it, now or later, gets a copy of the same JSON."""
    make = Maker()
    results = await asyncio.gather(*(cache.get_or_make("a", make) for _ in range(5)))
    results[0]["pair"].append(2)

    assert results[1:] == [{"made": 1, "pair": [1, None]}] * 4
    assert await cache.get_or_make("a", make) == {"made": 1, "pair": [1, None]}
    assert await cache.get("a") == {"made": 1, "pair": [1, None]}
    assert make.made == 1


async def test_value_is_made_again_after_its_ttl(cache, clock):
    """Five minutes without a word, else what is said."""
    make = Maker()
    await cache.get_or_make("a", make)
    await cache.get_or_make("b", make, ttl=10)
    clock.advance(299)
    assert (await cache.get("a"))["made"] == 1
    assert await cache.get("b", "gone") == "gone"
    clock.advance(1)

    assert (await cache.get_or_make("a", make))["made"] == 3


async def test_none_is_kept_too(cache):
    """That there is nothing may have taken long to find out."""
    made = []

    async def make():
        made.append(1)

    assert [await cache.get_or_make("a", make) for _ in range(2)] == [None, None]
    assert len(made) == 1


async def test_deleted_value_is_made_again(cache):
    """Forgetting is part of caching."""
    make = Maker()
    await cache.get_or_make("a", make)

    assert await cache.delete("a") is True
    assert (await cache.get_or_make("a", make))["made"] == 2


@pytest.mark.parametrize("name", ["", None, "\ud800"])
async def test_bad_name_is_refused(cache, name):
    """That is no failure of the store."""
    with pytest.raises(errors.InvalidRequest):
        await cache.get(name)
    with pytest.raises(errors.InvalidRequest):
        await cache.get_or_make(name, Maker())


async def test_errors_are_not_kept(cache):
    """Who asks again, tries again."""

    async def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await cache.get_or_make("a", fail)
    assert (await cache.get_or_make("a", Maker()))["made"] == 1


async def test_value_without_json_is_refused(cache):
    """It would come back as something else."""

    async def make():
        return object()

    with pytest.raises(errors.InvalidRequest):
        await cache.get_or_make("a", make)


@pytest.mark.parametrize("ttl", [0, -1, math.nan])
async def test_bad_ttl_is_refused(cache, board, ttl):
    """Before anything is made."""
    make = Maker()
    with pytest.raises(errors.InvalidRequest, match="ttl"):
        await cache.get_or_make("a", make, ttl=ttl)
    with pytest.raises(errors.InvalidRequest, match="ttl"):
        Cache(board.storage("kit", KeyValue), ttl=ttl)
    assert make.made == 0


async def test_store_that_is_away_is_an_empty_cache():
    """Programs become slower, not broken; the log says why."""

    class Away:
        async def get(self, key, default=None):
            del key, default
            raise errors.Unavailable(AWAY)

        async def set(self, key, value, **options):
            del key, value, options
            raise errors.Unavailable(AWAY)

    lines = []
    enable_logging()
    number = logger.add(lambda message: lines.append(str(message)), format="{message}")
    try:
        cache = Cache(Away())
        assert await cache.get("a", "nothing") == "nothing"
        assert (await cache.get_or_make("a", Maker()))["made"] == 1
    finally:
        logger.remove(number)
        logger.disable("pegboard")
    assert len(lines) == 3
    assert all(AWAY in line for line in lines)


AWAY = "The server is away."


async def test_board_gives_all_the_same_cache(board, cache):
    """So that those who want the same have it made once, wherever they are."""
    assert board.storage("kit", Cache) is cache
    assert board.storage("kit", KeyValue) is not cache
    gc.collect()


def test_cache_without_async():
    """The same by name, blocking; what makes a value is async."""
    settings = {"storage": {"kit": {"provider": "memory"}}}
    with sync.Pegboard.isolated(settings) as board:
        cache = board.storage("kit", sync.Cache)

        assert cache.get_or_make("a", lambda: 5) == 5
        assert cache.get("a") == 5
        assert cache.delete("a") is True
