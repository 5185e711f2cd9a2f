"""
Logs of events that each break one promise, and the kit run against them.

Not collected by itself: ``test_event_log_kit.py`` runs it and looks at what fails.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import ClassVar

import hypothesis
import pytest
from pegboard import EventPage, IntegrationProvider, hookimpl
from pegboard.builtin._memory_events import MemoryEvents
from pegboard.builtin.messaging import MemoryMessagingOptions
from pegboard.errors import InvalidRequest, Overloaded
from pegboard.testing.event_log import EXAMPLES, PersistentEventLogContract

BRIEF = 0.5
MODEL = "test_random_calls_agree_with_the_model"


class Sound(MemoryEvents):
    """A log that keeps every promise but that of outliving its process."""

    caught_by: ClassVar[tuple[str, ...]] = (
        "test_events_outlive_the_board",
        "test_boards_share_the_log",
    )
    """The tests that have to fail."""

    def __init__(self, options, context):
        names = ("keep", "overflow", "block_timeout", "reader_timeout")
        super().__init__(context, **{name: getattr(options, name) for name in names})

    async def read_events(self, topics=("**",), **options):
        # What is broken is not waited for as long as what is slow.
        try:
            async with asyncio.timeout(BRIEF):
                return await super().read_events(topics, **options)
        except TimeoutError:
            return EventPage((), "0", 0)


def changed(page, **changes):
    """Return *page*, of which every event is changed."""
    events = tuple(replace(event, **changes) for event in page.events)
    return replace(page, events=events)


class EmptyLogHasDropped(Sound):
    caught_by = ("test_empty_log_has_no_events",)

    async def read_events(self, topics=("**",), **options):
        page = await super().read_events(topics, **options)
        return page if self._kept else replace(page, dropped=1)


class TopicsAreLowerCase(Sound):
    caught_by = ("test_topics_are_chosen",)

    async def publish_event(self, topic, body):
        topic = topic.lower() if isinstance(topic, str) else topic
        return await super().publish_event(topic, body)


class PositionsAreThoseBefore(Sound):
    caught_by = ("test_event_is_read_as_it_was_published", MODEL)

    async def publish_event(self, topic, body):
        return str(int(await super().publish_event(topic, body)) - 1)

    async def read_events(self, topics=("**",), *, limit=100, **options):
        page = await super().read_events(topics, limit=limit, **options)
        return replace(page, position=str(max(int(page.position) - 1, 0)))


class PublishedIsWhenItIsRead(Sound):
    caught_by = ("test_event_is_read_as_it_was_published",)

    async def read_events(self, topics=("**",), **options):
        page = await super().read_events(topics, **options)
        return changed(page, published=self._clock())


class BodiesAreText(Sound):
    caught_by = ("test_body_comes_as_it_was",)

    async def read_events(self, topics=("**",), **options):
        page = await super().read_events(topics, **options)
        events = tuple(replace(event, body=str(event.body)) for event in page.events)
        return replace(page, events=events)


class NanIsPublished(Sound):
    caught_by = ("test_body_that_json_lacks_is_refused",)

    async def publish_event(self, topic, body):
        return await super().publish_event(topic, json.loads(json.dumps(body)))


class BodiesAreAliases(Sound):
    caught_by = ("test_bodies_are_copies",)

    bodies = {}

    async def publish_event(self, topic, body):
        position = await super().publish_event(topic, body)
        self.bodies[position] = body
        return position

    async def read_events(self, topics=("**",), **options):
        page = await super().read_events(topics, **options)
        events = (replace(one, body=self.bodies[one.position]) for one in page.events)
        return replace(page, events=tuple(events))


class AnySizeIsTaken(Sound):
    caught_by = ("test_too_big_event_is_refused",)

    async def publish_event(self, topic, body):
        if isinstance(body, str):
            body = body[: 256 * 1024 - 2]
        return await super().publish_event(topic, body)


class TopicsMayBeAnything(Sound):
    caught_by = ("test_bad_topic_is_refused",)

    async def publish_event(self, topic, body):
        try:
            return await super().publish_event(topic, body)
        except InvalidRequest:
            return await super().publish_event("other", body)


class TwoStarsAreOne(Sound):
    caught_by = ("test_topics_are_chosen",)

    async def read_events(self, topics=("**",), **options):
        if isinstance(topics, tuple) and len(topics) == 1:
            topics = (topics[0].replace("a.**", "a.*"),)
        return await super().read_events(topics, **options)


class PatternsAreOfFiles(Sound):
    caught_by = ("test_topics_are_chosen",)

    async def read_events(self, topics=("**",), **options):
        if isinstance(topics, tuple) and topics == ("a.*",):
            topics = ("a.*", "a.*.c")
        return await super().read_events(topics, **options)


class BadPatternsFindNothing(Sound):
    caught_by = ("test_bad_patterns_are_refused",)

    async def read_events(self, topics=("**",), **options):
        try:
            return await super().read_events(topics, **options)
        except InvalidRequest:
            return await super().read_events(("nothing",), **options)


class ReadingTakesAway(Sound):
    caught_by = ("test_reading_takes_nothing_away", MODEL)

    async def read_events(self, topics=("**",), **options):
        page = await super().read_events(topics, **options)
        self._kept.clear()
        return page


class EndIsTheLastEvent(Sound):
    caught_by = ("test_end_is_what_comes_from_now_on",)

    def _place(self, after):
        place = super()._place(after)
        return max(place - 1, 0) if after == "end" else place


class WaitsForLostPositions(Sound):
    caught_by = ("test_position_of_a_lost_log_is_the_start",)

    def _place(self, after):
        return after if isinstance(after, int) else super()._place(after)


class PositionIsIncluded(Sound):
    caught_by = (
        "test_reading_goes_on_behind_an_event",
        "test_pages_hold_every_event_once",
        MODEL,
    )

    def _place(self, after):
        place = super()._place(after)
        return max(place - 1, 0) if isinstance(after, int) else place


class LimitIsIgnored(Sound):
    caught_by = ("test_pages_hold_every_event_once", MODEL)

    async def read_events(self, topics=("**",), *, limit=100, **options):
        limit = 5 if limit == 3 else limit
        return await super().read_events(topics, limit=limit, **options)


class LimitIsThatOfWhatIsLookedAt(Sound):
    caught_by = ("test_pages_pass_what_is_not_chosen", MODEL)

    def _read(self, fits, place, most):
        page = super()._read(lambda _: True, place, most)
        return replace(page, events=tuple(e for e in page.events if fits(e.topic)))


class HighLimitsAreRefused(Sound):
    caught_by = ("test_high_limit_is_taken",)

    async def read_events(self, topics=("**",), *, limit=100, **options):
        if isinstance(limit, int) and limit > 1000:
            msg = "Up to 1000."
            raise InvalidRequest(msg)
        return await super().read_events(topics, limit=limit, **options)


class Limit0IsNothing(Sound):
    caught_by = ("test_bad_limit_is_refused",)

    async def read_events(self, topics=("**",), *, limit=100, **options):
        return await super().read_events(topics, limit=limit or 1, **options)


class WaitMayBeAnything(Sound):
    caught_by = ("test_bad_wait_is_refused",)

    async def read_events(self, topics=("**",), *, wait=0.0, **options):
        wait = wait if isinstance(wait, float | int) and 0 <= wait < 1e9 else 0.0
        return await super().read_events(topics, wait=wait, **options)


class BadPositionIsTheStart(Sound):
    caught_by = ("test_bad_position_is_refused",)

    async def read_events(self, topics=("**",), *, after="end", **options):
        try:
            return await super().read_events(topics, after=after, **options)
        except InvalidRequest:
            return await super().read_events(topics, after="start", **options)


class BadReaderIsNobody(Sound):
    caught_by = ("test_bad_reader_is_refused",)

    async def read_events(self, topics=("**",), *, reader=None, **options):
        try:
            return await super().read_events(topics, reader=reader, **options)
        except InvalidRequest:
            return await super().read_events(topics, **options)


class NobodyIsWoken(Sound):
    caught_by = ("test_who_waits_gets_what_happens",)

    def __init__(self, options, context):
        super().__init__(options, context)
        self._bell.ring = lambda: None


class AnyEventEndsTheWaiting(Sound):
    caught_by = ("test_who_waits_is_not_disturbed_by_other_topics",)

    async def read_events(self, topics=("**",), *, wait=0.0, **options):
        await super().read_events(wait=wait, after=options.get("after", "end"))
        options.setdefault("after", str(max(self._last - 1, 0)))
        return await super().read_events(topics, **options)


class WaitingEndsAtTheStart(Sound):
    caught_by = ("test_waiting_ends",)

    async def read_events(self, topics=("**",), *, wait=0.0, **options):
        page = await super().read_events(topics, wait=wait, **options)
        return replace(page, position="0") if wait and not page.events else page


class OneReaderAtATime(Sound):
    caught_by = ("test_waiting_holds_up_nobody",)

    def __init__(self, options, context):
        super().__init__(options, context)
        self._turn = asyncio.Lock()

    async def read_events(self, topics=("**",), **options):
        async with self._turn:
            return await super().read_events(topics, **options)


class EverythingIsKept(Sound):
    caught_by = (
        "test_oldest_events_are_dropped",
        "test_ten_thousand_events_do_not_pile_up",
        MODEL,
    )

    def __init__(self, options, context):
        super().__init__(options, context)
        self._keep = 10**9


class NewestAreDropped(Sound):
    caught_by = ("test_oldest_events_are_dropped",)

    async def publish_event(self, topic, body):
        if len(self._kept) >= self._keep and self._drops:
            return str(self._last)
        return await super().publish_event(topic, body)


class DropsAreSilent(Sound):
    caught_by = (
        "test_reader_is_told_what_it_missed",
        "test_reader_is_told_though_nothing_is_chosen",
        "test_ten_thousand_events_do_not_pile_up",
        MODEL,
    )

    async def read_events(self, topics=("**",), **options):
        page = await super().read_events(topics, **options)
        return replace(page, dropped=0)


class DropsAreTold(Sound):
    """Only with an event, and so again and again where none is chosen."""

    caught_by = ("test_reader_is_told_though_nothing_is_chosen",)

    async def read_events(self, topics=("**",), **options):
        page = await super().read_events(topics, **options)
        return page if page.events else replace(page, dropped=0)


class BlockIsDrop(Sound):
    caught_by = (
        "test_who_publishes_may_wait_for_readers",
        "test_waiting_for_readers_ends",
    )

    def __init__(self, options, context):
        super().__init__(options, context)
        self._drops = options.overflow != "error"


class BlockIsForEver(Sound):
    caught_by = ("test_waiting_for_readers_ends",)

    def __init__(self, options, context):
        super().__init__(options, context)
        self._block_timeout = 2.0 if options.overflow == "block" else 0.0

    async def publish_event(self, topic, body):
        try:
            return await super().publish_event(topic, body)
        except Overloaded:
            if self._block_timeout:
                return "0"
            raise


class TooMuchIsPublishedAllTheSame(Sound):
    caught_by = ("test_waiting_for_readers_ends",)

    async def publish_event(self, topic, body):
        try:
            return await super().publish_event(topic, body)
        except Overloaded:
            self._kept.popleft()
            self._last += 1
            kept = self._kept[-1]._replace(number=self._last, topic=topic)
            self._kept.append(kept)
            raise


class ErrorIsDrop(Sound):
    caught_by = ("test_full_log_may_be_an_error", MODEL)

    def __init__(self, options, context):
        super().__init__(options, context)
        self._drops = options.overflow != "block"


class ReadingIsHavingRead(Sound):
    """What was handed out counts as read, though its reader may be about to die."""

    caught_by = (MODEL,)

    async def read_events(self, topics=("**",), *, reader=None, **options):
        page = await super().read_events(topics, reader=reader, **options)
        if reader:
            self._readers[reader] = (int(page.position), self._readers[reader][1])
        return page


class FastestReaderCounts(Sound):
    caught_by = ("test_slowest_reader_counts", MODEL)

    def _is_awaited(self, number):
        is_awaited = super()._is_awaited(number)
        return is_awaited and all(read < number for read, _ in self._readers.values())


class NobodysAreReaders(Sound):
    caught_by = ("test_without_readers_there_is_room",)

    def _note(self, name, place, wait):
        super()._note(name or "nobody", place, wait)


class ReadersAreNeverForgotten(Sound):
    caught_by = ("test_reader_can_be_forgotten",)

    async def forget_reader(self, reader):
        if reader == "":
            await super().forget_reader(reader)


class ReadersLiveForEver(Sound):
    caught_by = ("test_reader_that_is_not_heard_of_is_forgotten",)

    def __init__(self, options, context):
        super().__init__(options, context)
        self._reader_timeout = 10**9


class PublishesInTwoSteps(Sound):
    caught_by = ("test_tasks_publish_in_order",)

    async def publish_event(self, topic, body):
        number = self._last
        await asyncio.sleep(0)
        await super().publish_event(topic, body)
        self._kept[-1] = self._kept[-1]._replace(number=number + 1)
        return str(number + 1)


class CancelledReadTakesAway(Sound):
    caught_by = ("test_cancelled_read_misses_nothing",)

    async def read_events(self, topics=("**",), **options):
        page = await super().read_events(topics, **options)
        kept, self._kept = self._kept, type(self._kept)()
        await asyncio.sleep(0)
        self._kept = kept
        return page


class BelongsToOneLoop(Sound):
    caught_by = ("test_event_loops_may_follow_each_other",)

    loop = None

    async def publish_event(self, topic, body):
        self.loop = self.loop or asyncio.get_running_loop()
        return await super().publish_event(topic, body)

    async def read_events(self, topics=("**",), **options):
        self.loop = self.loop or asyncio.get_running_loop()
        assert self.loop is asyncio.get_running_loop()
        return await super().read_events(topics, **options)


class WakesOnlyItsOwnLoop(Sound):
    caught_by = ("test_threads_may_share_a_log",)

    async def publish_event(self, topic, body):
        here = asyncio.get_running_loop()
        waiters = self._bell._waiters
        waiters -= {one for one in waiters if one.get_loop() is not here}
        return await super().publish_event(topic, body)


class LeavesATask(Sound):
    caught_by = ("test_nothing_is_left_behind",)

    async def publish_event(self, topic, body):
        self.task = asyncio.create_task(asyncio.sleep(600))
        return await super().publish_event(topic, body)


LOGS = (Sound, *Sound.__subclasses__())


class Kit(PersistentEventLogContract):
    __test__ = False

    examples = hypothesis.settings(
        EXAMPLES, max_examples=100, phases=[hypothesis.Phase.generate]
    )
    log_class: ClassVar[type[Sound]] = Sound

    @pytest.fixture
    def settings(self):
        """Return the settings of a broken log."""
        return {"provider": "broken"}

    @pytest.fixture
    def plugins(self):
        """Return the plugin that offers it."""
        return [Offering(self.log_class)]


class Offering:
    def __init__(self, log_class):
        self.log_class = log_class

    @hookimpl
    def pegboard_integrations(self):
        """Offer the broken log."""
        return [
            IntegrationProvider(
                name="broken",
                factory=self.log_class,
                options=MemoryMessagingOptions,
                contracts={"EventLog": 1},
                external=False,
            )
        ]


for _log in LOGS:
    _name = f"Test{_log.__name__}"
    globals()[_name] = type(_name, (Kit,), {"__test__": True, "log_class": _log})
