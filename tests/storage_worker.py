"""
Use a storage in a process of its own: ``storage_worker.py FUNCTION SETTINGS ...``.

Run by test_storage.py. What is done is said line by line, at once, since it may be
killed at any moment.
"""

import asyncio
import json
import os
import sys
from typing import Annotated

from pegboard import (
    Cache,
    Conversations,
    Documents,
    Index,
    JsonDatabase,
    Key,
    Locks,
    Message,
    Pegboard,
    Sessions,
)
from pydantic import BaseModel


class Execution(BaseModel):
    """How far a run has come."""

    name: Annotated[str, Key()]
    state: Annotated[str, Index()] = "running"
    done: list[int] = []


def say(*words):
    """Print a line that nothing can tear or hold back."""
    os.write(1, f"{json.dumps(words)}\n".encode())


async def hold(board, ttl):
    """Hold a lock until killed."""
    lease = await board.storage("kit", Locks).acquire("a", ttl=float(ttl))
    say(lease.token)
    await asyncio.Event().wait()


async def change_session(board, name, turns):
    """Change a session, each change by itself, and in parts under a lock."""
    sessions = board.storage("kit", Sessions)
    locks = board.storage("kit", Locks)
    for turn in range(int(turns)):
        await sessions.update("user", {f"{name}.{turn}": turn})
        async with locks.hold("session user", wait=300):
            count = (await sessions.get("user"))["count"]
            await sessions.update("user", {"count": count + 1})


async def talk(board, name, turns):
    """Say things in a conversation."""
    conversations = board.storage("kit", Conversations)
    for turn in range(int(turns)):
        said = f"{name} {turn}"
        pair = (Message.of("user", said), Message.of("assistant", said))
        await conversations.append("chat", *pair)


async def append(board, name, turns):
    """Append to a list, and set a value by path."""
    notes = board.storage("kit", JsonDatabase)
    for turn in range(int(turns)):
        await notes.append("log", f"{name} {turn}", "lines")
        await notes.update("log", {f"{name} {turn}": turn}, "turns")


async def share(board, name, turns):
    """Do all of that at once."""
    uses = (change_session, talk, append)
    await asyncio.gather(*(use(board, name, turns) for use in uses))


async def run_steps(board, steps):
    """Go on with a run where it stopped: each step is noted when it is done."""
    runs = board.storage("kit", Documents[Execution])
    found = await runs.get_entry("run")
    run = found.value if found else Execution(name="run")
    version = found and found.version
    cache = board.storage("kit", Cache)
    for step in range(len(run.done), int(steps)):
        plan = await cache.get_or_make("plan", make_plan)
        run.done.append(plan[step])
        run.state = "done" if len(run.done) == int(steps) else "running"
        version = await runs.put(run, if_version=version, if_absent=version is None)
        say(step)
        sys.stdin.readline()


async def make_plan():
    """Return what a run is to do."""
    say("plan")
    return [*range(100, 200)]


async def main(function, settings, *arguments):
    """Call *function* with a board."""
    section = {"storage": {"kit": json.loads(settings)}}
    async with Pegboard.isolated(section) as board:
        await globals()[function](board, *arguments)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
