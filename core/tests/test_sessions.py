"""Sessions, over each store that comes with the core."""

from __future__ import annotations

import asyncio
import hashlib
import math

import pytest
from loguru import logger
from pegboard import KeyValue, Pegboard, Sessions, enable_logging, errors, sync
from pegboard.testing.clock import ManualClock

NOT_JSON = "What is stored under 'session:secret-id' is not JSON."
AWAY = "The server is away."


@pytest.fixture
def clock():
    """Return a clock that is moved by hand."""
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, clock, tmp_path):
    """Return a store of values."""
    settings = {
        "data_folder": str(tmp_path),
        "storage": {"kit": {"provider": request.param}},
    }
    async with Pegboard.isolated(settings, clock=clock) as board:
        yield board.storage("kit", KeyValue)


@pytest.fixture
def sessions(store, clock):
    """Return sessions, none yet."""
    return Sessions(store, clock=clock)


@pytest.fixture
def logged():
    """Return what is logged."""
    lines = []
    enable_logging()
    number = logger.add(lambda message: lines.append(str(message)), format="{message}")
    yield lines
    logger.remove(number)
    logger.disable("pegboard")


async def test_missing_session_is_none(sessions):
    """Nobody is known before they come."""
    assert await sessions.get("user") is None
    assert await sessions.exists("user") is False
    assert await sessions.touch("user") is False
    assert await sessions.delete("user") is False
    assert await sessions.update("user", {"a": 1}) is None


async def test_session_comes_back(sessions):
    """What was kept is there, with the time of the last activity."""
    await sessions.set("user", {"name": "Ann", "cart": [1, 2]})

    assert await sessions.get("user") == {
        "name": "Ann",
        "cart": [1, 2],
        "last_activity": "2001-09-09T01:46:40+00:00",
    }


async def test_last_activity_may_be_given(sessions):
    """Who knows better is not overruled."""
    await sessions.set("user", {"last_activity": "yesterday"})

    assert await sessions.get("user") == {"last_activity": "yesterday"}


async def test_session_ends_after_half_an_hour(sessions, clock):
    """Without a word a session lives 1800 seconds."""
    await sessions.set("user", {})
    clock.advance(1799)
    assert await sessions.exists("user")
    clock.advance(1)

    assert await sessions.get("user") is None


async def test_reading_keeps_a_session(sessions, clock):
    """Who comes back in time is known for another half hour."""
    await sessions.set("user", {"a": 1})
    for _ in range(5):
        clock.advance(1700)
        assert await sessions.get("user")
    clock.advance(1801)

    assert await sessions.get("user") is None


async def test_session_keeps_its_own_ttl(sessions, clock):
    """Reading or changing a short session does not make it a long one."""
    await sessions.set("user", {"a": 1}, ttl=60)
    clock.advance(59)
    assert await sessions.get("user")
    clock.advance(59)
    assert await sessions.update("user", {"a": 2})
    clock.advance(61)

    assert await sessions.get("user") is None


async def test_session_for_ever(sessions, clock):
    """Infinity is a ttl, too."""
    await sessions.set("user", {"a": 1}, ttl=math.inf)
    clock.advance(1e9)

    assert await sessions.get("user")


async def test_touch_moves_the_end(sessions, clock):
    """A session can be given more time, or less."""
    await sessions.set("user", {"a": 1})
    assert await sessions.touch("user", ttl=5000) is True
    clock.advance(4000)
    assert await sessions.exists("user")
    assert await sessions.touch("user") is True
    clock.advance(1801)

    assert not await sessions.exists("user")


@pytest.mark.parametrize("ttl", [0, -1, math.nan])
async def test_bad_ttl_is_refused(sessions, store, ttl):
    """A session that never was is a mistake in every store."""
    with pytest.raises(errors.InvalidRequest, match="ttl"):
        await sessions.set("user", {}, ttl=ttl)
    with pytest.raises(errors.InvalidRequest, match="ttl"):
        Sessions(store, ttl=ttl)


@pytest.mark.parametrize("values", [None, "text", [1]])
async def test_session_holds_values_by_name(sessions, values):
    """Anything else is a slip."""
    with pytest.raises(errors.InvalidRequest, match="values by name"):
        await sessions.set("user", values)


async def test_session_is_a_copy(sessions):
    """Changing what was given or read changes no session."""
    given = {"cart": [1]}
    await sessions.set("user", given)
    given["cart"].append(2)
    (await sessions.get("user"))["cart"].append(3)

    assert (await sessions.get("user"))["cart"] == [1]


async def test_update_changes_what_it_names(sessions, clock):
    """The rest stays; the time of the last activity is that of the change."""
    await sessions.set("user", {"a": 1, "b": 2})
    clock.advance(60)
    after = await sessions.update("user", {"b": 3})

    assert after == {"a": 1, "b": 3, "last_activity": "2001-09-09T01:47:40+00:00"}
    assert await sessions.get("user") == after


async def test_updates_at_once_lose_nothing(sessions, store):
    """Requests of one user that come together all count."""
    await sessions.set("user", {})
    slow = Sessions(Yielding(store))
    await asyncio.gather(*(slow.update("user", {f"{n}": n}) for n in range(8)))

    assert {f"{n}": n for n in range(8)}.items() <= (await sessions.get("user")).items()


class Yielding:
    """A store whose reads take as long as others need to come in between."""

    def __init__(self, store):
        self.store = store

    def __getattr__(self, name):
        return getattr(self.store, name)

    async def get_entry(self, key):
        entry = await self.store.get_entry(key)
        await asyncio.sleep(0)
        return entry


@pytest.mark.parametrize("kept", ["text", 5, [1], {"a": 1}, {"values": 5}])
async def test_what_others_wrote_is_no_session(sessions, store, logged, kept):
    """It is logged, without the id, and the user begins anew."""
    await store.set("session:user", kept)

    assert await sessions.get("user") is None
    assert await sessions.update("user", {"a": 1}) is None
    (line, _) = logged
    digest = hashlib.sha256(b"user").hexdigest()[:12]
    assert digest in line
    assert "cannot be read" in line
    await sessions.set("user", {"a": 1})
    assert (await sessions.get("user"))["a"] == 1


async def test_what_is_no_json_is_no_session(clock, logged):
    """The same holds for what cannot even be decoded."""

    class Broken:
        async def get_entry(self, key):
            del key
            raise errors.InvalidReply(NOT_JSON)

    sessions = Sessions(Broken(), clock=clock)
    assert await sessions.get("secret-id") is None
    assert await sessions.touch("secret-id") is False
    assert await sessions.update("secret-id", {"a": 1}) is None
    assert len(logged) == 3
    assert not any("secret-id" in line for line in logged)


async def test_errors_of_the_store_are_told(clock):
    """A store that is away is not a user who is not there."""

    class Away:
        async def get_entry(self, key):
            del key
            raise errors.Unavailable(AWAY)

    with pytest.raises(errors.Unavailable):
        await Sessions(Away(), clock=clock).get("user")


async def test_sessions_share_a_store(sessions, store):
    """Each namespace has its own, whatever the ids look like."""
    await store.set("user", "not ours")
    other = Sessions(store, namespace="admin")
    ids = ["user", "a:b", "a", "a/b", "a%3Ab", "é", "session:user"]
    for number, session_id in enumerate(ids):
        await sessions.set(session_id, {"number": number})
        await other.set(session_id, {"number": -number})

    for number, session_id in enumerate(ids):
        assert (await sessions.get(session_id))["number"] == number
        assert (await other.get(session_id))["number"] == -number
    assert set((await sessions.scan()).keys) == set(ids)
    assert await store.get("user") == "not ours"


async def test_ids_are_listed_page_by_page(sessions):
    """Every one of them once."""
    for number in range(5):
        await sessions.set(f"{number}", {})
    page = await sessions.scan(limit=3)
    rest = await sessions.scan(limit=3, cursor=page.cursor)

    assert (*page.keys, *rest.keys) == ("0", "1", "2", "3", "4")
    assert rest.cursor is None


@pytest.mark.parametrize("namespace", ["", "a:b"])
def test_bad_namespace_is_refused(namespace):
    """Two namespaces must not be able to meet."""
    with pytest.raises(errors.InvalidRequest, match="namespace"):
        Sessions(None, namespace=namespace)


def test_board_opens_sessions_without_async():
    """The same by name, blocking."""
    settings = {"storage": {"sessions": {"provider": "memory"}}}
    with sync.Pegboard.isolated(settings) as board:
        sessions = board.storage("sessions", sync.Sessions)
        sessions.set("user", {"a": 1})

        assert sessions.get("user")["a"] == 1
        assert sessions.update("user", {"b": 2})["a"] == 1
        assert sessions.scan().keys == ("user",)
