"""Processes of Claude Code: few at a time, none longer than it is of use."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pegboard.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from pegboard import Message

    from ._launch import Launch
    from ._session import Session


class Pool:
    """
    The sessions of one event loop.

    A session belongs to one conversation. Once it has answered, it waits for the next
    turn of that very conversation, under the very same launch, and for nothing else.
    """

    def __init__(
        self, make: Callable[[Launch], Session], *, most: int, idle: float
    ) -> None:
        """Have at most *most* sessions, which wait for *idle* seconds."""
        self._make = make
        self._idle_for = idle
        self._slots = asyncio.Semaphore(most)
        self._waiting = 0
        self._all: set[Session] = set()
        self._idle: dict[Session, asyncio.TimerHandle] = {}
        """Those that wait, the longest first, and what ends them."""
        self._endings: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @asynccontextmanager
    async def session(
        self, launch: Launch, messages: Sequence[Message]
    ) -> AsyncGenerator[Session, None]:
        """
        Lend a session that has heard nothing but the beginning of *messages*.

        Afterwards it waits if all went well, and is killed if anything did not.
        """
        session = self._take(launch, messages) or await self._new(launch)
        try:
            yield session
        except BaseException:
            await self._end(session)
            raise
        await self._keep(session)

    async def aclose(self) -> None:
        """Kill all sessions, also those at work."""
        self._is_closed = True
        for session in self._all:
            session.kill()
        for timer in self._idle.values():
            timer.cancel()
        for session in list(self._all):
            await self._end(session)
        await asyncio.gather(*self._endings)

    def _take(self, launch: Launch, messages: Sequence[Message]) -> Session | None:
        fitting = (
            session
            for session in self._idle
            if session.is_alive
            and session.launch == launch
            and session.can_continue(messages)
        )
        best = max(fitting, key=lambda one: len(one.heard), default=None)
        if best is not None:
            self._idle.pop(best).cancel()
        return best

    async def _new(self, launch: Launch) -> Session:
        await self._free_slot()
        if self._is_closed:
            self._slots.release()
            raise _closed()
        session = self._make(launch)
        self._all.add(session)
        try:
            await session.connect()
        except BaseException:
            await self._end(session)
            raise
        return session

    async def _free_slot(self) -> None:
        # Counted from the beginning, so that no session goes idle in the meantime.
        self._waiting += 1
        try:
            while self._slots.locked() and self._idle:
                await self._dismiss(next(iter(self._idle)))
            await self._slots.acquire()
        finally:
            self._waiting -= 1

    async def _keep(self, session: Session) -> None:
        useless = self._is_closed or not session.is_alive or not self._idle_for
        if useless or self._waiting:
            await self._end(session)
            return
        loop = asyncio.get_running_loop()
        self._idle[session] = loop.call_later(self._idle_for, self._expire, session)

    def _expire(self, session: Session) -> None:
        session.kill()
        ending = asyncio.ensure_future(self._dismiss(session))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def _dismiss(self, session: Session) -> None:
        timer = self._idle.pop(session, None)
        if timer is not None:
            timer.cancel()
            await self._end(session)

    async def _end(self, session: Session) -> None:
        # Killed first: who waits for the end may be cancelled.
        session.kill()
        if session not in self._all:
            return
        self._all.discard(session)
        try:
            await session.close()
        finally:
            self._slots.release()


def _closed() -> Unavailable:
    msg = "The board was closed while the call waited for its turn."
    return Unavailable(msg, retryable=False, request_sent="no")
