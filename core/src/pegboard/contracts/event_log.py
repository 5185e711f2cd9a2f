"""Events that many may read: the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .declare import contract, operation

START, END = "start", "end"
"""The places before all events that are kept, and after all there are."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""

    topic: str
    body: Any
    position: str
    """Where it stands. Pass it on to read what came after it, never read it."""
    published: float
    """When, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some of the events, in order."""

    events: tuple[Event, ...]
    position: str
    """Where to go on."""
    dropped: int
    """How many had been dropped, of whatever topics, before they could be read."""


@contract(family="integrations", version=1, embedded="sqlite")
class EventLog(Protocol):
    """
    The latest events, for whoever wants to know them.

    An event has a topic, which is words of ``a-z``, ``A-Z``, ``0-9``, ``_`` and ``-``
    that are joined by dots, and a body, which is whatever JSON can say, up to 256 KiB.
    As many are kept as the instance's settings say; readers take nothing away. What
    happens when a reader has not yet read the oldest event, and it must make room, is a
    setting, too: it is dropped, which its reader is told, or whoever publishes waits,
    or gets an error.
    """

    @operation(repeatable=False)
    async def publish_event(self, topic: str, body: Any) -> str:
        """
        Add an event, and return its position.

        Args:
            topic: What it is about, such as "orders.paid".
            body: Anything that JSON can say.

        Raises:
            InvalidRequest: It cannot be an event, or is too big.
            Overloaded: Readers are too far behind, and the settings forbid to drop.

        """
        ...

    @operation(repeatable=True)
    async def read_events(
        self,
        topics: Sequence[str] = ("**",),
        *,
        after: str = END,
        limit: int = 100,
        wait: float = 0.0,
        reader: str | None = None,
    ) -> EventPage:
        """
        Return up to *limit* events, as soon as there is one.

        Args:
            topics: Which ones; "*" stands for a word, one "**" for any number of them.
            after: The position of the last one that was read; "start" for all that
                are kept, "end" for what comes from now on. One that the log has not
                yet got to is of a log that was lost: then it is "start".
            limit: There may be fewer, also where there are more.
            wait: Longest time, in seconds, to wait for the first one.
            reader: A name of one's own. What *after* says is then known as read by
                it; what is not is kept for it, where the settings forbid to drop.

        """
        ...

    @operation(repeatable=True, tool=False)
    async def forget_reader(self, reader: str) -> None:
        """Keep nothing any more for *reader*."""
        ...
