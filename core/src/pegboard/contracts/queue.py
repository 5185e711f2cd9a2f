"""Queues of work: the contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .declare import contract, operation


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """What is to be put into a queue."""

    body: Any
    attributes: Mapping[str, str] | None = None
    delay: float = 0.0
    """Seconds until it may be received."""
    group: str | None = None
    """Messages of one group are received in order, one after the other."""


@dataclass(frozen=True, slots=True)
class Published:
    """What became of one of many messages: it has an *id*, or an *error*."""

    id: str | None = None
    error: str | None = None
    """Why it is not in the queue, in words."""
    retryable: bool = False
    """Whether it may be taken another time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message that was received, and is to be acknowledged."""

    id: str
    """That of the message, the same each time that it is delivered."""
    body: Any
    receipt: str
    """Names this delivery. Pass it on, never read it."""
    deliveries: int
    """How often it was delivered, this time included, since it was published."""
    published: float
    """When, in seconds since 1970."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How many messages a queue holds. Services may only know it roughly."""

    ready: int
    """Those that can be received, or wait for one of their group before them."""
    delayed: int
    """Those that can be received later."""
    in_flight: int
    """Those that were received and are neither acknowledged nor given back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that was delivered too often."""

    id: str
    body: Any
    deliveries: int
    published: float
    """When, in seconds since 1970."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """Some of the dead letters, the first to die first."""

    letters: tuple[DeadLetter, ...]
    cursor: str | None
    """Where to go on; None at the end."""


@contract(family="integrations", version=1, embedded="sqlite")
class Queue(Protocol):
    """
    Work that is handed over, and done at least once.

    A message that is received is hidden from others for its visibility, in seconds.
    Whoever is done acknowledges it, and it is gone for good. It comes again when its
    visibility is over before that, or when it is given back; so whoever dies with it
    loses nothing. Delivered as often as the instance's settings say, it becomes a dead
    letter instead.

    Bodies are whatever JSON can say, and copies. Up to 10 attributes are lines of text
    that are not empty, by names of up to 256 letters, digits, ``_``, ``-`` and ``.``.
    All of a message is up to 256 KiB; what is bigger belongs into blobs, and its key
    into the message. Without a group, the order is roughly that of publishing. Of a
    group, the next message is received when the one before it is acknowledged or
    dead, or behind it in one ``receive``. Where a service knows no groups, they are
    ``Unsupported``.
    """

    @operation(repeatable=False)
    async def publish(
        self,
        body: Any,
        *,
        attributes: Mapping[str, str] | None = None,
        delay: float = 0.0,
        group: str | None = None,
    ) -> str:
        """
        Put a message into the queue and return its id.

        Args:
            body: Anything that JSON can say.
            attributes: What is said of it beside its body.
            delay: Seconds until it may be received.
            group: Messages of one group are received one after the other, in order.

        Raises:
            InvalidRequest: It cannot be a message, or is too big.

        """
        ...

    @operation(repeatable=False)
    async def publish_many(self, messages: Sequence[NewMessage]) -> Sequence[Published]:
        """
        Put *messages* into the queue and return what became of each, in their order.

        Raises:
            InvalidRequest: One of them cannot be a message; none was put in.

        """
        ...

    @operation(repeatable=False, tool=False)
    async def receive(
        self, *, limit: int = 1, wait: float = 0.0, visibility: float | None = None
    ) -> Sequence[Delivery]:
        """
        Take up to *limit* messages, as soon as there is one.

        Args:
            limit: There may be fewer, also where the queue holds more.
            wait: Longest time, in seconds, to wait for the first one.
            visibility: Seconds for which others do not get them. None is that of the
                instance's settings.

        """
        ...

    @operation(repeatable=True, tool=False)
    async def ack(self, receipt: str) -> bool:
        """
        Remove a message for good; return whether it was still the receiver's.

        It is not when its visibility was over and it was delivered anew, or when it
        was acknowledged already. A service may only be able to say that it was asked.
        """
        ...

    @operation(repeatable=True, tool=False)
    async def nack(self, receipt: str, *, delay: float = 0.0) -> bool:
        """
        Give a message back; return whether it was still the receiver's.

        It may be received again after *delay* seconds.
        """
        ...

    @operation(repeatable=True, tool=False)
    async def extend(self, receipt: str, *, visibility: float | None = None) -> bool:
        """
        Keep a message for *visibility* seconds from now; return whether one had it.

        None is the visibility of the instance's settings.
        """
        ...

    @operation(repeatable=True)
    async def count(self) -> QueueCounts:
        """Return how many messages there are."""
        ...


@contract(family="integrations", version=1, embedded="sqlite")
class DeadLetterQueue(Queue, Protocol):
    """A queue whose dead letters can be looked at and put in again."""

    @operation(repeatable=True)
    async def list_dead_letters(
        self, *, limit: int = 100, cursor: str | None = None
    ) -> DeadLetterPage:
        """
        Return up to *limit* messages that were delivered too often.

        Pass the page's cursor to get the next one; one of None was the last.
        """
        ...

    @operation(repeatable=True, tool=False)
    async def redrive(self, ids: Sequence[str] | None = None) -> int:
        """
        Put dead letters back at the end of the queue; return how many.

        They keep their ids, and their deliveries are counted anew.

        Args:
            ids: Which ones. None is all that there are.

        """
        ...

    @operation(repeatable=True, tool=False)
    async def discard(self, ids: Sequence[str] | None = None) -> int:
        """
        Remove dead letters for good; return how many there were.

        Args:
            ids: Which ones. None is all that there are.

        """
        ...
