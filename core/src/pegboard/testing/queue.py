"""
Prove that a backend keeps the contract of Queue.

    from pegboard.testing.queue import QueueContract


    class TestBeanstalk(QueueContract):
        @pytest.fixture
        def settings(self, server):
            return {"provider": "beanstalk", "url": server.url, "tube": uuid4().hex}

The fixture ``settings`` returns what stands in the settings of an instance whose queue
holds nothing yet. Where ``visibility`` and ``max_deliveries`` are not options but set
on the service, override ``make_board``. A backend that keeps its own time gets a
``RealClock`` as its ``clock``. What cannot be kept is left out with a reason; see
``pegboard.testing.standard``.
"""

from __future__ import annotations

import asyncio
import math
import random
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import pytest_asyncio
from hypothesis import HealthCheck
from hypothesis import settings as example_settings
from hypothesis.stateful import run_state_machine_as_test

from pegboard import DeadLetterQueue, NewMessage, Queue, QueueCounts
from pegboard.contracts.queue_rules import MOST_BYTES
from pegboard.errors import InvalidRequest

from ._consumers import PATIENCE as CONSUMERS_PATIENCE
from ._consumers import Consumers
from ._instance_kit import InstanceKit, MakeBoard
from ._queue_model import QueueMachine
from .cancellation import cancel_at_every_await
from .clock import ManualClock, RealClock
from .leaks import no_leaks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from pegboard import Delivery

SHORT, PAST_SHORT = 1.0, 1.1
"""Seconds: long enough that the next call comes in time, on any machine."""
LONG = 900.0
PATIENCE = 30.0
"""Seconds that are only waited for where something is wrong."""
BODIES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    0.1,
    2**63,
    "",
    "null",
    'nul \x00, newline \n, quote ", backslash \\',
    "e\u0301 is not \u00e9",
    "\U0001f600",
    "half of a pair: \ud83d",
    [],
    {},
    [None, [1, [2.5, {"": [True, "x"]}]]],
    {"a": {"b": {"c": [1, 2, 3]}}, "\u00e9": None, "a.b": "$"},
    "x" * 100_000,
)
NOT_JSON: tuple[Any, ...] = (math.nan, [math.inf], object(), b"bytes", {1, 2}, 3j)
ATTRIBUTES = {
    "kind": "mail",
    "Trace-Id": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "a.b_c": "\u00e9t\u00e9, \u4f60\u597d, \U0001f600 < & >",
    "n" * 256: " 1 ",
}
NOT_ATTRIBUTES: tuple[Any, ...] = (
    {"": "x"},
    {"n" * 257: "x"},
    {"a b": "x"},
    {"\u00e9": "x"},
    {1: "x"},
    {"a": ""},
    {"a": 1},
    {"a": None},
    {"a": "two\nlines"},
    {"a": "\x00"},
    {"a": "\ud83d"},
    {f"a{number}": "x" for number in range(11)},
)
NOT_SECONDS: tuple[Any, ...] = (-1, -0.5, math.nan, math.inf, -math.inf, "5", None)
NOT_RECEIPTS: tuple[Any, ...] = ("", "nonsense", None, 5, "\ud800")
NOT_GROUPS: tuple[Any, ...] = ("", "a b", "\u00e9", "g" * 129, 5, "a\n")
EXAMPLES = example_settings(
    database=None,
    deadline=None,
    derandomize=True,
    max_examples=60,
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)
TASKS = 8
Clock = ManualClock | RealClock


def _short(value: object) -> str:
    return ascii(value)[:20]


class OpenQueue(Protocol):
    """Open the queue, some of its settings changed."""

    async def __call__(self, **changes: object) -> DeadLetterQueue:
        """Return the queue of a new board, which is closed after the test."""
        ...


@pytest.mark.asyncio
class QueueContract(InstanceKit):
    """What every Queue must do. Inherit it and give the fixture ``settings``."""

    family = "integrations"
    examples = EXAMPLES
    """How many random calls are compared with a model; fewer for a slow backend."""
    short, past_short = SHORT, PAST_SHORT
    """Seconds, where time really passes; less for a quick backend."""
    contract: Any = Queue
    groups: Sequence[str | None] = (None,)
    """Groups of the messages that are put in at random."""
    counts_exactly = True
    """Whether random calls compare the counts. Services may know them roughly."""

    @pytest.fixture
    def clock(self) -> Clock:
        """Return the clock that visibility and delays are measured with."""
        return ManualClock()

    @pytest_asyncio.fixture
    async def open_queue(self, make_board: MakeBoard) -> AsyncGenerator[OpenQueue]:
        """Return a function that opens the queue."""
        async with AsyncExitStack() as boards:

            async def open_queue(**changes: object) -> DeadLetterQueue:
                board = await boards.enter_async_context(make_board(**changes))
                queue: DeadLetterQueue = board.integration("kit", self.contract)
                return queue

            yield open_queue

    @pytest_asyncio.fixture
    async def queue(self, open_queue: OpenQueue) -> DeadLetterQueue:
        """Return the queue, empty."""
        return await open_queue()

    async def test_empty_queue_gives_nothing(self, queue: Queue) -> None:
        """Where there is no message, none is received."""
        assert list(await queue.receive()) == []

    @pytest.mark.parametrize("body", BODIES, ids=_short)
    async def test_body_comes_as_it_was(self, queue: Queue, body: Any) -> None:
        """A body is received with the type and the digits that it was sent with."""
        await queue.publish(body)
        received = await _receive(queue)

        assert repr(received.body) == repr(body)

    @pytest.mark.parametrize("body", NOT_JSON, ids=_short)
    async def test_body_that_json_lacks_is_refused(
        self, queue: Queue, body: Any
    ) -> None:
        """What could not be received as it was is not sent."""
        with pytest.raises(InvalidRequest):
            await queue.publish(body)
        assert list(await queue.receive()) == []

    async def test_body_is_a_copy(self, queue: Queue) -> None:
        """Changing what was sent, or received, changes no message."""
        given = {"list": [1]}
        await queue.publish(given)
        given["list"].append(2)
        first = await _receive(queue)
        first.body["list"].append(3)
        await queue.nack(first.receipt)

        assert (await _receive(queue)).body == {"list": [1]}

    async def test_attributes_come_as_they_were(self, queue: Queue) -> None:
        """What is said of a message comes with it."""
        await queue.publish(1, attributes=ATTRIBUTES)

        assert dict((await _receive(queue)).attributes) == ATTRIBUTES

    async def test_without_attributes_there_are_none(self, queue: Queue) -> None:
        """A message of which nothing is said has no attributes, and no group."""
        await queue.publish(1)
        received = await _receive(queue)

        assert dict(received.attributes) == {}
        assert received.group is None

    @pytest.mark.parametrize("attributes", NOT_ATTRIBUTES, ids=_short)
    async def test_bad_attributes_are_refused(
        self, queue: Queue, attributes: Any
    ) -> None:
        """What some service could not carry is refused by all, and nothing is sent."""
        with pytest.raises(InvalidRequest):
            await queue.publish(1, attributes=attributes)
        assert list(await queue.receive()) == []

    async def test_biggest_message_is_taken(self, queue: Queue) -> None:
        """All 256 KiB can be used."""
        body = "x" * (MOST_BYTES - len('""') - len("a") - len("\u00e9".encode()))
        await queue.publish(body, attributes={"a": "\u00e9"})

        assert (await _receive(queue)).body == body

    async def test_bigger_message_is_refused(self, queue: Queue) -> None:
        """One byte more is too much, and the error says where to put it."""
        body = "x" * (MOST_BYTES - len('""') - len("a") - len("\u00e9".encode()) + 1)

        with pytest.raises(InvalidRequest, match="blob"):
            await queue.publish(body, attributes={"a": "\u00e9"})
        assert list(await queue.receive()) == []

    async def test_message_keeps_its_id(self, queue: Queue) -> None:
        """It is known by one id from publishing on, however often it is delivered."""
        published = await queue.publish(1)
        first = await _receive(queue)
        await queue.nack(first.receipt)
        second = await _receive(queue)

        assert published == first.id == second.id

    async def test_every_message_has_an_id_of_its_own(self, queue: Queue) -> None:
        """Equal messages are not the same one."""
        random.seed(1)
        ids = {await queue.publish("same") for _ in range(10)}
        random.seed(1)
        ids |= {await queue.publish("same") for _ in range(10)}

        assert len(ids) == 20

    async def test_message_knows_when_it_was_published(
        self, queue: Queue, clock: Clock
    ) -> None:
        """The time is that of publishing, not of delivery."""
        before = clock()
        await queue.publish(1)
        after = clock()
        await clock.sleep(self.past_short)

        # Services have clocks of their own, and maybe whole milliseconds.
        assert before - 0.5 <= (await _receive(queue)).published <= after + 0.5

    async def test_received_message_is_hidden(self, queue: Queue) -> None:
        """Nobody else gets what someone is working at."""
        await queue.publish(1)
        await _receive(queue)

        assert list(await queue.receive()) == []

    async def test_message_comes_again_after_its_visibility(
        self, queue: Queue, clock: Clock
    ) -> None:
        """Whoever dies with a message loses nothing."""
        await queue.publish("body", attributes={"a": "b"})
        first = await _receive(queue, visibility=self.short)
        await clock.sleep(self.past_short)
        second = await _receive(queue)

        assert (first.body, first.deliveries) == ("body", 1)
        assert (second.body, second.deliveries) == ("body", 2)
        assert dict(second.attributes) == {"a": "b"}

    async def test_settings_name_the_visibility(
        self, open_queue: OpenQueue, clock: Clock
    ) -> None:
        """The visibility of the settings holds where the call names none."""
        queue = await open_queue(visibility=self.short)
        await queue.publish(1)
        await _receive(queue)
        await clock.sleep(self.past_short)

        assert (await _receive(queue)).deliveries == 2

    async def test_call_overrides_the_visibility(
        self, open_queue: OpenQueue, clock: Clock
    ) -> None:
        """The visibility of a call wins over that of the settings."""
        queue = await open_queue(visibility=self.short)
        await queue.publish(1)
        await _receive(queue, visibility=LONG)
        await clock.sleep(self.past_short)

        assert list(await queue.receive()) == []

    async def test_acknowledged_message_is_gone(
        self, queue: Queue, clock: Clock
    ) -> None:
        """What is done never comes again."""
        await queue.publish(1)
        received = await _receive(queue, visibility=self.short)

        assert await queue.ack(received.receipt) is True
        await clock.sleep(self.past_short)
        assert list(await queue.receive()) == []

    async def test_late_ack_counts_if_nobody_else_has_it(
        self, queue: Queue, clock: Clock
    ) -> None:
        """Work that took too long is not done again if nobody has begun to."""
        await queue.publish(1)
        received = await _receive(queue, visibility=self.short)
        await clock.sleep(self.past_short)

        assert await queue.ack(received.receipt) is True
        assert list(await queue.receive()) == []

    async def test_ack_leaves_a_message_that_another_has(
        self, queue: Queue, clock: Clock
    ) -> None:
        """Who is too late is told so, and the message stays the other's."""
        await queue.publish(1)
        late = await _receive(queue, visibility=self.short)
        await clock.sleep(self.past_short)
        other = await _receive(queue)

        assert await queue.ack(late.receipt) is False
        assert await queue.ack(other.receipt) is True

    async def test_second_ack_finds_nothing(self, queue: Queue) -> None:
        """A message is acknowledged once."""
        await queue.publish(1)
        received = await _receive(queue)
        await queue.ack(received.receipt)

        assert await queue.ack(received.receipt) is False

    async def test_ack_takes_one_message(self, queue: Queue) -> None:
        """The others stay."""
        for number in range(3):
            await queue.publish(number)
        taken = await _receive_all(queue, 3)
        await queue.ack(taken[0].receipt)
        for one in taken[1:]:
            await queue.nack(one.receipt)
        left = await _receive_all(queue, 2)

        assert {one.body for one in left} == {one.body for one in taken[1:]}

    async def test_message_that_is_given_back_comes_at_once(self, queue: Queue) -> None:
        """Nobody waits for the visibility of what was given back."""
        await queue.publish(1)
        first = await _receive(queue, visibility=LONG)

        assert await queue.nack(first.receipt) is True
        assert (await _receive(queue)).deliveries == 2

    async def test_message_can_be_given_back_for_later(
        self, queue: Queue, clock: Clock
    ) -> None:
        """It comes after the delay, not before."""
        await queue.publish(1)
        first = await _receive(queue, visibility=LONG)
        await queue.nack(first.receipt, delay=self.short)
        early = list(await queue.receive())
        await clock.sleep(self.past_short)

        assert early == []
        assert (await _receive(queue)).deliveries == 2

    async def test_who_gave_a_message_back_has_it_no_more(self, queue: Queue) -> None:
        """Neither can it be acknowledged then, nor kept."""
        await queue.publish(1)
        first = await _receive(queue)
        await queue.nack(first.receipt)

        assert await queue.nack(first.receipt) is False
        assert await queue.extend(first.receipt) is False
        assert await queue.ack(first.receipt) is False
        assert (await _receive(queue)).deliveries == 2

    async def test_nack_leaves_a_message_that_another_has(
        self, queue: Queue, clock: Clock
    ) -> None:
        """Who is too late cannot give away what is another's."""
        await queue.publish(1)
        late = await _receive(queue, visibility=self.short)
        await clock.sleep(self.past_short)
        await _receive(queue)

        assert await queue.nack(late.receipt) is False
        assert list(await queue.receive()) == []

    async def test_visibility_can_be_prolonged(
        self, queue: Queue, clock: Clock
    ) -> None:
        """Work that takes longer keeps its message."""
        await queue.publish(1)
        received = await _receive(queue, visibility=self.short)

        assert await queue.extend(received.receipt, visibility=LONG) is True
        await clock.sleep(self.past_short)
        assert list(await queue.receive()) == []
        assert await queue.ack(received.receipt) is True

    async def test_visibility_can_be_shortened(
        self, queue: Queue, clock: Clock
    ) -> None:
        """The new visibility counts from now, whatever it was."""
        await queue.publish(1)
        received = await _receive(queue, visibility=LONG)
        await queue.extend(received.receipt, visibility=self.short)
        await clock.sleep(self.past_short)

        assert (await _receive(queue)).deliveries == 2

    async def test_extend_uses_the_visibility_of_the_settings(
        self, open_queue: OpenQueue, clock: Clock
    ) -> None:
        """Where the call names none."""
        queue = await open_queue(visibility=self.short)
        await queue.publish(1)
        received = await _receive(queue, visibility=LONG)
        await queue.extend(received.receipt)
        await clock.sleep(self.past_short)

        assert (await _receive(queue)).deliveries == 2

    async def test_extend_leaves_a_message_that_another_has(
        self, queue: Queue, clock: Clock
    ) -> None:
        """Who is too late is told so."""
        await queue.publish(1)
        late = await _receive(queue, visibility=self.short)
        await clock.sleep(self.past_short)
        await _receive(queue, visibility=self.short)

        assert await queue.extend(late.receipt, visibility=LONG) is False
        await clock.sleep(self.past_short)
        assert (await _receive(queue)).deliveries == 3

    @pytest.mark.parametrize("receipt", NOT_RECEIPTS, ids=_short)
    async def test_bad_receipt_is_refused(self, queue: Queue, receipt: Any) -> None:
        """What never was a receipt is a mistake, not a message that is gone."""
        for call in (queue.ack, queue.nack, queue.extend):
            with pytest.raises(InvalidRequest):
                await call(receipt)

    async def test_delayed_message_comes_later(
        self, queue: Queue, clock: Clock
    ) -> None:
        """It comes after its delay, not before, and it was not delivered meanwhile."""
        await queue.publish(1, delay=self.short)
        early = list(await queue.receive())
        await clock.sleep(self.past_short)

        assert early == []
        assert (await _receive(queue)).deliveries == 1

    @pytest.mark.parametrize("seconds", NOT_SECONDS, ids=_short)
    async def test_bad_seconds_are_refused(self, queue: Queue, seconds: Any) -> None:
        """Times are numbers from 0 on, visibility above, and nothing is changed."""
        await queue.publish(1)
        received = await _receive(queue, visibility=LONG)
        calls: list[partial[Any]] = [
            partial(queue.publish, 2, delay=seconds),
            partial(queue.receive, wait=seconds),
            partial(queue.nack, received.receipt, delay=seconds),
        ]
        if seconds is not None:  # which is the visibility of the settings
            calls += [
                partial(queue.receive, visibility=seconds),
                partial(queue.extend, received.receipt, visibility=seconds),
            ]
        for call in calls:
            with pytest.raises(InvalidRequest):
                await call()
        assert list(await queue.receive()) == []

    async def test_visibility_of_0_is_refused(self, queue: Queue) -> None:
        """A message that is not hidden would be everybody's."""
        await queue.publish(1)

        with pytest.raises(InvalidRequest):
            await queue.receive(visibility=0)
        received = await _receive(queue)
        with pytest.raises(InvalidRequest):
            await queue.extend(received.receipt, visibility=0)

    async def test_many_are_published_in_their_order(self, queue: Queue) -> None:
        """There is a result for each, with the id of the message at its place."""
        messages = [NewMessage(body=number) for number in range(25)]
        results = list(await queue.publish_many(messages))
        received = {one.id: one.body for one in await _receive_all(queue, 25)}

        assert [received.get(str(one.id)) for one in results] == list(range(25))
        assert {one.error for one in results} == {None}

    async def test_each_of_many_has_its_own_options(
        self, queue: Queue, clock: Clock
    ) -> None:
        """Attributes and delays are those of each message."""
        await queue.publish_many(
            [
                NewMessage(body="now", attributes={"a": "b"}),
                NewMessage(body="later", delay=self.short),
            ]
        )
        first = await _receive(queue)
        nothing = list(await queue.receive())
        await clock.sleep(self.past_short)
        second = await _receive(queue)

        assert (first.body, dict(first.attributes)) == ("now", {"a": "b"})
        assert nothing == []
        assert (second.body, dict(second.attributes)) == ("later", {})

    async def test_many_may_be_none(self, queue: Queue) -> None:
        """Nothing to publish is no error."""
        assert list(await queue.publish_many([])) == []

    async def test_many_are_refused_as_one(self, queue: Queue) -> None:
        """Where one cannot be a message, none is sent; the error says which one."""
        bad: Any = object()
        messages = [NewMessage(body=1), NewMessage(body=bad), NewMessage(body=3)]

        with pytest.raises(InvalidRequest, match="1"):
            await queue.publish_many(messages)
        assert list(await queue.receive()) == []

    async def test_receive_takes_no_more_than_asked_for(self, queue: Queue) -> None:
        """The rest is for others."""
        await queue.publish_many([NewMessage(body=number) for number in range(5)])
        first = await queue.receive(limit=2)
        others = await _receive_all(queue, 5 - len(first))

        assert 1 <= len(first) <= 2
        assert {one.body for one in (*first, *others)} == set(range(5))

    async def test_receive_takes_a_high_limit(self, queue: Queue) -> None:
        """A limit beyond what there is, or what a service allows, is no error."""
        await queue.publish(1)

        assert [one.body for one in await queue.receive(limit=10**9)] == [1]

    @pytest.mark.parametrize("limit", [0, -1, 1.5, None, "1"], ids=_short)
    async def test_receive_refuses_a_bad_limit(self, queue: Queue, limit: Any) -> None:
        """Whoever receives wants at least one message."""
        with pytest.raises(InvalidRequest):
            await queue.receive(limit=limit)

    async def test_receive_waits_for_a_message(self, queue: Queue) -> None:
        """Who waits gets what is published meanwhile."""
        waiting = asyncio.create_task(_receive(queue))
        await asyncio.sleep(0.05)  # so that it really waits, in most runs
        await queue.publish("awaited")

        assert (await waiting).body == "awaited"

    async def test_receive_waits_for_a_message_that_is_given_back(
        self, queue: Queue
    ) -> None:
        """Who waits gets what others give back."""
        await queue.publish("awaited")
        first = await _receive(queue)
        waiting = asyncio.create_task(_receive(queue))
        await asyncio.sleep(0.05)
        await queue.nack(first.receipt)

        assert (await waiting).body == "awaited"

    async def test_receive_waits_until_a_message_is_due(
        self, queue: Queue, clock: Clock
    ) -> None:
        """Who waits gets what was delayed, or not acknowledged, as its time comes."""
        await queue.publish("delayed", delay=self.short)
        await queue.publish("forgotten")
        await _receive(queue, visibility=self.short)
        waiting = asyncio.create_task(_receive_all(queue, 2))
        await asyncio.sleep(0.05)
        await clock.sleep(self.past_short)

        assert {one.body for one in await waiting} == {"delayed", "forgotten"}

    async def test_receive_ends_when_its_wait_is_over(self, queue: Queue) -> None:
        """Who has waited in vain gets nothing, which is no error."""
        assert list(await queue.receive(wait=0.05)) == []

    async def test_every_waiter_gets_a_message(self, queue: Queue) -> None:
        """Several that wait share what is published at once."""
        waiting = [asyncio.create_task(_receive(queue)) for _ in range(TASKS)]
        await asyncio.sleep(0.05)
        await queue.publish_many([NewMessage(body=number) for number in range(TASKS)])
        received = await asyncio.gather(*waiting)

        assert sorted(one.body for one in received) == list(range(TASKS))

    async def test_waiting_holds_up_nobody(self, queue: Queue) -> None:
        """While some wait, others publish, receive and acknowledge."""
        await queue.publish("first")
        received = await _receive(queue)
        waiting = [asyncio.create_task(_receive(queue)) for _ in range(TASKS)]
        await asyncio.sleep(0.05)

        assert await queue.ack(received.receipt) is True
        assert (await queue.count()).in_flight == 0
        assert not any(task.done() for task in waiting)
        await queue.publish_many([NewMessage(body=number) for number in range(TASKS)])
        await asyncio.gather(*waiting)

    async def test_messages_are_counted(self, queue: Queue) -> None:
        """Those that are ready, those that are delayed, those that someone has."""
        for _ in range(3):
            await queue.publish(1)
        await queue.publish(2, delay=LONG)
        await queue.publish(2, delay=LONG)
        await _receive(queue)

        assert await queue.count() == QueueCounts(ready=2, delayed=2, in_flight=1)

    async def test_count_sees_what_was_given_back(
        self, queue: Queue, clock: Clock
    ) -> None:
        """At once, later, by its visibility, or never."""
        for number in range(4):
            await queue.publish(number)
        given_back, later, done = await _receive_all(queue, 3)
        await _receive(queue, visibility=self.short)
        await queue.nack(given_back.receipt)
        await queue.nack(later.receipt, delay=LONG)
        await queue.ack(done.receipt)
        await clock.sleep(self.past_short)

        assert await queue.count() == QueueCounts(ready=2, delayed=1, in_flight=0)

    async def test_message_is_not_delivered_too_often(
        self, open_queue: OpenQueue, clock: Clock
    ) -> None:
        """What fails each time, or kills each time, comes to an end."""
        queue = await open_queue(max_deliveries=2)
        await queue.publish("given back")
        for _ in range(2):
            await queue.nack((await _receive(queue)).receipt)
        await queue.publish("kills")
        for _ in range(2):
            await _receive(queue, visibility=self.short)
            await clock.sleep(self.past_short)

        assert list(await queue.receive()) == []
        assert await queue.count() == QueueCounts(ready=0, delayed=0, in_flight=0)

    async def test_last_delivery_can_be_acknowledged(
        self, open_queue: OpenQueue
    ) -> None:
        """It is not dead while someone works at it."""
        queue = await open_queue(max_deliveries=1)
        await queue.publish(1)
        received = await _receive(queue)

        assert await queue.count() == QueueCounts(ready=0, delayed=0, in_flight=1)
        assert await queue.extend(received.receipt) is True
        assert await queue.ack(received.receipt) is True

    async def test_receivers_at_once_share_the_messages(self, queue: Queue) -> None:
        """No two have the same one."""
        await queue.publish_many([NewMessage(body=number) for number in range(50)])
        taken: list[Any] = []

        async def take() -> None:
            while got := await queue.receive(limit=3):
                taken.extend(one.body for one in got)
                await asyncio.sleep(0)

        await asyncio.gather(*(take() for _ in range(TASKS)))

        assert sorted(taken) == list(range(50))

    async def test_what_fails_at_random_is_done_in_the_end(
        self, open_queue: OpenQueue
    ) -> None:
        """All that was published is acknowledged, and each of it once."""
        queue = await open_queue(max_deliveries=100)
        messages = [NewMessage(body=number) for number in range(40)]
        await queue.publish_many(messages)
        chance = random.Random(5)  # noqa: S311 - no secret
        done: list[int] = []

        async def work() -> None:
            while len(done) < len(messages):
                for one in await queue.receive(limit=3):
                    await asyncio.sleep(0)
                    if chance.random() < 0.4:
                        await queue.nack(one.receipt)
                    elif await queue.ack(one.receipt):
                        done.append(one.body)
                await asyncio.sleep(0)

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(work() for _ in range(TASKS)))

        assert sorted(done) == list(range(40))

    async def test_cancelled_receive_loses_nothing(
        self, queue: Queue, clock: Clock
    ) -> None:
        """Wherever it is cancelled, what it took comes again, at the latest then."""
        await queue.publish("first")

        async def give_back() -> None:
            await clock.sleep(self.past_short)
            again = await _receive(queue)
            await queue.ack(again.receipt)
            await queue.publish("next")

        await cancel_at_every_await(
            lambda: queue.receive(visibility=self.short), give_back
        )

    async def test_event_loops_may_follow_each_other(self, queue: Queue) -> None:
        """A queue works in the next event loop when the first has ended."""

        def use_two_loops() -> Any:
            asyncio.run(_publish(queue, "body"))
            return asyncio.run(_receive(queue)).body

        assert await asyncio.to_thread(use_two_loops) == "body"

    async def test_threads_may_share_a_queue(self, queue: Queue) -> None:
        """Who waits in one event loop gets what another one publishes."""

        def wait() -> Any:
            return asyncio.run(_receive(queue)).body

        waiting = [asyncio.create_task(asyncio.to_thread(wait)) for _ in range(3)]
        await asyncio.sleep(0.05)
        for number in range(3):
            await asyncio.to_thread(asyncio.run, _publish(queue, number))

        assert sorted(await asyncio.gather(*waiting)) == [0, 1, 2]

    async def test_nothing_is_left_behind(self, make_board: MakeBoard) -> None:
        """When the board closes, connections and tasks are gone."""
        async with no_leaks(), make_board() as board:
            queue: Queue = board.integration("kit", self.contract)
            waiting = asyncio.create_task(queue.receive(wait=PATIENCE))
            await asyncio.sleep(0.05)
            await queue.publish(1)
            await waiting
            await queue.receive(wait=0.05)

    async def test_random_calls_agree_with_the_model(
        self, open_queue: OpenQueue, clock: Clock
    ) -> None:
        """Whatever is done in whatever order, a dict that does the same agrees."""
        queue = await open_queue(max_deliveries=QueueMachine.max_deliveries)
        counted = self.counts_exactly
        await asyncio.to_thread(
            _compare_with_model, queue, clock, self.groups, self.examples, counted
        )


class GroupedQueueContract(QueueContract):
    """What a Queue must do besides, if it knows groups."""

    groups = (None, "a", "b")

    async def test_message_has_its_group(self, queue: Queue) -> None:
        """It is known to those who receive it."""
        await queue.publish(1, group="user/7")

        assert (await _receive(queue)).group == "user/7"

    @pytest.mark.parametrize("group", NOT_GROUPS, ids=_short)
    async def test_bad_group_is_refused(self, queue: Queue, group: Any) -> None:
        """What some service could not carry is refused by all."""
        with pytest.raises(InvalidRequest):
            await queue.publish(1, group=group)

    async def test_group_comes_in_order(self, queue: Queue) -> None:
        """The next message is received when the one before it is acknowledged."""
        for number in range(5):
            await queue.publish(number, group="g")
        seen = []
        for _ in range(5):
            received = await _receive(queue)
            seen.append(received.body)
            await queue.ack(received.receipt)

        assert seen == list(range(5))

    async def test_many_of_a_group_come_in_order(self, queue: Queue) -> None:
        """Their order is that in which they were handed over."""
        await queue.publish_many(
            [NewMessage(body=number, group="g") for number in range(25)]
        )
        seen: list[int] = []
        while len(seen) < 25:
            for one in await queue.receive(limit=10, wait=PATIENCE):
                seen.append(one.body)
                await queue.ack(one.receipt)

        assert seen == list(range(25))

    async def test_rest_of_a_group_waits(self, queue: Queue) -> None:
        """While the first one is worked at, the others are not received."""
        for number in range(3):
            await queue.publish(number, group="g")
        await _receive(queue)

        assert list(await queue.receive(limit=10)) == []

    async def test_rest_of_a_group_waits_for_what_was_given_back(
        self, queue: Queue, clock: Clock
    ) -> None:
        """The first one comes again before the others, also if that is later."""
        await queue.publish("first", group="g")
        await queue.publish("second", group="g")
        await queue.nack((await _receive(queue)).receipt, delay=self.short)
        early = list(await queue.receive(limit=10))
        await clock.sleep(self.past_short)

        assert early == []
        assert (await _receive(queue)).body == "first"

    async def test_rest_of_a_group_waits_for_what_was_forgotten(
        self, queue: Queue, clock: Clock
    ) -> None:
        """What comes again after its visibility is still the first."""
        await queue.publish("first", group="g")
        await queue.publish("second", group="g")
        await _receive(queue, visibility=self.short)
        await clock.sleep(self.past_short)

        assert (await _receive(queue)).body == "first"

    async def test_groups_hold_up_nobody_else(self, queue: Queue) -> None:
        """Other groups, and messages without one, go on."""
        await queue.publish("first", group="g")
        await queue.publish("second", group="g")
        await _receive(queue)
        await queue.publish("other", group="h")
        await queue.publish("none")
        received = await _receive_all(queue, 2)

        assert {one.body for one in received} == {"other", "none"}

    async def test_dead_message_makes_way_for_its_group(
        self, open_queue: OpenQueue, clock: Clock
    ) -> None:
        """What was delivered too often holds up nobody."""
        queue = await open_queue(max_deliveries=1)
        for body in ("given back", "forgotten", "last"):
            await queue.publish(body, group="g")
        await queue.nack((await _receive(queue)).receipt)
        await _receive(queue, visibility=self.short)
        await clock.sleep(self.past_short)

        assert (await _receive(queue)).body == "last"

    async def test_waiter_gets_the_next_of_a_group(self, queue: Queue) -> None:
        """As soon as the one before it is acknowledged."""
        await queue.publish("first", group="g")
        await queue.publish("second", group="g")
        first = await _receive(queue)
        waiting = asyncio.create_task(_receive(queue))
        await asyncio.sleep(0.05)
        await queue.ack(first.receipt)

        assert (await waiting).body == "second"

    async def test_receivers_at_once_keep_the_order_of_groups(
        self, queue: Queue
    ) -> None:
        """However many receive, what they begin is in order, group by group."""
        await queue.publish_many(
            [NewMessage(body=number, group=f"g{number % 3}") for number in range(30)]
        )
        begun: list[int] = []

        async def work() -> None:
            while len(begun) < 30:
                for one in await queue.receive(limit=4):
                    begun.append(one.body)
                    await asyncio.sleep(0)
                    await queue.ack(one.receipt)
                await asyncio.sleep(0)

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(work() for _ in range(TASKS)))

        for group in range(3):
            of_group = [number for number in begun if number % 3 == group]
            assert of_group == sorted(of_group)


class DeadLetterQueueContract(QueueContract):
    """What a Queue must do besides, if its dead letters can be looked at."""

    contract = DeadLetterQueue

    async def test_dead_letter_is_the_message(self, open_queue: OpenQueue) -> None:
        """All that was known of it is there, with how often it was delivered."""
        queue = await open_queue(max_deliveries=2)
        published = await queue.publish({"a": 1}, attributes={"b": "c"})
        await _kill(queue, 2)
        (letter,) = (await queue.list_dead_letters()).letters

        assert (letter.id, letter.body) == (published, {"a": 1})
        assert (dict(letter.attributes), letter.deliveries) == ({"b": "c"}, 2)

    async def test_what_is_not_dead_is_not_listed(self, queue: DeadLetterQueue) -> None:
        """Neither what waits nor what someone has."""
        await queue.publish(1)
        await queue.publish(2)
        await _receive(queue)
        page = await queue.list_dead_letters()

        assert (page.letters, page.cursor) == ((), None)

    async def test_forgotten_message_dies_too(
        self, open_queue: OpenQueue, clock: Clock
    ) -> None:
        """Whoever is killed by a message each time says nothing, and need not."""
        queue = await open_queue(max_deliveries=1)
        await queue.publish("kills")
        await _receive(queue, visibility=self.short)
        await clock.sleep(self.past_short)

        assert list(await queue.receive()) == []
        assert [one.body for one in (await queue.list_dead_letters()).letters] == [
            "kills"
        ]

    async def test_none_is_never_dead(self, open_queue: OpenQueue) -> None:
        """Where the settings say so, a message comes for ever."""
        queue = await open_queue(max_deliveries=None)
        await queue.publish(1)
        for _ in range(12):
            await queue.nack((await _receive(queue)).receipt)

        assert (await _receive(queue)).deliveries == 13

    @pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 100])
    async def test_pages_hold_every_letter_once(
        self, open_queue: OpenQueue, limit: int
    ) -> None:
        """In the order in which they died."""
        queue = await open_queue(max_deliveries=1)
        for number in range(6):
            await queue.publish(number)
            await _kill(queue, 1)
        page = await queue.list_dead_letters(limit=limit)
        pages = [page.letters]
        while page.cursor is not None and len(pages) < 10:
            page = await queue.list_dead_letters(limit=limit, cursor=page.cursor)
            pages.append(page.letters)

        assert [one.body for letters in pages for one in letters] == list(range(6))
        assert max(len(letters) for letters in pages) <= limit
        assert all(pages)

    @pytest.mark.parametrize("limit", [0, -1, 1.5, None], ids=_short)
    async def test_list_refuses_a_bad_limit(
        self, queue: DeadLetterQueue, limit: Any
    ) -> None:
        """A page has at least one letter."""
        with pytest.raises(InvalidRequest):
            await queue.list_dead_letters(limit=limit)

    async def test_list_refuses_a_bad_cursor(self, queue: DeadLetterQueue) -> None:
        """What never was a cursor is a mistake."""
        with pytest.raises(InvalidRequest):
            await queue.list_dead_letters(cursor="nonsense")

    async def test_redrive_puts_letters_back(self, open_queue: OpenQueue) -> None:
        """They come again with their ids, and may fail as often as new ones."""
        queue = await open_queue(max_deliveries=1)
        ids = {await queue.publish(number) for number in range(3)}
        await _kill(queue, 3)

        assert await queue.redrive() == 3
        received = await _receive_all(queue, 3)
        assert {one.id for one in received} == ids
        assert {one.deliveries for one in received} == {1}
        assert (await queue.list_dead_letters()).letters == ()

    async def test_redrive_puts_chosen_letters_back(
        self, open_queue: OpenQueue
    ) -> None:
        """The others stay dead."""
        queue = await open_queue(max_deliveries=1)
        ids = [await queue.publish(number) for number in range(3)]
        await _kill(queue, 3)

        assert await queue.redrive([ids[1], "nobody"]) == 1
        assert (await _receive(queue)).body == 1
        assert list(await queue.receive()) == []
        left = (await queue.list_dead_letters()).letters
        assert {one.body for one in left} == {0, 2}

    async def test_redriven_message_ignores_old_receipts(
        self, open_queue: OpenQueue
    ) -> None:
        """Who had it before its death has no say in it."""
        queue = await open_queue(max_deliveries=1)
        await queue.publish(1)
        old = await _receive(queue)
        await queue.nack(old.receipt)
        await queue.redrive()
        new = await _receive(queue)

        assert await queue.ack(old.receipt) is False
        assert await queue.ack(new.receipt) is True

    async def test_waiter_gets_what_is_redriven(self, open_queue: OpenQueue) -> None:
        """It is as if it were published."""
        queue = await open_queue(max_deliveries=1)
        await queue.publish("again")
        await _kill(queue, 1)
        waiting = asyncio.create_task(_receive(queue))
        await asyncio.sleep(0.05)
        await queue.redrive()

        assert (await waiting).body == "again"

    async def test_discard_removes_letters(self, open_queue: OpenQueue) -> None:
        """Chosen ones, or all, and nothing that is not dead."""
        queue = await open_queue(max_deliveries=1)
        ids = [await queue.publish(number) for number in range(3)]
        await _kill(queue, 3)
        alive = await queue.publish("alive")

        assert await queue.discard([ids[0], alive]) == 1
        assert await queue.discard() == 2
        assert await queue.discard() == 0
        assert (await queue.list_dead_letters()).letters == ()
        assert (await _receive(queue)).body == "alive"

    async def test_no_ids_are_none(self, open_queue: OpenQueue) -> None:
        """An empty list is not all."""
        queue = await open_queue(max_deliveries=1)
        await queue.publish(1)
        await _kill(queue, 1)

        assert await queue.redrive([]) == 0
        assert await queue.discard([]) == 0
        assert len((await queue.list_dead_letters()).letters) == 1

    @pytest.mark.parametrize("ids", ["text", [1], 5], ids=_short)
    async def test_bad_ids_are_refused(self, queue: DeadLetterQueue, ids: Any) -> None:
        """A text is no list, and an id is text."""
        for call in (queue.redrive, queue.discard):
            with pytest.raises(InvalidRequest):
                await call(ids)


class PersistentQueueContract(QueueContract):
    """What a Queue must do besides, if it is to outlive its process."""

    async def test_messages_outlive_the_board(
        self, make_board: MakeBoard, clock: Clock
    ) -> None:
        """What one board put in, the next one gets; what is done stays done."""
        async with make_board() as board:
            queue: Queue = board.integration("kit", self.contract)
            for body in ("done", "had", "waits"):
                await queue.publish(body)
                if body != "waits":
                    received = await _receive(queue, visibility=self.short)
                if body == "done":
                    await queue.ack(received.receipt)
        await clock.sleep(self.past_short)

        async with make_board() as board:
            queue = board.integration("kit", self.contract)
            received_now = await _receive_all(queue, 2)
            assert {(one.body, one.deliveries) for one in received_now} == {
                ("had", 2),
                ("waits", 1),
            }
            assert list(await queue.receive()) == []

    async def test_boards_share_the_queue(self, make_board: MakeBoard) -> None:
        """Who waits on one board gets what another one publishes."""
        async with make_board() as one, make_board() as other:
            waiting = asyncio.create_task(
                _receive(one.integration("kit", self.contract))
            )
            await asyncio.sleep(0.05)
            await _publish(other.integration("kit", self.contract), "hello")

            assert (await waiting).body == "hello"


class SharedQueueContract(PersistentQueueContract):
    """
    What a Queue must do besides, if processes share it.

    The provider must be installed, since other processes use it, too.
    """

    messages = 300
    kills = 6

    @pytest.fixture
    def patient(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Return the settings of other processes, for which nothing ever is dead."""
        return {**settings, "max_deliveries": 1000}

    async def test_killed_consumers_lose_nothing(
        self, make_board: MakeBoard, patient: dict[str, Any]
    ) -> None:
        """
        What they had is done by others, and what was acknowledged is never done again.

        They are killed as nothing can prevent, in the middle of their work; some of it
        fails besides.
        """
        consumers = Consumers(patient)
        async with make_board(max_deliveries=1000) as board:
            queue: Queue = board.integration("kit", Queue)
            await queue.publish_many(
                [NewMessage(body=number) for number in range(self.messages)]
            )
            step = self.messages // (self.kills + 1)
            kills = range(step, step * (self.kills + 1), step)
            async with asyncio.timeout(CONSUMERS_PATIENCE):
                await consumers.work(queue, kills)

        assert set(consumers.begun) == set(range(self.messages))
        for body, begun in consumers.begun.items():
            (done,) = consumers.done.get(body, [None])  # at most once
            last, process = max(begun)
            if done is None:  # it could not say so any more
                assert process in consumers.killed
            else:
                assert last < done


async def _publish(queue: Queue, body: Any) -> None:
    await queue.publish(body)


async def _receive(queue: Queue, *, visibility: float | None = None) -> Delivery:
    """Return the one message that is received, at once or soon."""
    async with asyncio.timeout(PATIENCE / 2):  # not only when the wait is over
        found = await queue.receive(wait=PATIENCE, visibility=visibility)
    assert len(found) == 1, f"{len(found)} messages instead of one"
    return found[0]


async def _receive_all(queue: Queue, number: int) -> list[Delivery]:
    found: list[Delivery] = []
    while len(found) < number:
        async with asyncio.timeout(PATIENCE / 2):
            got = await queue.receive(limit=number - len(found), wait=PATIENCE)
        assert got, f"{len(found)} messages instead of {number}"
        found += got
    return found


async def _kill(queue: Queue, deliveries: int) -> None:
    """Give back what comes, so many times."""
    for _ in range(deliveries):
        await queue.nack((await _receive(queue)).receipt)
    await queue.receive()  # some services look at what is dead only now


def _compare_with_model(
    queue: DeadLetterQueue,
    clock: Clock,
    groups: Sequence[str | None],
    examples: example_settings,
    counted: bool,  # noqa: FBT001 - it is data of the test
) -> None:
    with asyncio.Runner() as runner:

        class Machine(QueueMachine):
            counts_exactly = counted

            def __init__(self) -> None:
                super().__init__(queue, clock, runner, groups)

        run_state_machine_as_test(Machine, settings=examples)
