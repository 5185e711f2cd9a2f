from __future__ import annotations

import json
import runpy
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("files_worker.py")
TOOLS = runpy.run_path(str(WORKER))
PROCESSES = 4


@contextmanager
def worker(function, *arguments):
    """Start a function of files_worker.py in a process; leave none behind."""
    command = [sys.executable, str(WORKER), function, *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def begin(process):
    """Have *process* begin."""
    process.stdin.write("go\n")
    process.stdin.flush()


def run_together(function, *arguments):
    """Let several workers do the same at once; return what each said."""
    with ExitStack() as stack:
        started = [
            stack.enter_context(worker(function, *arguments)) for _ in range(PROCESSES)
        ]
        for process in started:
            begin(process)
        said = [
            [json.loads(line) for line in process.stdout.read().splitlines()]
            for process in started
        ]
        assert [process.wait() for process in started] == [0] * PROCESSES
    return said


@pytest.fixture
def path(tmp_path):
    """Return where the folder is."""
    return tmp_path / "store"


@pytest.fixture
def store(path):
    """Return a store in the same folder as the workers'."""
    return TOOLS["open_store"](path)


async def test_processes_lose_no_update(store, path):
    """8 tasks in each of 4 processes, each turn on condition: the sum is exact."""
    await store.put("key", b"0")
    run_together("count_by_version", path, 4)

    assert await store.get("key") == b"%d" % (PROCESSES * 8 * 4)


async def test_one_process_is_first(store, path):
    """Of processes that store what is absent, one does."""
    said = run_together("be_first", path, 50)

    assert sorted(number for one in said for (number,) in one) == [*range(50)]
    assert len((await store.list()).keys) == 50
