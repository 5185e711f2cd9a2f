"""
Two hundred writers of each kind are killed while they write.

What they were told is stored is there, and whatever is there is whole.
"""

from __future__ import annotations

import json
import os
import random
import runpy
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from pegboard import IndexedField

WORKER = Path(__file__).with_name("killed_writers_worker.py")
TOOLS = runpy.run_path(str(WORKER))
KILLS = 200
LENGTH = TOOLS["LENGTH"]


@contextmanager
def writers(kind, path):
    """Return what has a writer write, kills it, and returns what it had said."""
    command = [sys.executable, str(WORKER), kind, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:

        def write(first, most):
            process.stdin.write(f"{first}\n")
            process.stdin.flush()
            (pid,) = json.loads(process.stdout.readline())
            said = [json.loads(process.stdout.readline()) for _ in range(most)]
            os.kill(pid, signal.SIGKILL)  # while it goes on
            while said[-1][0] != "ended":
                said.append(json.loads(process.stdout.readline()))
            assert said.pop() == ["ended", -signal.SIGKILL]
            return [number for (number,) in said]

        try:
            yield write
        finally:
            process.stdin.close()
            process.kill()


@pytest.fixture
def chance():
    """Return what decides when to kill, the same every time."""
    return random.Random(15)  # noqa: S311 - no secret


def check_file(path):
    """Assert that SQLite finds nothing wrong with the file."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_values_survive_their_writers(tmp_path, chance):
    """In SQLite: one value, one over another, and two as one change."""
    path, told = tmp_path / "kit.sqlite", []
    store = TOOLS["values_in"](path)
    with writers("values", path) as write:
        for turn in range(KILLS):
            told += write(turn * 1000, chance.randint(1, 5))
            last = await store.get("last")
            assert last in ([told[-1]] * LENGTH, [told[-1] + 1] * LENGTH)
            pair = await store.get_many(["one", "other"])
            assert pair["one"] == pair["other"]
            assert pair["one"] in ([told[-1]] * LENGTH, [told[-1] + 1] * LENGTH)

    for number in told:
        assert await store.get(f"key{number}") == [number] * LENGTH
    await store.aclose()
    check_file(path)


async def test_documents_survive_their_writers(tmp_path, chance):
    """In SQLite: each with its place in the index."""
    path, told = tmp_path / "kit.sqlite", []
    values = TOOLS["values_in"](path)
    store, numbers = values.parts["DocumentStore"], TOOLS["NUMBERS"]
    assert numbers.indexes == (IndexedField("number", "number"),)
    with writers("documents", path) as write:
        for turn in range(KILLS):
            told += write(turn * 1000, chance.randint(1, 5))
            last = (await store.get_document(numbers, "last")).body
            assert last["number"] in {told[-1], told[-1] + 1}
            assert last["text"] == [last["number"]] * LENGTH
            where = {"number": last["number"]}
            found = await store.find_documents(numbers, where)
            assert found.documents[-1].body == last

    for number in told:
        body = (await store.get_document(numbers, f"key{number}")).body
        assert body == {"number": number, "text": [number] * LENGTH}
        found = await store.find_documents(numbers, {"number": number})
        assert found.documents[0].key == f"key{number}"
    await values.aclose()
    check_file(path)


async def test_blobs_survive_their_writers(tmp_path, chance):
    """In files: streams, whole blobs, older versions, and those that were deleted."""
    path, told = tmp_path / "store", -1
    store = TOOLS["blobs_in"](path)
    with writers("blobs", path) as write:
        for _ in range(KILLS):
            first = told + 1
            told = write(first, chance.randint(1, 3))[-1]
            await check_blobs(store, first, told)

    page = await store.list(limit=1000)
    left = {*page.keys}
    while page.cursor:
        page = await store.list(limit=1000, cursor=page.cursor)
        left |= {*page.keys}
    assert {f"keys/{n}" for n in range(told + 1) if n % 3} | {"last"} <= left


async def test_files_survive_their_writers(tmp_path, chance):
    """In a folder: streams, files that were moved, and those that were removed."""
    path, told = tmp_path / "store", -1
    store = TOOLS["blobs_in"](path).parts["Files"]
    content_of = TOOLS["content_of"]
    with writers("files", path) as write:
        for _ in range(KILLS):
            first = told + 1
            told = write(first, chance.randint(1, 3))[-1]
            content = await store.read("last")
            assert int(content[:10]) in {told, told + 1}
            assert content == content_of(int(content[:10]))
            for number in range(first, told + 2):
                is_there = await store.exists(f"files/{number}")
                if number <= told:
                    assert is_there == (number % 3 != 0)
                if is_there:
                    found = await store.read(f"files/{number}")
                    assert found == content_of(number)


async def check_blobs(store, first, told):
    """Assert that what was told is there, and that all there is is whole."""
    content_of = TOOLS["content_of"]
    for blob in await store.versions("last"):
        content = await store.get("last", version=blob.version)
        assert content == content_of(int(content[:10]))
    assert int(await store.get("last", end=10)) in {told, told + 1}
    for number in range(first, told + 2):
        blob = await store.stat(f"keys/{number}")
        if number <= told:
            assert (blob is None) == (number % 3 == 0)
        if blob is not None:
            assert await store.get(f"keys/{number}") == content_of(number)
