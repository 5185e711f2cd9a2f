"""Locks over stores of values and by files, and work that is done once."""

from __future__ import annotations

import asyncio
import fcntl
import json
import math
import os
import signal
import subprocess
import sys
import threading
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from pegboard import KeyValue, Locks, Pegboard, errors, file_lock, sync
from pegboard.testing import cancel_at_every_await, run_virtual
from pegboard.testing.leaks import open_files

WORKER = Path(__file__).with_name("lock_worker.py")


def virtual(check, provider="memory", **options):
    """Run *check* with locks whose store and waits have the same virtual time."""

    async def main():
        clock = asyncio.get_running_loop().time
        settings = {"storage": {"kit": {"provider": provider, **options}}}
        async with Pegboard.isolated(settings, clock=clock) as board:
            await check(board.storage("kit", KeyValue))

    run_virtual(main())


@pytest.fixture(params=["memory", "sqlite"])
def run(request, tmp_path):
    """Return a function that runs a check with a store."""
    options = {"path": tmp_path / "kit"} if request.param == "sqlite" else {}
    return lambda check: virtual(check, request.param, **options)


def test_one_holds_the_lock(run):
    """Tasks take turns, and each is alone while it has the lock."""

    async def check(store):
        locks, inside, turns = Locks(store), [], []

        async def work(number):
            async with locks.hold("a") as lease:
                inside.append(number)
                await asyncio.sleep(0.01)
                assert inside == [number]
                inside.remove(number)
                turns.append((number, lease.token))

        await asyncio.gather(*map(work, range(8)))
        tokens = [token for _, token in turns]
        assert sorted(number for number, _ in turns) == [*range(8)]
        assert tokens == sorted(set(tokens))

    run(check)


def test_locks_have_names(run):
    """Who holds one holds no other, however alike the names are."""

    async def check(store):
        locks = Locks(store)
        for name in ("a", "a:b", "A", "a/b", "é"):
            await locks.acquire(name, wait=0)
        async with Locks(store, namespace="other").hold("a", wait=0):
            pass

    run(check)


def test_names_leave_nothing_behind(run):
    """However many names were locked, the store does not grow."""

    async def check(store):
        locks = Locks(store)
        for number in range(20):
            async with locks.hold(f"job {number}"):
                pass
        assert len((await store.scan()).keys) == 1

    run(check)


def test_waiting_ends(run):
    """Who waits for nothing is told what happened, after the time that was given."""

    async def check(store):
        locks = Locks(store, ttl=1000)
        await locks.acquire("a")
        time = asyncio.get_running_loop().time
        began = time()
        with pytest.raises(errors.Timeout, match="lock 'a' for 5 s") as caught:
            await locks.acquire("a", wait=5)
        assert 5 <= time() - began < 5.2
        assert caught.value.request_sent == "no"

    run(check)


def test_released_lock_is_had_at_once(run):
    """Who comes after a release does not wait."""

    async def check(store):
        locks = Locks(store)
        lease = await locks.acquire("a", wait=0)
        assert await lease.release() is True
        assert await lease.release() is False
        await locks.acquire("a", wait=0)

    run(check)


def test_lease_ends_by_itself(run):
    """The lock of who died is free after its ttl; its holder cannot harm the next."""

    async def check(store):
        locks = Locks(store, ttl=30)
        dead = await locks.acquire("a")
        alive = await locks.acquire("a", wait=31)
        assert asyncio.get_running_loop().time() >= 30
        assert alive.token > dead.token
        assert await dead.release() is False
        with pytest.raises(errors.Conflict):
            await dead.renew()
        with pytest.raises(errors.Timeout):
            await locks.acquire("a", wait=0)
        assert await alive.release() is True

    run(check)


def test_renewed_lease_goes_on(run):
    """Work may take longer than a lease, if it renews it in time."""

    async def check(store):
        locks = Locks(store, ttl=30)
        async with locks.hold("a") as lease:
            for _ in range(5):
                await asyncio.sleep(20)
                await lease.renew()
            with pytest.raises(errors.Timeout):
                await locks.acquire("a", wait=0)

    run(check)


def test_lost_lease_is_told(run):
    """Work that was not alone all the time is not taken for done."""

    async def check(store):
        locks = Locks(store, ttl=30)
        with pytest.raises(errors.Conflict, match="was over before the work was done"):
            async with locks.hold("a"):
                await asyncio.sleep(31)

    run(check)


@pytest.mark.parametrize("kept", [5, "text", [], None, {"a": 1}])
def test_what_others_wrote_is_no_lease(run, kept):
    """It is left alone, and whoever wrote it there has the lock."""

    async def check(store):
        locks = Locks(store)
        lease = await locks.acquire("a")
        await store.set("lock:a", kept)

        assert await lease.release() is False
        assert await store.get("lock:a", "gone") == kept
        with pytest.raises(errors.Timeout):
            await locks.acquire("a", wait=0)

    run(check)


def test_error_in_the_block_releases(run):
    """What goes wrong under the lock comes out as it is."""

    async def check(store):
        locks = Locks(store)
        with pytest.raises(ZeroDivisionError):
            async with locks.hold("a"):
                raise ZeroDivisionError
        await locks.acquire("a", wait=0)

    run(check)


def test_tokens_grow_though_a_holder_slept():
    """Who fell asleep while locking does not come back with the highest token."""

    async def check(store):
        class Slow:
            def __getattr__(self, name):
                return getattr(store, name)

            async def incr(self, key, **options):
                await asyncio.sleep(40)  # longer than its lease
                return await store.incr(key, **options)

        async def late():
            return await Locks(Slow(), ttl=30).acquire("a", wait=0)

        sleeper = asyncio.create_task(late())
        await asyncio.sleep(31)
        first = await Locks(store, ttl=1000).acquire("a", wait=0)
        with pytest.raises(errors.Timeout):
            await sleeper
        await first.release()
        second = await Locks(store).acquire("a", wait=0)
        assert second.token > first.token

    virtual(check)


class Remote:
    """A store at the other end of a wire: each call can be cancelled on either way."""

    def __init__(self, store):
        self.store = store

    def __getattr__(self, name):
        method = getattr(self.store, name)

        async def call(*args, **options):
            await asyncio.sleep(0)
            try:
                return await method(*args, **options)
            finally:
                await asyncio.sleep(0)

        return call


def test_cancelled_at_any_point_nothing_is_held(run):
    """Neither who waits nor who holds leaves the lock locked."""

    async def check(store):
        locks = Locks(Remote(store))

        async def work():
            async with locks.hold("a", wait=0) as lease:
                await lease.renew()

        async def nobody_holds_it():
            await asyncio.sleep(1)  # what was shielded is done by then
            lease = await Locks(store).acquire("a", wait=0)
            await lease.release()

        assert await cancel_at_every_await(work, nobody_holds_it) > 6

    run(check)


def test_cancelled_twice_nothing_is_held(run):
    """Who is cancelled while giving the lock back gives it back nonetheless."""

    async def check(store):
        async def work():
            async with Locks(Remote(store)).hold("a", wait=0):
                await asyncio.sleep(1000)

        task = asyncio.create_task(work())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(1)  # what was shielded is done by then
        await Locks(store).acquire("a", wait=0)

    run(check)


def test_cancelled_waiters_hold_nothing(run):
    """Of many that gave up, none gets the lock later."""

    async def check(store):
        locks = Locks(store)
        lease = await locks.acquire("a")
        waiters = [asyncio.create_task(locks.acquire("a")) for _ in range(20)]
        await asyncio.sleep(1)
        for waiter in waiters:
            waiter.cancel()
        await asyncio.wait(waiters)
        await lease.release()
        await asyncio.sleep(1)
        await locks.acquire("a", wait=0)

    run(check)


@pytest.mark.parametrize("ttl", [0, -1, math.inf, math.nan])
def test_bad_ttl_is_refused(ttl):
    """A lease ends, and not before it began."""

    async def check(store):
        with pytest.raises(errors.InvalidRequest, match="ttl"):
            Locks(store, ttl=ttl)
        with pytest.raises(errors.InvalidRequest, match="ttl"):
            await Locks(store).acquire("a", ttl=ttl)

    virtual(check)


@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_processes_take_turns(kind, tmp_path):
    """What four processes count under the lock is exact, and tokens grow."""
    sqlite = {"provider": "sqlite", "path": str(tmp_path / "locks")}
    given = "file" if kind == "file" else json.dumps(sqlite)
    command = [sys.executable, str(WORKER), given, str(tmp_path), "10"]
    workers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    printed = [worker.communicate()[0].split() for worker in workers]
    turns = sorted(
        (int(count), int(token))
        for words in printed
        for count, token in zip(words[::2], words[1::2], strict=True)
    )

    assert [worker.returncode for worker in workers] == [0] * 4
    assert [count for count, _ in turns] == [*range(40)]
    tokens = [token for _, token in turns]
    assert kind == "file" or tokens == sorted(set(tokens))


def test_blocking_locks_are_the_same():
    """All of it without async, errors included."""
    settings = {"storage": {"kit": {"provider": "memory"}}}
    with sync.Pegboard.isolated(settings) as board:
        locks = board.storage("kit", sync.Locks)
        with locks.hold("a") as lease:
            lease.renew()
            with pytest.raises(errors.Timeout):
                locks.acquire("a", wait=0)
        with pytest.raises(ZeroDivisionError), locks.hold("a"):
            raise ZeroDivisionError
        second = locks.acquire("a", wait=0)
        assert (second.name, second.token > lease.token) == ("a", True)
        assert second.release() is True


# -- by files -------------------------------------------------------------------------


async def cancelled_waiter_leaves_the_lock(lock, path):
    """Check that who gives up waiting does not get the lock later."""
    waiting = threading.Event()
    async with file_lock(path):
        waiter = asyncio.create_task(hold(lock, path, waiting))
        await asyncio.to_thread(waiting.wait)
        waiter.cancel()
        await asyncio.wait([waiter])
    await asyncio.get_running_loop().shutdown_default_executor()
    await hold_now(path)


async def hold(lock, path, waiting):
    """Hold the lock for a moment."""
    waiting.set()
    async with lock(path):
        await asyncio.sleep(0)


@asynccontextmanager
async def thread_lock(path):
    """Stand for a lock that waits in a thread, which no cancellation reaches."""
    descriptor = os.open(path, os.O_RDWR)
    HELD.append(descriptor)
    await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
    yield
    fcntl.flock(descriptor, fcntl.LOCK_UN)


HELD = []
"""The files of the lock that waits in a thread."""


def test_cancelled_waiter_leaves_the_file_lock(tmp_path):
    """Who gives up waiting holds nothing, then or later."""
    asyncio.run(cancelled_waiter_leaves_the_lock(file_lock, tmp_path / "lock"))


def test_waiting_in_threads_would_be_noticed(tmp_path):
    """The same check fails a lock whose waiters cannot be cancelled."""

    def is_noticed(number):
        try:
            check = cancelled_waiter_leaves_the_lock(
                thread_lock, tmp_path / str(number)
            )
            asyncio.run(check)
        except errors.Timeout:
            return True
        return False

    assert any(is_noticed(number) for number in range(50))  # the thread may be late
    for descriptor in HELD:
        os.close(descriptor)


async def hold_now(path):
    """Hold the lock if nobody else does."""
    async with file_lock(path, wait=0):
        pass


def test_many_waiters_each_get_the_file_lock(tmp_path):
    """However many wait, the holder gives it back at once, and each has its turn."""

    async def main():
        turns = []

        async def work(number):
            async with file_lock(tmp_path / "lock", wait=60):
                turns.append(number)
                await asyncio.sleep(0.01)

        await asyncio.gather(*map(work, range(40)))
        assert sorted(turns) == [*range(40)]

    run_virtual(main())


def test_file_lock_is_not_had_twice(tmp_path):
    """Not even by the task that holds it."""

    async def main():
        async with file_lock(tmp_path / "lock"):
            began = asyncio.get_running_loop().time()
            with pytest.raises(errors.Timeout, match="for 2 s"):
                async with file_lock(tmp_path / "lock", wait=2):
                    pass
            assert asyncio.get_running_loop().time() - began >= 2
        async with file_lock(tmp_path / "lock", wait=0):
            pass

    run_virtual(main())


def test_cancelled_file_lock_leaves_no_file_open(tmp_path):
    """At whatever point."""
    before = open_files()

    async def work():
        async with file_lock(tmp_path / "lock", wait=0):
            await asyncio.sleep(0)

    async def main():
        return await cancel_at_every_await(work, lambda: hold_now(tmp_path / "lock"))

    assert run_virtual(main()) == 1
    assert open_files() == before


def test_killed_holder_gives_the_file_lock_back(tmp_path):
    """No lock is stale: the system knows who is alive."""
    code = (
        "import asyncio, sys; from pegboard import file_lock\n"
        "async def main():\n"
        "    async with file_lock(sys.argv[1]):\n"
        "        print('held', flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())"
    )
    path = tmp_path / "new" / "folder" / "lock"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(errors.Timeout):
            asyncio.run(hold_now(path))
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    asyncio.run(hold_now(path))


def test_file_that_cannot_be_opened_is_told(tmp_path):
    """The error names the file and the reason."""
    with pytest.raises(errors.Unavailable, match="cannot be opened: Is a directory"):
        asyncio.run(hold_now(tmp_path))
    with suppress(errors.Timeout):
        asyncio.run(hold_now(tmp_path / "other"))
