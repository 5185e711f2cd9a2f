"""
Processes that work on a queue, and are killed while they do.

Run as a program, it is one of them: it says what it begins and what is acknowledged,
with the time, line by line.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pegboard import Pegboard, Queue, Worker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pegboard import Delivery

    Settings = Mapping[str, Any]

VISIBILITY = 1.0
PROCESSES, TASKS = 3, 4
PATIENCE = 120.0
"""Seconds that only pass where something is wrong."""


@dataclass
class Consumers:
    """Keeps processes at work, and what they said."""

    settings: Settings
    begun: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """By the body of a message, when it was begun, and by which process."""
    done: dict[int, list[int]] = field(default_factory=dict)
    """By the body of a message, when it was acknowledged."""
    killed: set[int] = field(default_factory=set)
    _said: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def work(self, queue: Queue, kills: Sequence[int]) -> None:
        """
        Have processes work until *queue* is empty.

        One is killed, and another one started, whenever so many messages were done as
        the next one of *kills* says.
        """
        readers: dict[asyncio.Task[None], asyncio.subprocess.Process] = {}
        try:
            for _ in range(PROCESSES):
                await self._start(readers)
            for number in kills:
                await self._until_done(number)
                victim = next(iter(readers))
                self.killed.add(readers[victim].pid)
                await self._kill(readers, victim)
                await self._start(readers)
            while sum(_numbers(await queue.count())):  # noqa: ASYNC110 - others do it
                await asyncio.sleep(VISIBILITY / 10)
            await self._dismiss(readers)
        finally:
            for reader in list(readers):
                await self._kill(readers, reader)

    async def _until_done(self, number: int) -> None:
        async with self._said:
            await self._said.wait_for(lambda: len(self.done) >= number)

    async def _start(self, readers: dict[Any, asyncio.subprocess.Process]) -> None:
        seed = str(len(self.killed) + len(readers))
        command = ("-m", "pegboard.testing._consumers", json.dumps(self.settings), seed)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        readers[asyncio.create_task(self._read(process))] = process

    async def _kill(
        self, readers: dict[Any, asyncio.subprocess.Process], reader: asyncio.Task[None]
    ) -> None:
        process = readers.pop(reader)
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reader  # all that it had still said

    async def _dismiss(self, readers: dict[Any, asyncio.subprocess.Process]) -> None:
        """Have all end by themselves, and well."""
        for process in readers.values():
            assert process.stdin
            process.stdin.close()
        await asyncio.gather(*readers)
        ends = [await process.wait() for process in readers.values()]
        assert set(ends) == {0}

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        async for line in process.stdout:
            what, body, when = json.loads(line)
            if what == "begun":
                self.begun.setdefault(body, []).append((when, process.pid))
            else:
                self.done.setdefault(body, []).append(when)
            async with self._said:
                self._said.notify_all()


def _numbers(counts: Any) -> tuple[int, ...]:
    return counts.ready, counts.delayed, counts.in_flight


def say(what: str, body: object) -> None:
    """Print a line that nothing can tear or hold back."""
    os.write(1, f"{json.dumps([what, body, time.monotonic_ns()])}\n".encode())


class Telling:
    """A queue that tells what was acknowledged."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._bodies: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    async def receive(self, **options: Any) -> Sequence[Delivery]:
        """Remember what each receipt stands for."""
        found = await self._queue.receive(**options)
        self._bodies |= {one.receipt: one.body for one in found}
        return found

    async def ack(self, receipt: str) -> bool:
        """Tell it."""
        had = await self._queue.ack(receipt)
        if had:
            say("done", self._bodies[receipt])
        return had


async def consume(settings: Settings, seed: str) -> None:
    """Work until the input ends: fail now and then, be slow now and then."""
    chance = random.Random(seed)  # noqa: S311 - no secret

    async def handle(delivery: Delivery) -> None:
        say("begun", delivery.body)
        await asyncio.sleep(chance.choice([0, 0, 0.001, 0.02]))
        if chance.randrange(10) == 0:
            raise ValueError

    async with Pegboard.isolated({"integrations": {"q": settings}}) as board:
        queue: Any = Telling(board.integration("q", Queue))
        worker = Worker(
            queue, handle, concurrency=TASKS, visibility=VISIBILITY, backoff=0.0
        )
        # What waits for the end of the input is a thread, which a kill takes along.
        watching = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        watching.add_done_callback(lambda _: worker.stop())
        await worker.run()


if __name__ == "__main__":
    asyncio.run(consume(json.loads(sys.argv[1]), sys.argv[2]))
