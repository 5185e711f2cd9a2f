from __future__ import annotations

import asyncio

import pytest
from pegboard.testing.cancellation import cancel_at_every_await
from pegboard.testing.leaks import no_leaks


class Account:
    """Something with a lock and two steps under it."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()

    async def work_carefully(self) -> None:
        """Hold the lock in a block that gives it back."""
        async with self.lock:
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def work_carelessly(self) -> None:
        """Give the lock back only if all goes well."""
        await self.lock.acquire()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.lock.release()

    async def swallow(self) -> None:
        """Go on as if nothing had happened."""
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            return

    async def translate(self) -> None:
        """Turn a cancellation into another error."""
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError as error:
            raise ConnectionError from error

    def assert_free(self) -> None:
        """Fail if the lock is held."""
        assert not self.lock.locked(), "The lock is still held."


@pytest.fixture
def account() -> Account:
    """Return an account whose lock is free."""
    return Account()


class TestCancelAtEveryAwait:
    async def test_correct_work_passes(self, account: Account) -> None:
        """Work that cleans up may be cancelled anywhere."""
        places = await cancel_at_every_await(
            account.work_carefully, account.assert_free
        )

        assert places == 2

    async def test_a_leaked_lock_is_found(self, account: Account) -> None:
        """A lock that stays held fails the check."""
        with pytest.raises(AssertionError, match="still held"):
            await cancel_at_every_await(account.work_carelessly, account.assert_free)

    async def test_a_swallowed_cancellation_is_found(self, account: Account) -> None:
        """Work that cannot be stopped is an error."""
        with pytest.raises(AssertionError, match="suspension 1 was swallowed"):
            await cancel_at_every_await(account.swallow, account.assert_free)

    async def test_a_translated_cancellation_is_found(self, account: Account) -> None:
        """A cancellation that comes out as another error is an error."""
        with pytest.raises(AssertionError, match="turned into ConnectionError"):
            await cancel_at_every_await(account.translate, account.assert_free)

    async def test_an_error_of_the_work_is_raised(self) -> None:
        """Work that fails by itself fails the test."""

        async def fail() -> None:
            await asyncio.sleep(0)
            raise LookupError

        with pytest.raises(LookupError):
            await cancel_at_every_await(fail, lambda: None)

    async def test_the_check_may_be_a_coroutine(self, account: Account) -> None:
        """A coroutine function is awaited after each run."""
        free: list[bool] = []

        async def check() -> None:
            await asyncio.sleep(0)
            free.append(not account.lock.locked())

        await cancel_at_every_await(account.work_carefully, check)

        assert free == [True, True, True]

    async def test_futures_that_are_waited_for_are_cancelled(self) -> None:
        """The cancellation reaches the task that the work waits for."""

        async def wait_for_a_task() -> None:
            await asyncio.create_task(asyncio.sleep(0), name="inner")

        async with no_leaks(patience=0):
            places = await cancel_at_every_await(wait_for_a_task, lambda: None)

        assert places == 1

    async def test_a_leaked_task_is_found(self) -> None:
        """A task that outlives its cancelled parent is a leak."""

        async def start_and_forget() -> None:
            task = asyncio.create_task(asyncio.sleep(60))
            await asyncio.sleep(0)
            task.cancel()

        before = asyncio.all_tasks()
        with pytest.raises(AssertionError, match="Left behind"):
            async with no_leaks(patience=0):
                await cancel_at_every_await(start_and_forget, lambda: None)
        for task in asyncio.all_tasks() - before:
            task.cancel()

    async def test_results_still_reach_the_work(self) -> None:
        """A run that is not cancelled behaves as if it had been awaited."""
        results: list[int] = []

        async def work() -> None:
            results.append(await asyncio.to_thread(lambda: 42))

        await cancel_at_every_await(work, lambda: None)

        assert results == [42]
