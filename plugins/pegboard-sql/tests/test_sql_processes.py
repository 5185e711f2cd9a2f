from __future__ import annotations

import itertools
import json
import math
import random
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from pegboard import KeyValue
from pegboard.testing.histories import RegisterCall, is_linearizable

WORKER = Path(__file__).with_name("sql_worker.py")
PROCESSES = 4
SUM = PROCESSES * 8 * 6


def start(stack, function, settings):
    """Start a worker; leave none behind."""
    process = subprocess.Popen(
        [sys.executable, str(WORKER), function, json.dumps(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.callback(end, process)
    return process


def end(process):
    """Kill what still runs, and take note of its end."""
    process.kill()
    with process:
        pass


def begin(workers):
    """Let all workers begin at once."""
    for worker in workers:
        assert worker.stdout.readline() == '["ready"]\n'
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()


@pytest.mark.parametrize(
    ("function", "key"), [("add_by_version", "compared"), ("add_at_once", "counted")]
)
async def test_processes_lose_no_update(settings, open_board, function, key):
    """8 tasks in each of 4 processes, the first to come make the table."""
    waiting = {**settings, "timeout": 60}
    with ExitStack() as stack:
        workers = [start(stack, function, waiting) for _ in range(PROCESSES)]
        begin(workers)
        assert [worker.wait() for worker in workers] == [0] * PROCESSES

    assert await open_board().storage("main", KeyValue).get(key) == SUM


def test_histories_are_linearizable_though_processes_are_killed(settings):
    """Whatever concurrent processes saw, a single register could have answered."""
    chance = random.Random(30)  # noqa: S311 - no secret
    waiting = {**settings, "timeout": 60}
    with ExitStack() as stack:
        workers = [start(stack, "use_registers", waiting) for _ in range(PROCESSES)]
        begin(workers)
        said = [[] for _ in workers]
        for victim in range(2):  # the others go on to the end
            count = chance.randint(20, 120)
            said[victim] += itertools.islice(workers[victim].stdout, count)
            workers[victim].kill()
        for number, worker in enumerate(workers):
            said[number] += worker.stdout
    histories = {}
    for lines in said:
        for number, call in calls_in([json.loads(line) for line in lines]):
            histories.setdefault(number, []).append(call)

    assert len(histories) == 40
    for calls in histories.values():
        assert is_linearizable(calls), calls
    assert sum(not call.answered for calls in histories.values() for call in calls) <= 2


def calls_in(said):
    """Yield the number of the register and the call, as a worker told of them."""
    for begun, answer in itertools.zip_longest(said[::2], said[1::2]):
        number, kind, expected, value, began = begun
        result, ended = answer or (None, math.inf)
        yield (
            number,
            RegisterCall(
                kind=kind,
                expected=expected,
                value=result if kind == "read" else value,
                swapped=result is True,
                began=began,
                ended=ended,
            ),
        )
