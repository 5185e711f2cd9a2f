from __future__ import annotations

import asyncio

import pytest
from pegboard.errors import NotFound
from pegboard.secret_cache import SecretCache
from pegboard.testing import ManualClock
from pydantic import SecretStr


class Service:
    """Counts how often it is asked, and answers when it is told to."""

    def __init__(self) -> None:
        self.secrets = {"key": "old"}
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def fetch(self, name: str) -> SecretStr:
        """Return the secret as it was when this was asked."""
        self.asked.append(name)
        found = self.secrets.get(name)
        await self.may_answer.wait()
        if found is None:
            raise NotFound(name)
        return SecretStr(found)


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands still."""
    return ManualClock()


@pytest.fixture
def service() -> Service:
    """Return a service with one secret."""
    return Service()


@pytest.fixture
def cache(service: Service, clock: ManualClock) -> SecretCache:
    """Return a cache that keeps secrets for a minute."""
    return SecretCache(service.fetch, ttl=60, clock=clock)


async def _key(cache: SecretCache) -> str:
    return (await cache.get("key")).get_secret_value()


async def test_a_young_secret_is_not_fetched_again(
    cache: SecretCache, service: Service, clock: ManualClock
) -> None:
    """The service is asked once in the time that it is kept for."""
    await cache.get("key")
    clock.advance(59)
    await cache.get("key")

    assert service.asked == ["key"]


async def test_a_rotation_is_seen(
    cache: SecretCache, service: Service, clock: ManualClock
) -> None:
    """When the time is over, the new value is there."""
    before = await _key(cache)
    service.secrets["key"] = "new"
    clock.advance(60)

    assert [before, await _key(cache)] == ["old", "new"]


async def test_age_counts_from_when_it_was_asked_for(
    cache: SecretCache, service: Service, clock: ManualClock
) -> None:
    """A slow answer is as old as its question."""
    service.may_answer.clear()
    asking = asyncio.create_task(_key(cache))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    clock.advance(50)
    service.may_answer.set()
    await asking
    clock.advance(10)
    await cache.get("key")

    assert service.asked == ["key", "key"]


async def test_a_clock_that_was_set_back_keeps_nothing(
    cache: SecretCache, service: Service, clock: ManualClock
) -> None:
    """What seems to be from the future may be of any age."""
    await cache.get("key")
    clock.advance(-3600)
    await cache.get("key")

    assert service.asked == ["key", "key"]


async def test_many_at_once_ask_once(cache: SecretCache, service: Service) -> None:
    """A hundred requests that begin together are one to the service."""
    found = await asyncio.gather(*(_key(cache) for _ in range(100)))

    assert {*found} == {"old"}
    assert service.asked == ["key"]


async def test_no_error_is_kept(cache: SecretCache, service: Service) -> None:
    """What was missing is there as soon as it is."""
    with pytest.raises(NotFound):
        await cache.get("other")
    service.secrets["other"] = "there"

    assert (await cache.get("other")).get_secret_value() == "there"


async def test_an_old_value_does_not_stand_in_for_an_error(
    cache: SecretCache, service: Service, clock: ManualClock
) -> None:
    """A secret that was taken away must stop to work."""
    await cache.get("key")
    del service.secrets["key"]
    clock.advance(60)

    with pytest.raises(NotFound):
        await cache.get("key")


async def test_without_a_time_nothing_is_kept(
    service: Service, clock: ManualClock
) -> None:
    """Every question goes to the service."""
    cache = SecretCache(service.fetch, ttl=0, clock=clock)
    await cache.get("key")
    await cache.get("key")

    assert service.asked == ["key", "key"]


async def test_what_is_forgotten_is_fetched(
    cache: SecretCache, service: Service
) -> None:
    """Who has written a secret reads what was written."""
    await cache.get("key")
    service.secrets["key"] = "new"
    cache.forget("key")

    assert await _key(cache) == "new"


async def test_what_was_asked_before_a_write_is_not_kept(
    cache: SecretCache, service: Service
) -> None:
    """An answer on its way when the secret was written is no longer right."""
    service.may_answer.clear()
    early = asyncio.create_task(_key(cache))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    service.secrets["key"] = "new"
    cache.forget("key")
    service.may_answer.set()
    await early

    assert await _key(cache) == "new"


async def test_who_asks_after_a_write_does_not_get_what_was_asked_before(
    cache: SecretCache, service: Service
) -> None:
    """Whoever has written a secret waits for an answer of its own."""
    service.may_answer.clear()
    early = asyncio.create_task(_key(cache))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    service.secrets["key"] = "new"
    cache.forget("key")
    late = asyncio.create_task(_key(cache))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    service.may_answer.set()

    assert await asyncio.gather(early, late) == ["old", "new"]
