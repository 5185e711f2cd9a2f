from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from pegboard import Context
from pegboard.builtin.sqlite import SqliteKeyValue, SqliteOptions
from pegboard.testing.histories import RegisterCall, is_linearizable

WORKER = Path(__file__).with_name("sqlite_worker.py")
PROCESSES = 4
VALUE_LENGTH = 500


class Worker:
    """A process that runs a function of sqlite_worker.py."""

    def __init__(self, function, *arguments):
        command = [sys.executable, str(WORKER), function, *map(str, arguments)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
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
        return self.end()

    def finish(self):
        """Wait for its end, which must be a good one; return what it said."""
        said = self.end()
        assert (self.process.returncode, self.complaints) == (0, "")
        return said

    def end(self):
        """Return all that it says until its end."""
        said = list(iter(self.hear, None))
        self.complaints = self.process.stderr.read()
        self.process.wait()
        return said

    def close(self):
        """Leave nothing of it behind."""
        self.process.kill()
        with self.process:
            pass


@contextmanager
def worker(function, *arguments):
    """Start a worker; leave none behind."""
    started = Worker(function, *arguments)
    try:
        yield started
    finally:
        started.close()


def run_together(function, *arguments):
    """Let several workers do the same at the same time."""
    with ExitStack() as stack:
        workers = [
            stack.enter_context(worker(function, *arguments)) for _ in range(PROCESSES)
        ]
        for each in workers:
            each.tell()
        for each in workers:
            each.finish()


@pytest.fixture
def path(tmp_path):
    """Return where the file is."""
    return tmp_path / "kit.sqlite"


@pytest.fixture
async def store(path, tmp_path):
    """Return a store on the same file as the workers'."""
    store = SqliteKeyValue(SqliteOptions(path=path), Context("storage.kit", tmp_path))
    yield store
    await store.aclose()


async def test_processes_lose_no_update(store, path):
    """8 tasks in each of 4 processes, comparing and setting: the sum is exact."""
    await store.set("key", 0)
    run_together("count_by_version", path, 25)

    assert await store.get("key") == PROCESSES * 8 * 25


async def test_processes_may_make_a_file_at_once(tmp_path):
    """Whoever comes first makes the tables, and nobody fails for it."""
    run_together("open_new_files", tmp_path, 25)

    for number in range(25):
        with closing(sqlite3.connect(tmp_path / f"{number}.sqlite")) as connection:
            (value,) = connection.execute("SELECT value FROM key_value").fetchone()
        assert value == str(PROCESSES)


def test_histories_are_linearizable_though_processes_are_killed(path):
    """Whatever concurrent processes saw, a single register could have answered."""
    chance = random.Random(20)  # noqa: S311 - no secret
    number = unanswered = 0
    with ExitStack() as stack:
        workers = [start_register_user(stack, path, name) for name in range(PROCESSES)]
        while number < 150 or not unanswered:  # until one was killed in the middle
            number += 1
            victim = chance.randrange(PROCESSES) if number % 6 == 0 else None
            calls = play_round(workers, f"key{number}", chance, victim)
            if victim is not None:
                workers[victim] = start_register_user(stack, path, victim)
            unanswered += sum(not call.answered for call in calls)
            assert len(calls) <= 3 * PROCESSES
            assert is_linearizable(calls), calls


def start_register_user(stack, path, name):
    """Start a worker that waits for rounds to play."""
    started = stack.enter_context(worker("use_registers", path, name))
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


async def test_full_disk_loses_nothing_and_tears_nothing(store, path):
    """A write that fails half-way is an error, and all before it is kept."""
    with worker("write_until_the_disk_is_full", path, 300_000) as writer:
        writer.tell()
        *acknowledged, (failure,) = writer.finish()

    assert failure == "Unavailable"
    assert len(acknowledged) > 10
    for (number,) in acknowledged:
        assert await store.get(f"key{number}", number) == [number] * VALUE_LENGTH
    assert not await store.exists(f"key{len(acknowledged)}")
    assert await store.set("key", "new")
