"""
Prove that a backend keeps the contract of EventLog.

    from pegboard.testing.event_log import EventLogContract


    class TestNats(EventLogContract):
        @pytest.fixture
        def settings(self, server):
            return {"provider": "nats", "url": server.url, "stream": uuid4().hex}

The fixture ``settings`` returns what stands in the settings of an instance whose log
holds nothing yet; the tests add ``keep``, ``overflow``, ``block_timeout`` and
``reader_timeout``. A backend that keeps its own time gets a ``RealClock`` as its
``clock``. What cannot be kept is left out with a reason; see
``pegboard.testing.standard``.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import pytest_asyncio
from hypothesis import HealthCheck
from hypothesis import settings as example_settings
from hypothesis.stateful import run_state_machine_as_test

from pegboard import EventLog
from pegboard.contracts.queue_rules import MOST_BYTES
from pegboard.errors import InvalidRequest, Overloaded

from ._event_model import EventMachine
from ._instance_kit import InstanceKit, MakeBoard
from .cancellation import cancel_at_every_await
from .clock import ManualClock, RealClock
from .leaks import no_leaks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pegboard import EventPage

PATIENCE = 30.0
"""Seconds that are only waited for where something is wrong."""
SHORT, PAST_SHORT = 1.0, 1.1
TASKS = 8
MANY = 10_000
BODIES: tuple[Any, ...] = (
    None,
    True,
    0,
    0.1,
    2**63,
    "",
    'nul \x00, newline \n, quote ", backslash \\',
    "e\u0301 is not \u00e9",
    "half of a pair: \ud83d",
    [],
    {"a": {"b": {"c": [1, 2, 3]}}, "\u00e9": None},
    "x" * 100_000,
)
NOT_JSON: tuple[Any, ...] = (math.nan, [math.inf], object(), b"bytes", {1, 2})
NOT_TOPICS: tuple[Any, ...] = (
    *("", ".", "a.", ".a", "a..b", "a b", "a*", "*", "\u00e9", "a\n", "a" * 257),
    *(None, 5, b"a"),
)
NOT_PATTERNS: tuple[Any, ...] = (
    *("a", [], [""], ["a."], ["a*"], ["***"], ["**.a.**"], [5], None, [["a"]], 5),
)
NOT_POSITIONS: tuple[Any, ...] = ("", "nonsense", "-1", 5, None, "1" * 40, "\ud800")
NOT_READERS: tuple[Any, ...] = ("", "a b", "\u00e9", "r" * 129, 5)
TOPICS = ("a", "b", "a.b", "a.c", "a.b.c", "b.b", "b.a.c", "ab", "A.b")
PATTERNS = {
    ("**",): TOPICS,
    ("a",): ("a",),
    ("*",): ("a", "b", "ab"),
    ("a.*",): ("a.b", "a.c"),
    ("*.b",): ("a.b", "b.b", "A.b"),
    ("a.**",): ("a", "a.b", "a.c", "a.b.c"),
    ("**.c",): ("a.c", "a.b.c", "b.a.c"),
    ("a.**.c",): ("a.c", "a.b.c"),
    ("*.*",): ("a.b", "a.c", "b.b", "A.b"),
    ("b", "a.*.c"): ("b", "a.b.c"),
    ("nothing",): (),
}
EXAMPLES = example_settings(
    database=None,
    deadline=None,
    derandomize=True,
    max_examples=40,
    stateful_step_count=30,
    suppress_health_check=list(HealthCheck),
)
Clock = ManualClock | RealClock


def _short(value: object) -> str:
    return ascii(value)[:20]


class OpenLog(Protocol):
    """Open the log, some of its settings changed."""

    async def __call__(self, **changes: object) -> EventLog:
        """Return the log of a new board, which is closed after the test."""
        ...


@pytest.mark.asyncio
class EventLogContract(InstanceKit):
    """What every EventLog must do. Inherit it and give the fixture ``settings``."""

    family = "integrations"
    examples = EXAMPLES
    """How many random calls are compared with a model; fewer for a slow backend."""
    short, past_short = SHORT, PAST_SHORT
    """Seconds, where time really passes; less for a quick backend."""

    @pytest.fixture
    def clock(self) -> Clock:
        """Return the clock that times are measured with."""
        return ManualClock()

    @pytest_asyncio.fixture
    async def open_log(self, make_board: MakeBoard) -> AsyncGenerator[OpenLog]:
        """Return a function that opens the log."""
        async with AsyncExitStack() as boards:

            async def open_log(**changes: object) -> EventLog:
                board = await boards.enter_async_context(make_board(**changes))
                return board.integration("kit", EventLog)

            yield open_log

    @pytest_asyncio.fixture
    async def log(self, open_log: OpenLog) -> EventLog:
        """Return the log, empty."""
        return await open_log()

    @pytest.mark.parametrize("after", ["start", "end"])
    async def test_empty_log_has_no_events(self, log: EventLog, after: str) -> None:
        """Where nothing happened there is nothing to read, and nothing was dropped."""
        page = await log.read_events(after=after)

        assert (page.events, page.dropped) == ((), 0)

    async def test_event_is_read_as_it_was_published(
        self, log: EventLog, clock: Clock
    ) -> None:
        """With its topic, its body, its position, and when it happened."""
        before = clock()
        position = await log.publish_event("orders.paid", {"id": 7})
        after = clock()
        await clock.sleep(self.past_short)
        ((event,), *_) = _parts(await log.read_events(after="start"))

        assert (event.topic, event.body) == ("orders.paid", {"id": 7})
        assert event.position == position
        assert before - 0.5 <= event.published <= after + 0.5

    @pytest.mark.parametrize("body", BODIES, ids=_short)
    async def test_body_comes_as_it_was(self, log: EventLog, body: Any) -> None:
        """A body is read with the type and the digits that it was published with."""
        await log.publish_event("a", body)
        (event,) = (await log.read_events(after="start")).events

        assert repr(event.body) == repr(body)

    @pytest.mark.parametrize("body", NOT_JSON, ids=_short)
    async def test_body_that_json_lacks_is_refused(
        self, log: EventLog, body: Any
    ) -> None:
        """What could not be read as it was is not published."""
        with pytest.raises(InvalidRequest):
            await log.publish_event("a", body)
        assert (await log.read_events(after="start")).events == ()

    async def test_bodies_are_copies(self, log: EventLog) -> None:
        """Changing what was published, or read, changes no event."""
        given = {"list": [1]}
        await log.publish_event("a", given)
        given["list"].append(2)
        (first,) = (await log.read_events(after="start")).events
        first.body["list"].append(3)
        (second,) = (await log.read_events(after="start")).events

        assert second.body == {"list": [1]}

    async def test_too_big_event_is_refused(self, log: EventLog) -> None:
        """A body has up to 256 KiB as JSON."""
        await log.publish_event("a", "x" * (MOST_BYTES - 2))

        with pytest.raises(InvalidRequest):
            await log.publish_event("a", "x" * (MOST_BYTES - 1))
        assert len((await log.read_events(after="start")).events) == 1

    @pytest.mark.parametrize("topic", NOT_TOPICS, ids=_short)
    async def test_bad_topic_is_refused(self, log: EventLog, topic: Any) -> None:
        """A topic is words that are joined by dots."""
        with pytest.raises(InvalidRequest):
            await log.publish_event(topic, 1)
        assert (await log.read_events(after="start")).events == ()

    @pytest.mark.parametrize("patterns", PATTERNS, ids=" ".join)
    async def test_topics_are_chosen(
        self, log: EventLog, patterns: tuple[str, ...]
    ) -> None:
        """A star stands for one word, two for any number of them."""
        for topic in TOPICS:
            await log.publish_event(topic, topic)
        page = await log.read_events(patterns, after="start")

        assert tuple(event.topic for event in page.events) == PATTERNS[patterns]
        assert tuple(event.body for event in page.events) == PATTERNS[patterns]

    @pytest.mark.parametrize("topics", NOT_PATTERNS, ids=_short)
    async def test_bad_patterns_are_refused(self, log: EventLog, topics: Any) -> None:
        """What can be no topic finds no events either, so it is a mistake."""
        with pytest.raises(InvalidRequest):
            await log.read_events(topics, after="start")

    async def test_reading_takes_nothing_away(self, log: EventLog) -> None:
        """Whoever reads later reads the same."""
        await log.publish_event("a", 1)
        first = await log.read_events(after="start", reader="first")
        second = await log.read_events(after="start", reader="second")

        assert first == second
        assert len(first.events) == 1

    async def test_end_is_what_comes_from_now_on(self, log: EventLog) -> None:
        """What happened before is left out, what happens after is not missed."""
        await log.publish_event("a", "before")
        page = await log.read_events()
        await log.publish_event("a", "after")
        later = await log.read_events(after=page.position)

        assert page.events == ()
        assert [event.body for event in later.events] == ["after"]

    async def test_reading_goes_on_behind_an_event(self, log: EventLog) -> None:
        """From the position of any event, what came after it is read."""
        positions = [await log.publish_event("a", number) for number in range(5)]
        page = await log.read_events(after=positions[2])

        assert [event.body for event in page.events] == [3, 4]

    async def test_position_of_a_lost_log_is_the_start(self, log: EventLog) -> None:
        """Who comes back to a log that was begun anew reads all of it."""
        lost = (await _of_another_log(log)).position
        await log.publish_event("a", 1)
        page = await log.read_events(after=lost, reader="back")
        await log.publish_event("a", 2)
        later = await log.read_events(after=page.position, reader="back")

        assert [event.body for event in page.events] == [1]
        assert [event.body for event in later.events] == [2]

    @pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 100])
    async def test_pages_hold_every_event_once(self, log: EventLog, limit: int) -> None:
        """Following the positions reads all, in order."""
        for number in range(6):
            await log.publish_event("a", number)
        seen: list[int] = []
        position, pages = "start", 0
        while len(seen) < 6:
            page = await log.read_events(after=position, limit=limit)
            assert 1 <= len(page.events) <= limit
            seen += [event.body for event in page.events]
            position, pages = page.position, pages + 1
            assert pages < 10, "the positions lead nowhere"

        assert seen == list(range(6))
        assert (await log.read_events(after=position)).events == ()

    async def test_pages_pass_what_is_not_chosen(self, log: EventLog) -> None:
        """Events of other topics neither show nor end the reading."""
        for number in range(30):
            await log.publish_event("a" if number % 10 == 9 else "b", number)
        first = await log.read_events(["a"], after="start", limit=2)
        second = await log.read_events(["a"], after=first.position, limit=2)
        third = await log.read_events(["**"], after=second.position)

        assert [event.body for event in first.events] == [9, 19]
        assert [event.body for event in second.events] == [29]
        assert third.events == ()

    async def test_high_limit_is_taken(self, log: EventLog) -> None:
        """A limit beyond what there is is no error."""
        await log.publish_event("a", 1)

        assert len((await log.read_events(after="start", limit=10**9)).events) == 1

    @pytest.mark.parametrize("limit", [0, -1, 1.5, None], ids=_short)
    async def test_bad_limit_is_refused(self, log: EventLog, limit: Any) -> None:
        """A page has at least one event."""
        with pytest.raises(InvalidRequest):
            await log.read_events(limit=limit)

    @pytest.mark.parametrize("wait", [-1, math.nan, math.inf, "5", None], ids=_short)
    async def test_bad_wait_is_refused(self, log: EventLog, wait: Any) -> None:
        """Times are numbers from 0 on."""
        with pytest.raises(InvalidRequest):
            await log.read_events(wait=wait)

    @pytest.mark.parametrize("position", NOT_POSITIONS, ids=_short)
    async def test_bad_position_is_refused(self, log: EventLog, position: Any) -> None:
        """What never was a position is a mistake."""
        with pytest.raises(InvalidRequest):
            await log.read_events(after=position)

    @pytest.mark.parametrize("reader", NOT_READERS, ids=_short)
    async def test_bad_reader_is_refused(self, log: EventLog, reader: Any) -> None:
        """A reader has a name."""
        with pytest.raises(InvalidRequest):
            await log.read_events(reader=reader)
        with pytest.raises(InvalidRequest):
            await log.forget_reader(reader)

    async def test_who_waits_gets_what_happens(self, log: EventLog) -> None:
        """All who wait get it, as soon as it is published."""
        here = (await log.read_events()).position
        waiting = [asyncio.create_task(_next(log, here)) for _ in range(TASKS)]
        await asyncio.sleep(0.05)  # so that they really wait, in most runs
        await log.publish_event("a", "news")
        pages = await asyncio.gather(*waiting)

        assert [[event.body for event in page.events] for page in pages] == [
            ["news"]
        ] * TASKS

    async def test_who_waits_is_not_disturbed_by_other_topics(
        self, log: EventLog
    ) -> None:
        """What was not chosen does not end the waiting."""
        here = (await log.read_events()).position
        waiting = asyncio.create_task(_next(log, here, "wanted"))
        await asyncio.sleep(0.05)
        await log.publish_event("other", 1)
        await asyncio.sleep(0.05)
        await log.publish_event("wanted", 2)
        page = await waiting

        assert [event.body for event in page.events] == [2]

    async def test_waiting_ends(self, log: EventLog) -> None:
        """Who has waited in vain gets an empty page, and where to go on."""
        await log.publish_event("a", "before")
        page = await log.read_events(wait=0.05)
        await log.publish_event("a", "after")
        later = await log.read_events(after=page.position)

        assert page.events == ()
        assert [event.body for event in later.events] == ["after"]

    async def test_waiting_holds_up_nobody(self, log: EventLog) -> None:
        """While some wait, others publish and read."""
        await log.publish_event("other", 1)
        here = (await log.read_events()).position
        waiting = [asyncio.create_task(_next(log, here, "a")) for _ in range(TASKS)]
        await asyncio.sleep(0.05)

        assert len((await log.read_events(after="start")).events) == 1
        assert not any(task.done() for task in waiting)
        await log.publish_event("a", 2)
        assert all(page.events for page in await asyncio.gather(*waiting))

    async def test_oldest_events_are_dropped(self, open_log: OpenLog) -> None:
        """As many are kept as the settings say."""
        log = await open_log(keep=3)
        for number in range(10):
            await log.publish_event("a", number)
        page = await log.read_events(after="start")

        assert [event.body for event in page.events] == [7, 8, 9]
        assert page.dropped == 0

    async def test_reader_is_told_what_it_missed(self, open_log: OpenLog) -> None:
        """Who is too far behind goes on with what is kept, and knows what is not."""
        log = await open_log(keep=3)
        first = await log.publish_event("a", 0)
        for number in range(1, 10):
            await log.publish_event("a", number)
        page = await log.read_events(after=first, reader="slow")
        again = await log.read_events(after=page.position, reader="slow")

        assert [event.body for event in page.events] == [7, 8, 9]
        assert page.dropped == 6
        assert (again.events, again.dropped) == ((), 0)

    async def test_reader_is_told_though_nothing_is_chosen(
        self, open_log: OpenLog
    ) -> None:
        """What was dropped may have been of the topics that it wants."""
        log = await open_log(keep=3)
        first = await log.publish_event("wanted", 0)
        for number in range(1, 10):
            await log.publish_event("other", number)
        page = await log.read_events(["wanted"], after=first)
        again = await log.read_events(["wanted"], after=page.position)

        assert (page.events, page.dropped) == ((), 6)
        assert again.dropped == 0

    async def test_ten_thousand_events_do_not_pile_up(self, open_log: OpenLog) -> None:
        """A slow reader gets or misses each of them, and no more than said are kept."""
        log = await open_log(keep=100)
        page = await log.read_events(reader="slow")
        got = missed = 0
        for number in range(MANY // 100):
            for _ in range(10):
                events = (log.publish_event("a", "x" * 100) for _ in range(10))
                await asyncio.gather(*events)
            if number % 10 == 0:
                page = await log.read_events(
                    after=page.position, limit=7, reader="slow"
                )
                got, missed = got + len(page.events), missed + page.dropped
        while page.events:
            page = await log.read_events(after=page.position, limit=7, reader="slow")
            got, missed = got + len(page.events), missed + page.dropped

        assert got + missed == MANY
        assert missed > MANY / 2
        assert len((await log.read_events(after="start", limit=101)).events) <= 100

    async def test_who_publishes_may_wait_for_readers(self, open_log: OpenLog) -> None:
        """With "block", nothing is dropped that somebody has not read."""
        log = await open_log(keep=3, overflow="block", block_timeout=PATIENCE)
        page = await log.read_events(reader="slow")
        for number in range(3):
            await log.publish_event("a", number)
        waiting = asyncio.create_task(log.publish_event("a", 3))
        await asyncio.sleep(0.05)
        is_waiting = not waiting.done()
        page = await log.read_events(after=page.position, reader="slow")
        read = [event.body for event in page.events]
        page = await log.read_events(after=page.position, reader="slow")
        async with asyncio.timeout(PATIENCE / 2):
            await waiting

        assert is_waiting
        assert read == [0, 1, 2]
        page = await log.read_events(after=page.position, reader="slow")
        assert [event.body for event in page.events] in ([3], [])
        assert page.dropped == 0

    async def test_waiting_for_readers_ends(self, open_log: OpenLog) -> None:
        """Nobody waits for ever: it is an error then, and nothing was published."""
        log = await open_log(keep=2, overflow="block", block_timeout=0.05)
        page = await log.read_events(reader="stuck")
        for number in range(2):
            await log.publish_event("a", number)

        with pytest.raises(Overloaded) as caught:
            await log.publish_event("a", "too much")
        page = await log.read_events(after=page.position, reader="stuck")
        assert [event.body for event in page.events] == [0, 1]
        assert caught.value.request_sent == "no"

    async def test_full_log_may_be_an_error(self, open_log: OpenLog) -> None:
        """With "error", it comes at once; when there is room, there is none."""
        log = await open_log(keep=2, overflow="error")
        page = await log.read_events(reader="slow")
        for number in range(2):
            await log.publish_event("a", number)

        with pytest.raises(Overloaded):
            await log.publish_event("a", "too much")
        page = await log.read_events(after=page.position, reader="slow", limit=1)
        await log.read_events(after=page.position, reader="slow", limit=1)
        await log.publish_event("a", 2)
        with pytest.raises(Overloaded):
            await log.publish_event("a", "too much")

    async def test_slowest_reader_counts(self, open_log: OpenLog) -> None:
        """One who is fast does not speak for the others."""
        log = await open_log(keep=2, overflow="error")
        await log.read_events(reader="slow")
        page = await log.read_events(reader="fast")
        for number in range(2):
            await log.publish_event("a", number)
        page = await log.read_events(after=page.position, reader="fast")
        await log.read_events(after=page.position, reader="fast")

        with pytest.raises(Overloaded):
            await log.publish_event("a", "too much")

    async def test_without_readers_there_is_room(self, open_log: OpenLog) -> None:
        """Who reads without a name holds up nobody, nor does who never read."""
        log = await open_log(keep=2, overflow="error")
        await log.read_events()
        for number in range(10):
            await log.publish_event("a", number)
        page = await log.read_events(after="start")

        assert [event.body for event in page.events] == [8, 9]

    async def test_reader_can_be_forgotten(self, open_log: OpenLog) -> None:
        """Nothing is kept for it any more; one that is not known is no error."""
        log = await open_log(keep=2, overflow="error")
        await log.read_events(reader="gone")
        for number in range(2):
            await log.publish_event("a", number)
        await log.forget_reader("gone")
        await log.forget_reader("nobody")

        await log.publish_event("a", 2)

    async def test_reader_that_is_not_heard_of_is_forgotten(
        self, open_log: OpenLog, clock: Clock
    ) -> None:
        """One that died holds up others for a time, and no longer."""
        log = await open_log(keep=2, overflow="error", reader_timeout=self.short)
        await log.read_events(reader="dies")
        for number in range(2):
            await log.publish_event("a", number)
        await clock.sleep(self.past_short)

        await log.publish_event("a", 2)

    async def test_tasks_publish_in_order(self, log: EventLog) -> None:
        """What several publish at once is there once, each one's in its order."""

        async def publish(task: int) -> None:
            for number in range(10):
                await log.publish_event("a", [task, number])

        await asyncio.gather(*map(publish, range(TASKS)))
        page = await log.read_events(after="start")
        bodies = [event.body for event in page.events]

        assert sorted(bodies) == [[t, n] for t in range(TASKS) for n in range(10)]
        for task in range(TASKS):
            of_task = [number for which, number in bodies if which == task]
            assert of_task == list(range(10))
        positions = {event.position for event in page.events}
        assert len(positions) == len(bodies)

    async def test_cancelled_read_misses_nothing(self, log: EventLog) -> None:
        """Wherever it is cancelled, the next one reads the same."""
        await log.publish_event("a", "kept")

        async def read_again() -> None:
            page = await log.read_events(after="start")
            assert [event.body for event in page.events] == ["kept"]

        read = partial(log.read_events, after="start", reader="cancelled")
        await cancel_at_every_await(read, read_again)

    async def test_event_loops_may_follow_each_other(self, log: EventLog) -> None:
        """A log works in the next event loop when the first has ended."""

        def use_two_loops() -> Any:
            asyncio.run(_publish(log, "body"))
            return asyncio.run(_read(log)).events[0].body

        assert await asyncio.to_thread(use_two_loops) == "body"

    async def test_threads_may_share_a_log(self, log: EventLog) -> None:
        """Who waits in one event loop gets what another one publishes."""
        waiting = asyncio.create_task(
            asyncio.to_thread(asyncio.run, _next(log, "start"))
        )
        await asyncio.sleep(0.05)
        await asyncio.to_thread(asyncio.run, _publish(log, "news"))

        assert (await waiting).events[0].body == "news"

    async def test_nothing_is_left_behind(self, make_board: MakeBoard) -> None:
        """When the board closes, connections and tasks are gone."""
        async with no_leaks(), make_board() as board:
            log = board.integration("kit", EventLog)
            waiting = asyncio.create_task(_next(log, "start"))
            await asyncio.sleep(0.05)
            await log.publish_event("a", 1)
            await waiting
            await log.read_events(wait=0.05)

    async def test_random_calls_agree_with_the_model(self, open_log: OpenLog) -> None:
        """Whatever is done in whatever order, a list that does the same agrees."""
        log = await open_log(keep=EventMachine.keep, overflow="error")
        await asyncio.to_thread(_compare_with_model, log, self.examples)


class PersistentEventLogContract(EventLogContract):
    """What an EventLog must do besides, if it is to outlive its process."""

    async def test_events_outlive_the_board(self, make_board: MakeBoard) -> None:
        """What was published on one board is read on the next, from where one was."""
        async with make_board() as board:
            log = board.integration("kit", EventLog)
            position = await log.publish_event("a", 1)
            await log.publish_event("a", 2)

        async with make_board() as board:
            log = board.integration("kit", EventLog)
            await log.publish_event("a", 3)
            page = await log.read_events(after=position)
            assert [event.body for event in page.events] == [2, 3]

    async def test_boards_share_the_log(self, make_board: MakeBoard) -> None:
        """Who waits on one board gets what another one publishes."""
        async with make_board() as one, make_board() as other:
            log = one.integration("kit", EventLog)
            waiting = asyncio.create_task(_next(log, "start"))
            await asyncio.sleep(0.05)
            await _publish(other.integration("kit", EventLog), "hello")

            assert (await waiting).events[0].body == "hello"


def _parts(page: EventPage) -> tuple[Any, ...]:
    return page.events, page.position, page.dropped


async def _publish(log: EventLog, body: Any) -> None:
    await log.publish_event("a", body)


async def _read(log: EventLog) -> EventPage:
    return await log.read_events(after="start")


async def _of_another_log(log: EventLog) -> EventPage:
    """Return a page of a log that had got further."""
    page = await log.read_events()
    return replace(page, position=str(int(page.position) + 500))


async def _next(log: EventLog, after: str, topic: str = "**") -> EventPage:
    async with asyncio.timeout(PATIENCE / 2):  # not only when the wait is over
        return await log.read_events([topic], after=after, wait=PATIENCE)


def _compare_with_model(log: EventLog, examples: example_settings) -> None:
    with asyncio.Runner() as runner:

        class Machine(EventMachine):
            def __init__(self) -> None:
                super().__init__(log, runner)

        run_state_machine_as_test(Machine, settings=examples)
