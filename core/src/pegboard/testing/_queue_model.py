"""Random calls to a Queue, and beside them a model of a few lines."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pegboard.contracts.queue import NewMessage

from .clock import ManualClock

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine, Sequence

    from pegboard.contracts.queue import Delivery, Queue

    from .clock import RealClock

T = TypeVar("T")
HIDDEN = 100.0
"""Seconds of visibility: only a clock that is moved by hand gets there."""


@dataclass(slots=True)
class Kept:
    """What the model knows of a message that is not done."""

    body: int
    group: str | None
    due: float
    deliveries: int = 0
    receipt: str | None = None
    """That of whoever has it."""


class QueueMachine(RuleBasedStateMachine):
    """Do the same to a queue and to a dict, and compare every answer."""

    max_deliveries: ClassVar[int] = 2
    counts_exactly: ClassVar[bool] = True
    bodies = count()

    def __init__(
        self,
        queue: Queue,
        clock: ManualClock | RealClock,
        runner: asyncio.Runner,
        groups: Sequence[str | None],
    ) -> None:
        super().__init__()
        self.queue = queue
        self.clock = clock
        self.runner = runner
        self.groups = groups
        self.model: dict[str, Kept] = {}
        self.old: list[str] = []

    @rule(
        groups=st.lists(st.integers(0, 5), min_size=1, max_size=3), late=st.booleans()
    )
    def publish(self, groups: list[int], late: bool) -> None:  # noqa: FBT001 - as drawn
        """Put messages in."""
        delay = 10.0 if late and self.moves else 0.0
        messages = [
            NewMessage(
                body=next(self.bodies),
                group=self.groups[number % len(self.groups)],
                delay=delay,
            )
            for number in groups
        ]
        results = self.call(self.queue.publish_many(messages))
        for one, message in zip(results, messages, strict=True):
            assert one.id is not None
            assert one.id not in self.model
            due = self.clock() + delay
            self.model[one.id] = Kept(message.body, message.group, due)

    @rule(limit=st.integers(1, 4))
    def receive(self, limit: int) -> None:
        """Take what is there: nothing else, and something if there is something."""
        ready = [name for name in self.model if self.is_first(name, set())]
        received = self.call(self.queue.receive(limit=limit, visibility=HIDDEN))
        assert len(received) <= limit
        assert bool(received) == bool(ready), (received, ready)
        taken: set[str] = set()
        for one in received:
            assert self.is_first(one.id, taken)
            taken.add(one.id)
            self.deliver(one)

    @precondition(lambda self: self.had())
    @rule(chance=st.randoms(use_true_random=False))
    def ack(self, chance: Any) -> None:
        """Finish one that someone has."""
        name = chance.choice(self.had())
        assert self.call(self.queue.ack(self.receipt(name))) is True
        self.old.append(self.receipt(name))
        del self.model[name]

    @precondition(lambda self: self.had())
    @rule(chance=st.randoms(use_true_random=False), delay=st.sampled_from([0, 10.0]))
    def nack(self, chance: Any, delay: float) -> None:
        """Give one back."""
        delay = delay if self.moves else 0
        name = chance.choice(self.had())
        assert self.call(self.queue.nack(self.receipt(name), delay=delay)) is True
        kept = self.model[name]
        self.old.append(self.receipt(name))
        kept.receipt, kept.due = None, self.clock() + delay
        if kept.deliveries >= self.max_deliveries:
            del self.model[name]

    @precondition(lambda self: self.had())
    @rule(chance=st.randoms(use_true_random=False), seconds=st.sampled_from([20, 300]))
    def extend(self, chance: Any, seconds: float) -> None:
        """Keep one for longer, or less long."""
        seconds = seconds if self.moves else HIDDEN
        name = chance.choice(self.had())
        receipt = self.receipt(name)
        assert self.call(self.queue.extend(receipt, visibility=seconds)) is True
        self.model[name].due = self.clock() + seconds

    @precondition(lambda self: self.old)
    @rule(chance=st.randoms(use_true_random=False), what=st.sampled_from(range(3)))
    def use_old_receipt(self, chance: Any, what: int) -> None:
        """Nothing comes of a receipt whose delivery is over."""
        calls = (self.queue.ack, self.queue.nack, self.queue.extend)
        assert self.call(calls[what](chance.choice(self.old))) is False

    @precondition(lambda self: self.moves)
    @rule(seconds=st.sampled_from([9.5, 10.0, 100.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass; what was delivered too often dies of it."""
        assert isinstance(self.clock, ManualClock)
        self.clock.advance(seconds)
        for name, kept in list(self.model.items()):
            if kept.receipt and kept.due <= self.clock() and self.is_spent(kept):
                del self.model[name]

    @invariant()
    def counts_agree(self) -> None:
        """Count what there is."""
        if not self.counts_exactly:
            return
        now = self.clock()
        late = [kept for kept in self.model.values() if kept.due > now]
        had = len([kept for kept in late if kept.receipt])
        found = self.call(self.queue.count())
        expected = (len(self.model) - len(late), len(late) - had, had)
        assert (found.ready, found.delayed, found.in_flight) == expected

    def teardown(self) -> None:
        """Leave an empty queue to the next machine."""
        if isinstance(self.clock, ManualClock):
            self.clock.advance(1000)
        for kept in self.model.values():
            if kept.receipt:
                self.call(self.queue.ack(kept.receipt))
        while received := self.call(self.queue.receive(limit=10)):
            for one in received:
                self.call(self.queue.ack(one.receipt))

    @property
    def moves(self) -> bool:
        """Whether time can be moved."""
        return isinstance(self.clock, ManualClock)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what comes of *work*."""
        return self.runner.run(work)

    def is_first(self, name: str, taken: set[str]) -> bool:
        """Tell whether a message may be received, behind those that were *taken*."""
        kept = self.model[name]
        if kept.due > self.clock() or self.is_spent(kept) or name in taken:
            return False
        earlier = (n for n, k in self.model.items() if k.body < kept.body)
        return kept.group is None or all(
            self.model[n].group != kept.group or n in taken for n in earlier
        )

    def is_spent(self, kept: Kept) -> bool:
        """Tell whether it was delivered as often as it may be."""
        return kept.deliveries >= self.max_deliveries

    def deliver(self, one: Delivery) -> None:
        """Note that someone has it now, and compare what it says."""
        kept = self.model[one.id]
        if kept.receipt:
            self.old.append(kept.receipt)
        kept.deliveries += 1
        kept.receipt, kept.due = one.receipt, self.clock() + HIDDEN
        said = (one.body, one.group, one.deliveries)
        assert said == (kept.body, kept.group, kept.deliveries)
        assert one.receipt not in self.old

    def had(self) -> list[str]:
        """Return the messages that someone has."""
        return [name for name, kept in self.model.items() if kept.receipt]

    def receipt(self, name: str) -> str:
        """Return the receipt of a message that someone has."""
        receipt = self.model[name].receipt
        assert receipt
        return receipt
