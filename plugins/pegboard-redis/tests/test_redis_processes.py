from __future__ import annotations

import json
import random
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pegboard.testing.histories import RegisterCall, is_linearizable

WORKER = Path(__file__).with_name("redis_worker.py")
PROCESSES = 4
TASKS, TURNS = 8, 25


class Worker:
    """A process that runs a function of redis_worker.py."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, line="go"):
        """Send a line to it."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def hear(self):
        """Return the next thing it says, or None if it has ended."""
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def kill(self):
        """Kill it as nothing can prevent, and return what it had still said."""
        self.process.kill()
        said = list(iter(self.hear, None))
        self.process.wait()
        return said


@contextmanager
def worker(*arguments):
    """Start a worker; leave none behind."""
    started = Worker(*arguments)
    try:
        yield started
    finally:
        started.process.kill()
        with started.process:
            pass


@pytest.mark.parametrize("kind", ["valkey", "redis"])
async def test_processes_lose_no_update(make_store, request, kind):
    """8 tasks in each of 4 processes, comparing and setting: the sum is exact."""
    url = f"{request.getfixturevalue(f'shared_{kind}').url}/9"
    store = make_store(url, prefix="shared:")
    await store.set("key", 0)
    with ExitStack() as stack:
        workers = [
            stack.enter_context(worker("count_by_version", url, TURNS))
            for _ in range(PROCESSES)
        ]
        for each in workers:
            each.tell()
        for each in workers:
            assert each.hear() is None
            assert each.process.wait() == 0

    assert await store.get("key") == PROCESSES * TASKS * TURNS


def test_histories_are_linearizable_though_processes_are_killed(server):
    """Whatever concurrent processes saw, a single register could have answered."""
    chance = random.Random(20)  # noqa: S311 - no secret
    number = unanswered = 0
    with ExitStack() as stack:
        workers = [start_user(stack, server.url, name) for name in range(PROCESSES)]
        while number < 150 or not unanswered:  # until one was killed in the middle
            number += 1
            victim = chance.randrange(PROCESSES) if number % 6 == 0 else None
            calls = play_round(workers, f"key{number}", chance, victim)
            if victim is not None:
                workers[victim] = start_user(stack, server.url, victim)
            unanswered += sum(not call.answered for call in calls)
            assert len(calls) <= 3 * PROCESSES
            assert is_linearizable(calls), calls


def start_user(stack, url, name):
    """Start a worker that waits for rounds to play."""
    started = stack.enter_context(worker("use_registers", url, name))
    started.tell()
    assert started.hear() == ["ready"]
    return started


def play_round(workers, key, chance, victim):
    """Let all workers call the register *key*; return their calls."""
    for each in workers:
        each.tell(f"{key} {chance.random()}")
    calls = []
    for name, each in enumerate(workers):
        if name == victim:
            said = [each.hear() for _ in range(chance.randint(0, 5))] + each.kill()
        else:
            said = list(iter(each.hear, ["done"]))
        calls += register_calls(said)
    return calls


def register_calls(said):
    """Return the calls that a worker began and, if it could, ended."""
    said = [words for words in said if words != ["done"]]
    answers = [*said[1::2], None]
    return [
        register_call(*begun, answer)
        for begun, answer in zip(said[::2], answers, strict=False)
    ]


def register_call(kind, expected, value, began, answer):
    """Return one call; *answer* is None if the worker was killed before."""
    result, ended = answer or (None, float("inf"))
    return RegisterCall(
        kind=kind,
        expected=expected,
        value=result if kind == "read" else value,
        swapped=result is True,
        began=began,
        ended=ended,
    )
