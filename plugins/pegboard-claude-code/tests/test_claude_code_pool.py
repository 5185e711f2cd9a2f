"""How many sessions there are, and how long: in virtual time, without processes."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from pegboard import Message
from pegboard.errors import Unavailable
from pegboard.testing.clock import run_virtual
from pegboard_claude_code._launch import Launch
from pegboard_claude_code._pool import Pool

A, B = (Launch((name,), Path("/"), ()) for name in "ab")
ONE, TWO = Message.of("user", "One"), Message.of("user", "Two")


class FakeSession:
    """A session that only remembers what was done to it."""

    def __init__(self, launch: Launch, *, fails: bool = False) -> None:
        self.launch = launch
        self.heard: tuple[Message, ...] = ()
        self.is_alive = True
        self.is_closed = False
        self._fails = fails

    async def connect(self) -> None:
        """Take a moment."""
        await asyncio.sleep(0.5)
        if self._fails:
            msg = "It does not start."
            raise Unavailable(msg)

    def can_continue(self, messages: Any) -> bool:
        """Compare, as a real one does."""
        return self.heard == tuple(messages[: len(self.heard)])

    def kill(self) -> None:
        """Die."""
        self.is_alive = False

    async def close(self) -> None:
        """Take a moment."""
        assert not self.is_alive, "It is killed before anybody waits for it."
        await asyncio.sleep(0.25)
        self.is_closed = True


class Made:
    """A pool and all its sessions."""

    def __init__(self, *, most: int = 2, idle: float = 60, fails: bool = False) -> None:
        self.sessions: list[FakeSession] = []
        self._fails = fails
        self.pool = Pool(self._make, most=most, idle=idle)

    def _make(self, launch: Launch) -> Any:
        self.sessions.append(FakeSession(launch, fails=self._fails))
        return self.sessions[-1]

    async def use(self, launch: Launch = A, *turns: Message, work: float = 0) -> Any:
        """Have a conversation of *turns*."""
        messages = turns or (ONE,)
        async with self.pool.session(launch, messages) as session:
            await asyncio.sleep(work)
            session.heard = messages
        return session

    @property
    def alive(self) -> int:
        """How many sessions live."""
        return sum(not session.is_closed for session in self.sessions)


def test_a_session_is_used_again():
    """For the same launch and the conversation that it knows."""

    async def main() -> None:
        made = Made()
        first = await made.use(A, ONE)
        assert await made.use(A, ONE, TWO) is first
        assert await made.use(A, TWO) is not first
        assert await made.use(B, ONE, TWO) is not first

    run_virtual(main())


def test_the_session_that_knows_most_is_used():
    """A longer beginning is better than a shorter one."""

    async def main() -> None:
        made = Made()
        await asyncio.gather(made.use(A, ONE), made.use(A, ONE, TWO))
        _, longer = made.sessions
        assert await made.use(A, ONE, TWO, ONE) is longer

    run_virtual(main())


def test_a_session_ends_after_its_idle_time():
    """Not before, and its place is free again."""

    async def main() -> None:
        made = Made(most=1, idle=10)
        await made.use()
        await asyncio.sleep(9)
        assert made.alive == 1
        await asyncio.sleep(2)
        assert made.alive == 0
        await made.use()

    run_virtual(main())


def test_use_begins_the_idle_time_anew():
    """A conversation that goes on keeps its session."""

    async def main() -> None:
        made = Made(idle=10)
        for _ in range(3):
            await made.use()
            await asyncio.sleep(8)
        assert len(made.sessions) == 1
        assert made.alive == 1

    run_virtual(main())


def test_there_are_never_more_than_the_cap():
    """Calls wait for a place, and each gets one."""

    async def main() -> None:
        made = Made(most=2)
        most = 0

        async def watch() -> None:
            nonlocal most
            async with made.pool.session(A, (ONE,)):
                await asyncio.sleep(1)
                most = max(most, made.alive)

        await asyncio.gather(*(watch() for _ in range(7)))
        assert most == 2
        assert made.alive <= 2

    run_virtual(main())


def test_an_idle_session_makes_room():
    """The one that waits the longest goes, at once."""

    async def main() -> None:
        made = Made(most=2)
        await made.use(A)
        await made.use(B)
        await made.use(A, TWO)
        assert [session.is_closed for session in made.sessions] == [True, False, False]

    run_virtual(main())


def test_who_waits_is_served_before_anything_is_kept():
    """A session does not go idle while somebody needs its place."""

    async def main() -> None:
        made = Made(most=1)
        async with asyncio.timeout(10):
            await asyncio.gather(made.use(A, work=1), made.use(B, work=1))

    run_virtual(main())


def test_who_gives_up_waiting_takes_no_place():
    """A cancelled call leaves the queue."""

    async def main() -> None:
        made = Made(most=1)
        async with made.pool.session(A, (ONE,)):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(made.use(B), 1)
        assert await made.use(A, ONE) is made.sessions[0]

    run_virtual(main())


def test_a_failed_session_is_not_used_again():
    """Whatever went wrong in it is gone with it."""

    async def main() -> None:
        made = Made(most=1)
        with pytest.raises(ZeroDivisionError):
            async with made.pool.session(A, (ONE,)):
                _ = 1 / 0
        assert made.alive == 0
        await made.use()
        assert len(made.sessions) == 2

    run_virtual(main())


def test_a_dead_session_is_not_used_again():
    """A process that has died in the meantime is no help."""

    async def main() -> None:
        made = Made(most=1)
        first = await made.use()
        first.kill()
        assert await made.use() is not first

    run_virtual(main())


def test_a_session_that_does_not_start_takes_no_place():
    """The next call may try."""

    async def main() -> None:
        made = Made(most=1, fails=True)
        for _ in range(3):
            with pytest.raises(Unavailable):
                await made.use()
        assert made.alive == 0

    run_virtual(main())


def test_cancelled_while_it_starts():
    """A session that nobody wants any more is killed and gives its place back."""

    async def main() -> None:
        made = Made(most=1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(made.use(), 0.1)
        assert made.alive == 0
        await made.use()

    run_virtual(main())


def test_closing_kills_all():
    """Idle, at work, starting or waited for: nothing is left, nothing comes after."""

    async def main() -> None:
        made = Made(most=2)
        await made.use(A)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(made.pool.session(B, (ONE,)))
            waiting = [asyncio.ensure_future(made.use(B, TWO)) for _ in range(2)]
            await asyncio.sleep(0.1)
            await made.pool.aclose()
            assert made.alive == 0
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert made.alive == 0
        assert any(isinstance(outcome, Unavailable) for outcome in outcomes)
        with pytest.raises(Unavailable, match="closed"):
            await made.use()

    run_virtual(main())
