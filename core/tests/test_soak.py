"""A virtual hour of everything at once: what is held in the end, and in the middle."""

import asyncio
import gc
import random
import tracemalloc
from contextlib import suppress

import pytest
from pegboard import (
    Finished,
    KeyValue,
    LLMProvider,
    Options,
    Pegboard,
    Reply,
    Text,
    TextDelta,
    Usage,
    errors,
    hookimpl,
)
from pegboard.testing.clock import run_virtual
from pegboard.testing.leaks import open_files

HOUR = 3600.0
WORKERS = 10
SMALLEST_OBJECT = 16
"""Bytes. If one in two calls left the least that there is, memory would not be flat."""
FAULTS = (
    errors.Unavailable,
    errors.RateLimited,
    errors.ConnectionFailed,
    errors.InvalidReply,
    errors.Authentication,
)
SETTINGS = {
    "llm": {
        "default": {
            "provider": "moody",
            "policy": {
                "deadline": 20,
                "attempt_timeout": 8,
                "idle_timeout": 4,
                "concurrency": 8,
                "requests_per_minute": 600,
                "tokens_per_minute": 100_000,
            },
        }
    },
    "storage": {"notes": {"provider": "memory", "external": True}},
}


class Moody:
    """Offers a model that answers, fails, hangs or breaks off, by chance."""

    def __init__(self, chance):
        self.chance = chance

    @hookimpl
    def pegboard_llm_providers(self):
        """Return what is on offer."""
        return [
            LLMProvider(
                name="moody",
                factory=lambda _options, _context: self,
                options=Options,
                contracts={"ChatModel": 1, "StreamingChat": 1},
            )
        ]

    async def complete(self, _request):
        """Answer with a few words."""
        await self._suffer()
        usage = Usage(input=9, output=3)
        words = (Text("one two three"),)
        return Reply(parts=words, finish_reason="stop", usage=usage, model="moody")

    async def stream(self, _request):
        """Answer in pieces, any of which may be the last."""
        for word in ("one ", "two ", "three"):
            await self._suffer()
            yield TextDelta(word)
        yield Finished(
            finish_reason="stop", model="moody", usage=Usage(input=9, output=3)
        )

    async def _suffer(self):
        mood = self.chance.random()
        await asyncio.sleep(99 if mood < 0.02 else self.chance.uniform(0, 1))
        if mood > 0.9:
            msg = "moody"
            raise self.chance.choice(FAULTS)(msg)


class User:
    """Does one thing after the other, and takes failures as they come."""

    def __init__(self, board, chance):
        self.llm = board.llm()
        self.notes = board.storage("notes", KeyValue)
        self.chance = chance
        self.done = 0

    async def work(self, until):
        """Go on until the virtual time is *until*."""
        deeds = (self.ask, self.listen, self.leave, self.give_up, self.remember)
        while asyncio.get_running_loop().time() < until:
            with suppress(errors.CallError):
                await self.chance.choice(deeds)()
            self.done += 1
            await asyncio.sleep(self.chance.uniform(0, 3))

    async def ask(self):
        """Wait for a whole reply."""
        await self.llm.complete("What?")

    async def listen(self):
        """Read a stream to its end."""
        async with self.llm.stream("What?") as stream:
            async for _ in stream:
                pass

    async def leave(self):
        """Read the first piece of a stream."""
        async with self.llm.stream("What?") as stream:
            async for _ in stream:
                break

    async def give_up(self):
        """Cancel a call after a while."""
        async with asyncio.timeout(self.chance.uniform(0, 1)) as limit:
            try:
                await self.llm.complete("What?")
            except asyncio.CancelledError:
                assert limit.expired()

    async def remember(self):
        """Write, count and read."""
        key = f"note/{self.chance.randrange(100)}"
        await self.notes.set(key, {"text": "x" * 100}, ttl=60)
        await self.notes.incr("count")
        await self.notes.get(key)


def held():
    """Return the bytes, the tasks and the files that are held now."""
    gc.collect()
    tasks = [task for task in asyncio.all_tasks() if not task.done()]
    return tracemalloc.get_traced_memory()[0], len(tasks), len(open_files())


async def soak():
    """Return what is held after half an hour and after a whole one, and the work."""
    chance = random.Random(1)  # noqa: S311 - no secret depends on it
    async with Pegboard.isolated(SETTINGS, plugins=[Moody(chance)]) as board:
        users = [User(board, chance) for _ in range(WORKERS)]
        seen = []
        for end in (HOUR / 2, HOUR):
            await asyncio.gather(*(user.work(end) for user in users))
            seen.append(held())
        return *seen, sum(user.done for user in users), board.stats()["llm.default"]


@pytest.fixture
def traced():
    """Count the memory that is allocated meanwhile."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
def test_an_hour_of_load_leaves_nothing_behind():
    """Memory, tasks and files are the same in the middle and at the end."""
    middle, end, deeds, stats = run_virtual(soak())

    assert deeds > 10_000
    assert min(stats.succeeded, stats.failed, stats.cancelled, stats.retries) > 100
    assert end[0] - middle[0] < deeds / 2 * SMALLEST_OBJECT / 2
    assert end[1:] == middle[1:]
    assert end[1] == 1
