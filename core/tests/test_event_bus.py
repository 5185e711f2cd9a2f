from __future__ import annotations

import asyncio
import tracemalloc

import pytest
from pegboard import EventBus, EventLog, Pegboard, sync
from pegboard.errors import Authentication, InvalidRequest, Overloaded, Unavailable
from pegboard.testing import no_leaks, run_virtual


def virtually(**options):
    """Run an async test of a log in memory, in time that never waits."""

    def decorate(test):
        def run():
            async def main():
                clock = asyncio.get_running_loop().time
                settings = {"integrations": {"x": {"provider": "memory", **options}}}
                board = Pegboard.isolated(settings, clock=clock)
                async with no_leaks(), board:
                    await test(board.integration("x", EventLog))

            run_virtual(main())

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return decorate


async def rest(subscription):
    """Return the bodies of all events that can be had at once."""
    found = []
    while (event := await subscription.next()) is not None:
        found.append(event.body)
    return found


class Failing:
    """A log that raises each of *errors* once before it is read."""

    def __init__(self, log, errors):
        self._log = log
        self.errors = errors

    def __getattr__(self, name):
        return getattr(self._log, name)

    async def read_events(self, *topics, **options):
        """Raise what is left, or read."""
        if self.errors:
            raise self.errors.pop(0)
        return await self._log.read_events(*topics, **options)


@virtually()
async def test_subscriber_gets_what_happens_in_its_block(log):
    """Nothing that came before, and all that comes after, as it comes."""
    bus = EventBus(log)
    await bus.publish("a", "before")
    async with bus.subscribe() as events:
        await bus.publish("a", 1)
        publishing = asyncio.create_task(later(bus))
        seen = []
        async for event in events:
            seen.append((event.topic, event.body))
            if len(seen) == 3:
                break
        await publishing

    assert seen == [("a", 1), ("b", 2), ("c.d", 3)]


async def later(bus):
    """Publish after a while, and again after a long while."""
    await asyncio.sleep(10)
    await bus.publish("b", 2)
    await asyncio.sleep(1000)
    await bus.publish("c.d", 3)


@virtually()
async def test_subscriber_chooses_topics(log):
    """By patterns, several of them if it wants."""
    bus = EventBus(log)
    async with bus.subscribe("orders.*", "users.gone") as events:
        for topic in ("orders.paid", "users.new", "users.gone", "orders", "x.orders.y"):
            await bus.publish(topic, topic)

        assert await rest(events) == ["orders.paid", "users.gone"]


@virtually()
async def test_subscriber_chooses_events(log):
    """By a function of its own."""
    bus = EventBus(log)
    async with bus.subscribe(where=lambda event: event.body % 2 == 0) as events:
        for number in range(6):
            await bus.publish("a", number)

        assert await rest(events) == [0, 2, 4]
        assert (await bus.publish("a", 6), await rest(events)) == ("7", [6])


@virtually()
async def test_all_subscribers_get_all(log):
    """Nobody takes anything away from others."""
    bus = EventBus(log)
    async with bus.subscribe() as first, bus.subscribe() as second:
        await bus.publish("a", 1)

        assert await rest(first) == await rest(second) == [1]


@virtually()
async def test_subscriber_may_begin_at_the_start(log):
    """What is kept is played again, and then it goes on."""
    bus = EventBus(log)
    for number in range(250):  # several pages
        await bus.publish("a", number)
    async with bus.subscribe(after="start") as events:
        await bus.publish("a", 250)

        assert await rest(events) == list(range(251))


@virtually()
async def test_subscriber_goes_on_where_it_was(log):
    """Its position, at any moment, leads to what it has not yet got."""
    bus = EventBus(log)
    for number in range(250):
        await bus.publish("a" if number % 3 else "b", number)
    seen, position = [], "start"
    while len(seen) < 166:
        async with bus.subscribe("a", after=position) as events:
            for _ in range(7):
                event = await events.next()
                seen += [] if event is None else [event.body]
            position = events.position

    assert seen == [number for number in range(250) if number % 3]


@virtually(keep=10)
async def test_slow_subscriber_knows_what_it_missed(log):
    """It goes on with what is kept."""
    bus = EventBus(log)
    async with bus.subscribe() as events:
        for number in range(25):
            await bus.publish("a", number)

        assert await rest(events) == list(range(15, 25))
        assert events.dropped == 15


@virtually(keep=10)
async def test_ten_thousand_events_take_the_room_of_ten(log):
    """Memory does not grow with what a slow subscriber has not read."""
    bus = EventBus(log)
    async with bus.subscribe() as events:
        tracemalloc.start()
        for _ in range(10_000):
            await bus.publish("a", "x" * 10_000)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert len(await rest(events)) == 10
        assert events.dropped == 9990
    assert peak < 1_000_000


@virtually(keep=3, overflow="block")
async def test_publisher_waits_for_a_slow_subscriber(log):
    """Everything arrives, at the speed of the slowest."""
    bus = EventBus(log)
    seen = []

    async def publish():
        for number in range(20):
            await bus.publish("a", number)

    async with bus.subscribe() as events:
        publishing = asyncio.create_task(publish())
        async for event in events:
            await asyncio.sleep(1)
            seen.append(event.body)
            if len(seen) == 20:
                break
        await publishing

    assert seen == list(range(20))
    assert events.dropped == 0
    assert asyncio.get_running_loop().time() >= 20


@virtually(keep=2, overflow="error")
async def test_subscriber_that_left_holds_up_nobody(log):
    """After its block, nothing is kept for it."""
    bus = EventBus(log)
    async with bus.subscribe():
        for number in range(2):
            await bus.publish("a", number)
        with pytest.raises(Overloaded, match="keep"):
            await bus.publish("a", "too much")
    await bus.publish("a", "now")


@virtually()
async def test_next_waits_as_long_as_it_is_told(log):
    """And not at all if it is told nothing."""
    bus, time = EventBus(log), asyncio.get_running_loop().time
    async with bus.subscribe() as events:
        assert await events.next() is None
        assert time() == 0
        assert await events.next(50) is None
        assert time() == pytest.approx(50)


@virtually()
async def test_loop_outlives_an_outage(log):
    """It goes on where it was when the log is back."""
    failing = Failing(log, [])
    bus = EventBus(failing)
    async with bus.subscribe() as events:
        await bus.publish("a", 1)
        failing.errors = [Unavailable("away") for _ in range(4)]
        async for event in events:
            assert event.body == 1
            break
    assert asyncio.get_running_loop().time() == pytest.approx(0.1 + 0.2 + 0.4 + 0.8)


@virtually()
async def test_refusal_ends_the_loop(log):
    """What trying again does not help is an error."""
    failing = Failing(log, [])
    async with EventBus(failing).subscribe() as events:
        failing.errors = [Authentication("no")]
        with pytest.raises(Authentication):
            await anext(aiter(events))


@virtually()
async def test_subscription_is_used_in_its_block(log):
    """Outside of it there would be nobody to end it."""
    events = EventBus(log).subscribe()
    with pytest.raises(InvalidRequest, match="async with"):
        await events.next()
    async with events:
        pass
    with pytest.raises(InvalidRequest, match="async with"):
        await events.next()


@virtually(keep=2)
async def test_events_are_sent_to_browsers(log):
    """With id and topic, one line of JSON, and what was dropped."""
    bus = EventBus(log)
    async with bus.subscribe("a.*") as events:
        for number in range(3):
            await bus.publish("a.b", {"text": f"line\n{number}"})
        sent = events.server_sent(heartbeat=15)
        first = [await anext(sent) for _ in range(4)]
        time = asyncio.get_running_loop().time()
        await bus.publish("a.b", None)
        last = await anext(sent)
        await sent.aclose()

    assert first == [
        "event: !dropped\ndata: 1\n\n",
        'id: 2\nevent: a.b\ndata: {"text": "line\\n1"}\n\n',
        'id: 3\nevent: a.b\ndata: {"text": "line\\n2"}\n\n',
        ": nothing new\n\n",
    ]
    assert time == pytest.approx(15)
    assert last == "id: 4\nevent: a.b\ndata: null\n\n"


async def test_board_makes_a_bus_of_any_log(tmp_path):
    """It stands for the log of the instance."""
    settings = {"data_folder": str(tmp_path)}
    async with Pegboard.isolated(settings) as board:
        bus = board.integration("news", EventBus)
        async with bus.subscribe() as events:
            await bus.publish("a", 1)

            assert await rest(events) == [1]


def test_bus_without_async():
    """Blocking programs publish and subscribe alike."""
    settings = {"integrations": {"news": {"provider": "memory"}}}
    with sync.Pegboard.isolated(settings) as board:
        bus = board.integration("news", sync.EventBus)
        with bus.subscribe("a.*") as events:
            for number in range(3):
                bus.publish("a.b", number)
            first = events.next(wait=5.0)
            seen = []
            for event in events:
                seen.append(event.body)
                if len(seen) == 2:
                    break

            assert first.body == 0
            assert seen == [1, 2]
            assert (events.dropped, events.position) == (0, "3")
            assert events.next() is None
