"""
Queues that each break one promise, and the kit run against them.

Not collected by itself: ``test_queue_kit.py`` runs it and looks at what fails.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from typing import ClassVar

import hypothesis
import pytest
from pegboard import DeadLetterPage, IntegrationProvider, QueueCounts, hookimpl
from pegboard.builtin._memory_queue import MemoryQueue
from pegboard.builtin.messaging import MemoryMessagingOptions
from pegboard.contracts.queue_rules import delivery_of
from pegboard.errors import InvalidRequest
from pegboard.testing.queue import (
    EXAMPLES,
    DeadLetterQueueContract,
    GroupedQueueContract,
    PersistentQueueContract,
)

BRIEF = 1.0
MODEL = "test_random_calls_agree_with_the_model"


class Sound(MemoryQueue):
    """A queue that keeps every promise but that of outliving its process."""

    caught_by: ClassVar[tuple[str, ...]] = (
        "test_messages_outlive_the_board",
        "test_boards_share_the_queue",
    )
    """The tests that have to fail."""

    def __init__(self, options, context):
        most = options.max_deliveries
        super().__init__(context, visibility=options.visibility, max_deliveries=most)

    async def receive(self, **options):
        # What is broken is not waited for as long as what is slow.
        try:
            async with asyncio.timeout(BRIEF):
                return await super().receive(**options)
        except TimeoutError:
            return []


class BodiesAreAliases(Sound):
    caught_by = ("test_body_is_a_copy",)

    bodies = {}

    async def publish(self, body, **options):
        published = await super().publish(body, **options)
        self.bodies[published] = body
        return published

    async def receive(self, **options):
        found = await super().receive(**options)
        return [replace(one, body=self.bodies.get(one.id, one.body)) for one in found]


class BodiesAreText(Sound):
    caught_by = ("test_body_comes_as_it_was",)

    async def receive(self, **options):
        found = await super().receive(**options)
        return [replace(one, body=str(one.body)) for one in found]


class NanIsSent(Sound):
    caught_by = ("test_body_that_json_lacks_is_refused",)

    async def publish(self, body, **options):
        return await super().publish(json.loads(json.dumps(body)), **options)


class AttributesAreDropped(Sound):
    caught_by = ("test_attributes_come_as_they_were",)

    async def publish(self, body, *, attributes=None, **options):
        published = await super().publish(body, attributes=attributes, **options)
        self._held[max(self._held)].message.attributes.clear()
        return published


class AttributesAreAscii(Sound):
    caught_by = ("test_attributes_come_as_they_were",)

    async def receive(self, **options):
        return [
            replace(one, attributes={n: ascii(t)[1:-1] for n, t in _said(one)})
            for one in await super().receive(**options)
        ]


class BadAttributesAreDropped(Sound):
    caught_by = ("test_bad_attributes_are_refused",)

    async def publish(self, body, *, attributes=None, **options):
        try:
            return await super().publish(body, attributes=attributes, **options)
        except InvalidRequest:
            return await super().publish(body, **options)


class SizesAreCountedInCharacters(Sound):
    caught_by = ("test_bigger_message_is_refused",)

    async def publish(self, body, *, attributes=None, **options):
        plain = dict.fromkeys(attributes or {}, "x")
        published = await super().publish(body, attributes=plain, **options)
        self._held[max(self._held)].message.attributes.update(attributes or {})
        return published


class BigMessagesAreRefused(Sound):
    caught_by = ("test_biggest_message_is_taken",)

    async def publish(self, body, **options):
        if len(json.dumps(body)) > 200_000:
            msg = "This is too big."
            raise InvalidRequest(msg, request_sent="no")
        return await super().publish(body, **options)


class EachDeliveryHasAnId(Sound):
    caught_by = ("test_message_keeps_its_id",)

    async def receive(self, **options):
        found = await super().receive(**options)
        return [replace(one, id=f"{one.id}.{one.deliveries}") for one in found]


class IdsAreThoseOfBodies(Sound):
    caught_by = ("test_every_message_has_an_id_of_its_own",)

    async def publish(self, body, **options):
        await super().publish(body, **options)
        return str(hash(json.dumps(body)))


class IdsFollowTheSeed(Sound):
    caught_by = ("test_every_message_has_an_id_of_its_own",)

    async def publish(self, body, **options):
        await super().publish(body, **options)
        return str(random.random())  # noqa: S311 - that is what is wrong


class PublishedIsWhenItWasReceived(Sound):
    caught_by = ("test_message_knows_when_it_was_published",)

    async def receive(self, **options):
        found = await super().receive(**options)
        return [replace(one, published=self._clock()) for one in found]


class ReceivingIsReading(Sound):
    caught_by = ("test_received_message_is_hidden", MODEL)

    async def receive(self, **options):
        found = await super().receive(**options)
        for one in found:
            position, _ = delivery_of(one.receipt)
            self._schedule(position, self._clock())
        return found


class ReceivingIsTaking(Sound):
    """Whoever dies with a message takes it along."""

    caught_by = ("test_message_comes_again_after_its_visibility",)

    async def receive(self, *, visibility=None, **options):
        await super().receive(limit=1, visibility=visibility or 1, wait=0.0)
        return await super().receive(visibility=10**9, **options)


class VisibilityOfSettingsIsIgnored(Sound):
    caught_by = (
        "test_settings_name_the_visibility",
        "test_extend_uses_the_visibility_of_the_settings",
    )

    def __init__(self, options, context):
        super().__init__(options, context)
        self._visibility = 30.0


class VisibilityOfTheCallIsIgnored(Sound):
    caught_by = ("test_call_overrides_the_visibility", MODEL)

    async def receive(self, *, visibility=None, **options):
        await super().receive(visibility=visibility, limit=1, wait=0.0)
        return await super().receive(**options)


class AckHides(Sound):
    caught_by = ("test_acknowledged_message_is_gone",)

    async def ack(self, receipt):
        return await self.extend(receipt, visibility=0.5)


class LateAckIsRefused(Sound):
    caught_by = ("test_late_ack_counts_if_nobody_else_has_it",)

    async def ack(self, receipt):
        _, held = self._in_flight(receipt)
        return (
            held is not None and held.due > self._clock() and await super().ack(receipt)
        )


class ReceiptIsTheMessage(Sound):
    """Who is too late takes away what another works at."""

    caught_by = (
        "test_ack_leaves_a_message_that_another_has",
        "test_nack_leaves_a_message_that_another_has",
        "test_extend_leaves_a_message_that_another_has",
        MODEL,
    )

    def _in_flight(self, receipt):
        position, _ = delivery_of(receipt)
        held = self._held.get(position)
        return position, held if held and held.is_taken else None


class AckIsAlwaysTrue(Sound):
    caught_by = ("test_second_ack_finds_nothing", MODEL)

    async def ack(self, receipt):
        await super().ack(receipt)
        return True


class AckTakesAllOfTheReceive(Sound):
    caught_by = ("test_ack_takes_one_message",)

    async def ack(self, receipt):
        had = await super().ack(receipt)
        for position, held in list(self._held.items()):
            if had and held.is_taken:
                self._remove(position)
        return had


class NackWaitsForTheVisibility(Sound):
    caught_by = ("test_message_that_is_given_back_comes_at_once", MODEL)

    async def nack(self, receipt, *, delay=0.0):
        await super().nack("0.0", delay=delay)
        return self._in_flight(receipt)[1] is not None


class NackForgetsTheDelay(Sound):
    caught_by = ("test_message_can_be_given_back_for_later", MODEL)

    async def nack(self, receipt, *, delay=0.0):
        await super().nack("0.0", delay=delay)
        return await super().nack(receipt)


class WhoGaveItBackStillHasIt(Sound):
    caught_by = ("test_who_gave_a_message_back_has_it_no_more",)

    def _in_flight(self, receipt):
        position, deliveries = delivery_of(receipt)
        held = self._held.get(position)
        return position, held if held and held.deliveries == deliveries else None


class ExtendAddsToWhatIsLeft(Sound):
    caught_by = ("test_visibility_can_be_shortened", MODEL)

    async def extend(self, receipt, *, visibility=None):
        await super().extend("0.0", visibility=visibility)
        position, held = self._in_flight(receipt)
        if held:
            self._schedule(position, held.due + (visibility or self._visibility))
        return held is not None


class ExtendDoesNothing(Sound):
    caught_by = ("test_visibility_can_be_prolonged", MODEL)

    async def extend(self, receipt, *, visibility=None):
        await super().extend("0.0", visibility=visibility)
        return self._in_flight(receipt)[1] is not None


class BadReceiptIsGone(Sound):
    caught_by = ("test_bad_receipt_is_refused",)

    def _in_flight(self, receipt):
        try:
            return super()._in_flight(receipt)
        except InvalidRequest:
            return 0, None


class DelayIsIgnored(Sound):
    caught_by = ("test_delayed_message_comes_later",)

    async def publish(self, body, *, delay=0.0, **options):
        published = await super().publish(body, delay=delay, **options)
        self._schedule(max(self._held), self._clock())
        return published


class SecondsMayBeAnything(Sound):
    caught_by = ("test_bad_seconds_are_refused",)

    async def receive(self, *, wait=0.0, **options):
        wait = wait if isinstance(wait, float) and 0 <= wait < 1e9 else 0.0
        return await super().receive(wait=wait, **options)


class VisibilityMayBe0(Sound):
    caught_by = ("test_visibility_of_0_is_refused",)

    async def receive(self, *, visibility=None, **options):
        chosen = None if visibility == 0 else visibility
        return await super().receive(visibility=chosen, **options)


class ResultsAreInAnyOrder(Sound):
    caught_by = ("test_many_are_published_in_their_order",)

    async def publish_many(self, messages):
        return [*reversed(await super().publish_many(messages))]


class ManyAreTen(Sound):
    caught_by = ("test_many_are_published_in_their_order",)

    async def publish_many(self, messages):
        results = await super().publish_many(messages[:10])
        return [*results, *(results[-1:] * (len(messages) - 10))]


class ManyShareTheirOptions(Sound):
    caught_by = ("test_each_of_many_has_its_own_options",)

    async def publish_many(self, messages):
        messages = list(messages)
        alike = [replace(m, attributes=messages[0].attributes) for m in messages]
        return await super().publish_many(alike)


class NoneIsRefused(Sound):
    caught_by = ("test_many_may_be_none",)

    async def publish_many(self, messages):
        assert messages
        return await super().publish_many(messages)


class ManyAreSentOneByOne(Sound):
    """Those before the bad one are in the queue."""

    caught_by = ("test_many_are_refused_as_one",)

    async def publish_many(self, messages):
        return [(await super(type(self), self).publish_many([m]))[0] for m in messages]


class LimitIsIgnored(Sound):
    caught_by = ("test_receive_takes_no_more_than_asked_for", MODEL)

    async def receive(self, *, limit=1, **options):
        limit = limit if limit is None or limit != 2 else 5
        return await super().receive(limit=limit, **options)


class HighLimitsAreRefused(Sound):
    caught_by = ("test_receive_takes_a_high_limit",)

    async def receive(self, *, limit=1, **options):
        if isinstance(limit, int) and limit > 10:
            msg = "Up to 10."
            raise InvalidRequest(msg)
        return await super().receive(limit=limit, **options)


class Limit0IsNothing(Sound):
    caught_by = ("test_receive_refuses_a_bad_limit",)

    async def receive(self, *, limit=1, **options):
        return [] if limit == 0 else await super().receive(limit=limit, **options)


class ReceiveDoesNotWait(Sound):
    caught_by = (
        "test_receive_waits_for_a_message",
        "test_every_waiter_gets_a_message",
    )

    async def receive(self, *, wait=0.0, **options):
        found = await super().receive(wait=0.0, **options)
        return found or await super().receive(wait=wait * 0, **options)


class NackWakesNobody(Sound):
    caught_by = ("test_receive_waits_for_a_message_that_is_given_back",)

    async def nack(self, receipt, *, delay=0.0):
        ring, self._bell.ring = self._bell.ring, lambda: None
        try:
            return await super().nack(receipt, delay=delay)
        finally:
            self._bell.ring = ring


class WaitersForgetWhatIsDue(Sound):
    caught_by = ("test_receive_waits_until_a_message_is_due",)

    def _take(self, most, hidden):
        return super()._take(most, hidden)[0], 10.0


class WaitIsEndless(Sound):
    caught_by = ("test_receive_ends_when_its_wait_is_over",)

    async def receive(self, *, wait=0.0, **options):
        found = await super().receive(wait=wait, **options)
        assert found or not 0 < wait < 1
        return found


class OneWaiterAtATime(Sound):
    caught_by = ("test_waiting_holds_up_nobody",)

    def __init__(self, options, context):
        super().__init__(options, context)
        self._turn = asyncio.Lock()

    async def receive(self, **options):
        async with self._turn:
            return await super().receive(**options)

    async def ack(self, receipt):
        had = not self._turn.locked() and await super().ack(receipt)
        return bool(had)


class DelayedAreReady(Sound):
    caught_by = ("test_messages_are_counted", MODEL)

    async def count(self):
        found = await super().count()
        return QueueCounts(found.ready + found.delayed, 0, found.in_flight)


class WhatWasGivenBackIsInFlight(Sound):
    caught_by = ("test_count_sees_what_was_given_back", MODEL)

    async def count(self):
        found = await super().count()
        tried = [held for held in self._held.values() if held.deliveries]
        return QueueCounts(len(self._held) - len(tried), found.delayed, len(tried))


class NothingEverDies(Sound):
    caught_by = (
        "test_message_is_not_delivered_too_often",
        "test_forgotten_message_dies_too",
        MODEL,
    )

    def __init__(self, options, context):
        super().__init__(options, context)
        self._most = 10**9


class DiesADeliveryEarly(Sound):
    caught_by = ("test_message_comes_again_after_its_visibility",)

    def __init__(self, options, context):
        super().__init__(options, context)
        self._most = 1


class OnlyTheForgottenDie(Sound):
    caught_by = ("test_message_is_not_delivered_too_often",)

    async def nack(self, receipt, *, delay=0.0):
        most, self._most = self._most, 10**9
        try:
            return await super().nack(receipt, delay=delay)
        finally:
            self._most = most

    def _take(self, most, hidden):
        for held in self._held.values():
            held.deliveries = 0 if not held.is_taken else held.deliveries
        return super()._take(most, hidden)


class DiesWhileItIsWorkedAt(Sound):
    caught_by = ("test_last_delivery_can_be_acknowledged",)

    async def receive(self, **options):
        found = await super().receive(**options)
        for one in found:
            position, _ = delivery_of(one.receipt)
            if one.deliveries >= self._most:
                self._bury(position)
        return found


class TakesInTwoSteps(Sound):
    caught_by = ("test_receivers_at_once_share_the_messages",)

    async def receive(self, *, limit=1, wait=0.0, visibility=None):
        ready = [held for held in self._held.values() if held.due <= self._clock()]
        await asyncio.sleep(0)
        for held in ready[:1]:
            held.due = self._clock()
            held.is_taken = False
            self._due.append((held.due, self._position(held)))
        self._due.sort()
        return await super().receive(limit=limit, wait=wait, visibility=visibility)

    def _position(self, held):
        return next((p for p, one in self._held.items() if one is held), -1)


class CancelledReceiveLosesIt(Sound):
    caught_by = ("test_cancelled_receive_loses_nothing",)

    async def receive(self, **options):
        found = await super().receive(**options)
        taken = [(p, self._held.pop(p)) for p, h in [*self._held.items()] if h.is_taken]
        await asyncio.sleep(0)
        self._held.update(taken)
        return found


class BelongsToOneLoop(Sound):
    caught_by = ("test_event_loops_may_follow_each_other",)

    loop = None

    async def receive(self, **options):
        self.loop = self.loop or asyncio.get_running_loop()
        assert self.loop is asyncio.get_running_loop()
        return await super().receive(**options)

    async def publish(self, body, **options):
        self.loop = self.loop or asyncio.get_running_loop()
        return await super().publish(body, **options)


class WakesOnlyItsOwnLoop(Sound):
    caught_by = ("test_threads_may_share_a_queue",)

    async def publish(self, body, **options):
        here = asyncio.get_running_loop()
        waiters = self._bell._waiters
        others = {one for one in waiters if one.get_loop() is not here}
        waiters -= others
        return await super().publish(body, **options)


class LeavesATask(Sound):
    caught_by = ("test_nothing_is_left_behind",)

    async def receive(self, **options):
        self.task = asyncio.create_task(asyncio.sleep(600))
        return await super().receive(**options)


class GroupIsForgotten(Sound):
    caught_by = ("test_message_has_its_group", MODEL)

    async def receive(self, **options):
        return [replace(one, group=None) for one in await super().receive(**options)]


class BadGroupsAreNone(Sound):
    caught_by = ("test_bad_group_is_refused",)

    async def publish(self, body, *, group=None, **options):
        try:
            return await super().publish(body, group=group, **options)
        except InvalidRequest:
            return await super().publish(body, **options)


class GroupsComeLastFirst(Sound):
    caught_by = ("test_group_comes_in_order", "test_many_of_a_group_come_in_order")

    def _follow_up(self, group):
        waiting = self._groups[group]
        waiting.popleft()
        waiting.reverse()
        waiting.appendleft(-1)
        super()._follow_up(group)


class GroupsAreNoGroups(Sound):
    caught_by = (
        "test_rest_of_a_group_waits",
        "test_rest_of_a_group_waits_for_what_was_given_back",
        "test_rest_of_a_group_waits_for_what_was_forgotten",
        "test_receivers_at_once_keep_the_order_of_groups",
        MODEL,
    )

    def _add(self, message, name, published, due):
        super()._add(message._replace(group=None), name, published, due)
        position = max(self._held)
        self.groups = {**getattr(self, "groups", {}), position: message.group}

    def _deliver(self, position, held, until):
        found = super()._deliver(position, held, until)
        return replace(found, group=self.groups[position])


class OneGroupAtATime(Sound):
    caught_by = ("test_groups_hold_up_nobody_else",)

    def _add(self, message, name, published, due):
        alike = message if message.group is None else message._replace(group="same")
        super()._add(alike, name, published, due)


class DeadMessageBlocksItsGroup(Sound):
    caught_by = ("test_dead_message_makes_way_for_its_group",)

    def _bury(self, position):
        held = self._held.pop(position)
        self._dead[next(self._positions)] = held
        if held.message.group is None:
            return


class AckWakesNobody(Sound):
    caught_by = ("test_waiter_gets_the_next_of_a_group",)

    async def ack(self, receipt):
        ring, self._bell.ring = self._bell.ring, lambda: None
        try:
            return await super().ack(receipt)
        finally:
            self._bell.ring = ring


class LettersForgetTheirDeliveries(Sound):
    caught_by = ("test_dead_letter_is_the_message",)

    async def list_dead_letters(self, **options):
        page = await super().list_dead_letters(**options)
        letters = tuple(replace(one, deliveries=0) for one in page.letters)
        return DeadLetterPage(letters, page.cursor)


class LettersHaveNewIds(Sound):
    caught_by = ("test_dead_letter_is_the_message",)

    async def list_dead_letters(self, **options):
        page = await super().list_dead_letters(**options)
        letters = tuple(replace(one, id=f"dead-{one.id}") for one in page.letters)
        return DeadLetterPage(letters, page.cursor)


class TheTriedAreDead(Sound):
    caught_by = ("test_what_is_not_dead_is_not_listed",)

    async def list_dead_letters(self, **options):
        for position, held in list(self._held.items()):
            if held.is_taken:
                self._bury(position)
        return await super().list_dead_letters(**options)


class NoneIsTheDefault(Sound):
    caught_by = ("test_none_is_never_dead",)

    def __init__(self, options, context):
        super().__init__(options, context)
        self._most = options.max_deliveries or 5


class LastPageHasACursor(Sound):
    caught_by = ("test_pages_hold_every_letter_once",)

    async def list_dead_letters(self, *, limit=100, cursor=None):
        page = await super().list_dead_letters(limit=limit, cursor=cursor)
        last = str(max(self._dead, default=0))
        return DeadLetterPage(page.letters, last if page.letters else None)


class NewestLetterFirst(Sound):
    caught_by = ("test_pages_hold_every_letter_once",)

    async def list_dead_letters(self, **options):
        page = await super().list_dead_letters(**options)
        return DeadLetterPage(page.letters[::-1], page.cursor)


class Limit0IsAnEmptyPage(Sound):
    caught_by = ("test_list_refuses_a_bad_limit",)

    async def list_dead_letters(self, *, limit=100, cursor=None):
        if limit == 0:
            return DeadLetterPage((), None)
        return await super().list_dead_letters(limit=limit, cursor=cursor)


class BadCursorIsTheBeginning(Sound):
    caught_by = ("test_list_refuses_a_bad_cursor",)

    async def list_dead_letters(self, *, limit=100, cursor=None):
        try:
            return await super().list_dead_letters(limit=limit, cursor=cursor)
        except InvalidRequest:
            return await super().list_dead_letters(limit=limit)


class RedrivenAreCountedOn(Sound):
    caught_by = ("test_redrive_puts_letters_back",)

    async def redrive(self, ids=None):
        before = set(self._held)
        moved = await super().redrive(ids)
        for position in set(self._held) - before:
            self._held[position].deliveries = 1
        self._most += 1
        return moved


class RedrivenHaveNewIds(Sound):
    caught_by = ("test_redrive_puts_letters_back",)

    async def redrive(self, ids=None):
        moved = await super().redrive(ids)
        for held in self._held.values():
            held.id = f"again-{held.id}"
        return moved


class LettersStayWhenRedriven(Sound):
    caught_by = (
        "test_redrive_puts_letters_back",
        "test_redrive_puts_chosen_letters_back",
    )

    async def redrive(self, ids=None):
        before = dict(self._dead)
        moved = await super().redrive(ids)
        self._dead.update(before)
        return moved


class AllAreRedriven(Sound):
    caught_by = ("test_redrive_puts_chosen_letters_back", "test_no_ids_are_none")

    async def redrive(self, ids=None):
        return await super().redrive(None if isinstance(ids, list) else ids)


class OldReceiptsHoldAgain(Sound):
    """A redriven message has the place that it had."""

    caught_by = ("test_redriven_message_ignores_old_receipts",)

    async def redrive(self, ids=None):
        moved = await super().redrive(ids)
        for position, held in list(self._held.items()):
            self._held[0] = self._held.pop(position)
            self._schedule(0, held.due)
        return moved


class RedriveWakesNobody(Sound):
    caught_by = ("test_waiter_gets_what_is_redriven",)

    async def redrive(self, ids=None):
        ring, self._bell.ring = self._bell.ring, lambda: None
        try:
            return await super().redrive(ids)
        finally:
            self._bell.ring = ring


class DiscardTakesTheLiving(Sound):
    caught_by = ("test_discard_removes_letters",)

    async def discard(self, ids=None):
        for position, held in list(self._held.items()):
            if ids and held.id in ids:
                self._bury(position)
        return await super().discard(ids)


class EmptyListIsAll(Sound):
    caught_by = ("test_no_ids_are_none",)

    def _exhumed(self, ids):
        return super()._exhumed(ids or None)


class TextIsAListOfIds(Sound):
    caught_by = ("test_bad_ids_are_refused",)

    async def redrive(self, ids=None):
        return await super().redrive([*ids] if isinstance(ids, str) else ids)


def _said(one):
    return one.attributes.items()


QUEUES = (Sound, *Sound.__subclasses__())


class Kit(DeadLetterQueueContract, GroupedQueueContract, PersistentQueueContract):
    __test__ = False

    examples = hypothesis.settings(
        EXAMPLES, max_examples=150, phases=[hypothesis.Phase.generate]
    )
    short, past_short = 0.6, 0.65
    queue_class: ClassVar[type[Sound]] = Sound

    @pytest.fixture
    def settings(self):
        """Return the settings of a broken queue."""
        return {"provider": "broken"}

    @pytest.fixture
    def plugins(self):
        """Return the plugin that offers it."""
        return [Offering(self.queue_class)]


class Offering:
    def __init__(self, queue_class):
        self.queue_class = queue_class

    @hookimpl
    def pegboard_integrations(self):
        """Offer the broken queue."""
        return [
            IntegrationProvider(
                name="broken",
                factory=self.queue_class,
                options=MemoryMessagingOptions,
                contracts={"Queue": 1, "DeadLetterQueue": 1},
                external=False,
            )
        ]


for _queue in QUEUES:
    _name = f"Test{_queue.__name__}"
    globals()[_name] = type(_name, (Kit,), {"__test__": True, "queue_class": _queue})
