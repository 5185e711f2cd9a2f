"""Random calls to an EventLog, and beside them a model of a few lines."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from pegboard.errors import Overloaded

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine

    from pegboard.contracts.event_log import EventLog

T = TypeVar("T")
READERS = ("first", "second", None)
"""Those with a name are not to miss anything."""


class EventMachine(RuleBasedStateMachine):
    """Do the same to a log and to a list, and compare every answer."""

    keep: ClassVar[int] = 5
    bodies = count()

    def __init__(self, log: EventLog, runner: asyncio.Runner) -> None:
        super().__init__()
        self.log = log
        self.runner = runner
        self.all: list[tuple[str, int]] = []
        """All events of this machine."""
        self.read = dict.fromkeys(READERS, 0)
        """How many of them each reader has passed."""
        self.position = dict.fromkeys(READERS, self.end())
        self.known: dict[str | None, int] = {}
        """Of readers with a name, how many they have said that they have read."""

    @rule(topic=st.sampled_from(["a", "b"]))
    def publish(self, topic: str) -> None:
        """Add an event, if there is room."""
        body = next(self.bodies)
        oldest = max(0, len(self.all) - self.keep)
        is_full = len(self.all) >= self.keep and any(
            read <= oldest for read in self.known.values()
        )
        try:
            self.call(self.log.publish_event(topic, body))
        except Overloaded:
            assert is_full
        else:
            assert not is_full
            self.all.append((topic, body))

    @rule(
        reader=st.sampled_from(READERS),
        topic=st.sampled_from(["a", "b", "**"]),
        limit=st.integers(1, 4),
    )
    def read_on(self, reader: str | None, topic: str, limit: int) -> None:
        """Read what comes next."""
        page = self.call(
            self.log.read_events(
                [topic], after=self.position[reader], limit=limit, reader=reader
            )
        )
        oldest = max(0, len(self.all) - self.keep)
        start = max(self.read[reader], oldest)
        assert page.dropped == start - self.read[reader]
        later = list(enumerate(self.all))[start:]
        expected = [one for one in later if topic in {"**", one[1][0]}][:limit]
        found = [(event.topic, event.body) for event in page.events]
        assert found == [event for _, event in expected]
        if reader is not None:
            self.known[reader] = self.read[reader]
        whole = len(expected) < limit
        self.read[reader] = len(self.all) if whole else expected[-1][0] + 1
        self.position[reader] = page.position

    @rule(reader=st.sampled_from(READERS[:2]))
    def forget(self, reader: str) -> None:
        """Keep nothing more for a reader."""
        self.call(self.log.forget_reader(reader))
        self.known.pop(reader, None)

    def teardown(self) -> None:
        """Leave a log to the next machine that holds nobody up."""
        for reader in READERS[:2]:
            self.call(self.log.forget_reader(reader))
        for _ in range(self.keep):
            self.call(self.log.publish_event("a", next(self.bodies)))

    def end(self) -> str:
        """Return the position from which on events are of this machine."""
        return self.call(self.log.read_events()).position

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what comes of *work*."""
        return self.runner.run(work)
