"""Publish events and subscribe to them, over any log of events."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any, Self

from pegboard._log import logger_of
from pegboard.contracts.declare import built_on
from pegboard.contracts.event_log import END, Event, EventLog, EventPage
from pegboard.contracts.key_value import new_version
from pegboard.errors import CallError, InvalidRequest

PAGE = 100
"""Most events that a subscription holds."""
LONGEST_WAIT = 20.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between attempts while the log cannot be reached."""


class Subscription:
    """
    Events as they happen: loop over it, in its ``async with`` block.

    It holds no more than a page of them; the others wait in the log. While the log
    cannot be reached, the loop waits, and goes on where it was.
    """

    def __init__(
        self,
        log: EventLog,
        topics: tuple[str, ...],
        *,
        after: str,
        where: Callable[[Event], bool] | None,
    ) -> None:
        self.position = after
        """Where it is: pass it as *after* to go on there another time."""
        self.dropped = 0
        """How many events had been dropped, of any topic, before they could be read."""
        self._log = log
        self._topics = topics or ("**",)
        self._where = where
        self._reader = new_version()
        self._page: EventPage | None = None
        self._unread: deque[Event] = deque()

    async def __aenter__(self) -> Self:
        await self._read(0.0)
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._page = None
        self._unread.clear()
        with suppress(CallError):  # then it is forgotten after a while
            await self._log.forget_reader(self._reader)

    def __aiter__(self) -> AsyncGenerator[Event, None]:  # noqa: PYI058 - to be closed
        return self._events()

    async def next(self, wait: float = 0.0) -> Event | None:
        """
        Return the next event, or None if there is none for *wait* seconds.

        Raises:
            CallError: The log cannot be reached.

        """
        time = asyncio.get_running_loop().time
        ends = time() + wait
        while (event := self._take()) is None:
            left = ends - time()
            await self._read(max(0.0, min(left, LONGEST_WAIT)))
            if left <= 0 and not self._unread:
                return None
        return event

    async def server_sent(
        self, *, heartbeat: float = 15.0
    ) -> AsyncGenerator[str, None]:
        """
        Yield the events as a browser's ``EventSource`` reads them.

        An event's id is its position, which comes back as ``Last-Event-ID``. Dropped
        ones are told by an event ``!dropped``. What a proxy must not take for silence
        is a comment every *heartbeat* seconds.
        """
        told = self.dropped
        while True:
            event = await self.next(heartbeat)
            if self.dropped > told:
                yield f"event: !dropped\ndata: {self.dropped - told}\n\n"
                told = self.dropped
            yield ": nothing new\n\n" if event is None else _sent(event)

    async def _events(self) -> AsyncGenerator[Event, None]:
        pause = SHORTEST_PAUSE
        while True:
            try:
                event = await self.next(LONGEST_WAIT)
            except CallError as error:
                if not error.retryable:
                    raise
                logger_of("event bus").warning("No events can be read: {}", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            pause = SHORTEST_PAUSE
            if event is not None:
                yield event

    def _take(self) -> Event | None:
        """Return the next event of the page that is wanted."""
        if self._page is None:
            msg = "Subscribe in a block: async with bus.subscribe() as events."
            raise InvalidRequest(msg, request_sent="no")
        while self._unread:
            event = self._unread.popleft()
            self.position = event.position if self._unread else self._page.position
            if self._where is None or self._where(event):
                return event
        return None

    async def _read(self, wait: float) -> None:
        page = await self._log.read_events(
            self._topics,
            after=self.position,
            limit=PAGE,
            wait=wait,
            reader=self._reader,
        )
        self.dropped += page.dropped
        self._page = page
        self._unread.extend(page.events)
        if not page.events:
            self.position = page.position


@built_on(EventLog)
class EventBus:
    """
    Events for whoever wants to know them: ``board.integration("news", EventBus)``.

    Topics are words that are joined by dots.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def publish(self, topic: str, body: Any) -> str:
        """
        Add an event, and return its position.

        Raises:
            InvalidRequest: It cannot be an event, or is too big.
            Overloaded: Subscribers are too far behind, and the settings forbid to drop.

        """
        return await self._log.publish_event(topic, body)

    def subscribe(
        self,
        *topics: str,
        after: str = END,
        where: Callable[[Event], bool] | None = None,
    ) -> Subscription:
        """
        Return the events of *topics*, to be used in an ``async with`` block.

        Args:
            topics: ``*`` stands for one word, one ``**`` for any number of them. None
                are all.
            after: ``end`` for what comes from now on, ``start`` for all that is kept,
                or the position of the last one that was read.
            where: Tells which events are wanted.

        """
        return Subscription(self._log, topics, after=after, where=where)


def _sent(event: Event) -> str:
    body = json.dumps(event.body)  # in one line, as it must be
    return f"id: {event.position}\nevent: {event.topic}\ndata: {body}\n\n"
