from __future__ import annotations

import json
import random
import runpy
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("files_worker.py")
TOOLS = runpy.run_path(str(WORKER))
PROCESSES, KILLS = 4, 60


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


async def test_killed_writer_leaves_whole_blobs(store, path):
    """Killed at any moment: nothing is torn, and nothing is lost that was told."""
    chance = random.Random(1)  # noqa: S311 - no secret
    content_of = TOOLS["content_of"]
    told = -1
    for _ in range(KILLS):
        first = told + 1
        with worker("write_until_killed", path, first) as process:
            begin(process)
            for _ in range(chance.randrange(1, 4)):
                heard = process.stdout.readline()
            process.kill()  # while it goes on
            *_, last = [heard, *process.stdout.read().splitlines()]
        (told,) = json.loads(last)
        await check(store, told, first, content_of)

    left = await every_key(store)
    assert {"last"} <= left
    assert {f"keys/{n}" for n in range(told + 1) if n % 3} <= left


async def check(store, told, first, content_of):
    """Assert that what was told is there, and that all there is is whole."""
    if told >= 0:
        last = int((await store.get("last"))[:10])
        assert last in {told, told + 1}
        assert await store.get("last") == content_of(last)
    for number in range(first, told + 2):
        blob = await store.stat(f"keys/{number}")
        if number % 3 and number <= told:
            assert blob is not None
        if number % 3 == 0 and number <= told:
            assert blob is None
        if blob is not None:
            assert await store.get(f"keys/{number}") == content_of(number)
    for blob in await store.versions("last"):
        old = await store.get("last", version=blob.version)
        assert old == content_of(int(old[:10]))


async def every_key(store):
    """Return all keys that are listed."""
    page = await store.list()
    keys = {*page.keys}
    while page.cursor:
        page = await store.list(cursor=page.cursor)
        keys |= {*page.keys}
    return keys
