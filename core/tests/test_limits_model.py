"""The limits against models of what they are meant to do, 10,000 steps each."""

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)
from pegboard._policy.limits import FASTER, SLOWER, SLOWEST, Bulkhead, Rate

STEPS = settings(max_examples=200, stateful_step_count=50, deadline=None)


class RateModel:
    """A bucket, told as its whole history, from which the present is worked out."""

    def __init__(self, per_minute):
        self.full, self.pace = per_minute, 1.0
        self.history = []

    def left(self):
        level, before = self.full, 0.0
        for now, pace, taken in self.history:
            level = min(self.full, level + (now - before) * self.full * pace / 60)
            level, before = min(self.full, level - taken), now
        return level

    def take(self, amount, now):
        self.history.append((now, self.pace, amount))
        return max(0.0, -self.left() * 60 / (self.full * self.pace))

    def give(self, amount):
        now = self.history[-1][0] if self.history else 0.0
        self.history.append((now, self.pace, -amount))


class RateMachine(RuleBasedStateMachine):
    """Takes and gives in any order, at any time, and compares."""

    @initialize(per_minute=st.sampled_from([1.0, 6.0, 60.0, 1000.0]))
    def begin(self, per_minute):
        self.now = 0.0
        self.rate, self.model = Rate(per_minute), RateModel(per_minute)
        assert self.rate.take(0, 0.0) == self.model.take(0, 0.0) == 0

    @rule(seconds=st.floats(0, 90))
    def wait(self, seconds):
        self.now += seconds

    @rule(share=st.sampled_from([0.1, 0.5, 1.0, 2.0]))
    def take(self, share):
        amount = share * self.model.full
        expected = self.model.take(amount, self.now)
        assert self.rate.take(amount, self.now) == pytest.approx(expected, abs=1e-6)

    @rule(share=st.sampled_from([-0.5, 0.1, 1.0]))
    def give(self, share):
        self.rate.give(share * self.model.full)
        self.model.give(share * self.model.full)

    @rule(is_throttled=st.booleans())
    def hear(self, *, is_throttled):
        if is_throttled:
            self.rate.slow_down()
            self.model.pace = max(SLOWEST, self.model.pace * SLOWER)
        else:
            self.rate.speed_up()
            self.model.pace = min(1.0, self.model.pace + FASTER)

    @invariant()
    def same_pace(self):
        if hasattr(self, "model"):
            assert self.rate.pace == self.model.pace


RateMachine.TestCase.settings = STEPS
TestRateIsItsModel = RateMachine.TestCase


class BulkheadMachine(RuleBasedStateMachine):
    """Visitors come, leave and are cancelled in any order; the model is a queue."""

    visitors = Bundle("visitors")

    @initialize(places=st.integers(1, 3))
    def begin(self, places):
        self.loop = asyncio.new_event_loop()
        self.bulkhead, self.places = Bulkhead(places), places
        self.inside, self.queue = [], []

    def teardown(self):
        if not hasattr(self, "loop"):
            return
        for task in [*self.queue]:
            task.cancel()
        self.settle()
        assert all(task.done() for task in [*self.queue, *self.inside])
        self.loop.close()

    def settle(self):
        """Let everything happen that can."""
        for _ in range(5):
            self.loop.run_until_complete(asyncio.sleep(0))

    def call_in(self):
        while self.queue and len(self.inside) < self.places:
            self.inside.append(self.queue.pop(0))

    @rule(target=visitors)
    def come(self):
        task = self.loop.create_task(self.bulkhead.enter())
        self.queue.append(task)
        self.call_in()
        self.settle()
        return task

    @rule(task=consumes(visitors))
    def go(self, task):
        if task in self.inside:
            self.inside.remove(task)
            self.bulkhead.leave()
        else:
            self.queue.remove(task)
            task.cancel()
        self.call_in()
        self.settle()

    @rule(task=consumes(visitors), other=consumes(visitors), is_called=st.booleans())
    def go_while_the_next_is_cancelled(self, task, other, *, is_called):
        """Give a place to somebody who is just giving up, maybe when called in."""
        if task is other or task not in self.inside or other not in self.queue:
            for one in {task, other}:
                self.go(one)
            return
        self.inside.remove(task)
        self.bulkhead.leave()
        self.queue.remove(other)
        if is_called:
            self.loop.call_soon(other.cancel)
        else:
            other.cancel()
        self.call_in()
        self.settle()

    @invariant()
    def same_people_inside(self):
        if hasattr(self, "bulkhead"):
            assert all(task.done() for task in self.inside)
            assert not any(task.done() for task in self.queue)
            assert self.bulkhead.waiting == len(self.queue)
            assert self.bulkhead._free == self.places - len(self.inside)


BulkheadMachine.TestCase.settings = STEPS
TestBulkheadIsItsModel = BulkheadMachine.TestCase


def test_what_is_given_back_is_not_saved_up():
    """A correction upwards, at a full bucket, does not pay for one downwards."""
    rate = Rate(60)
    rate.take(0, 0.0)

    rate.give(30)
    rate.give(-30)

    assert rate.take(60, 0.0) == 30
