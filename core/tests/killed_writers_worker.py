"""
Writers that are killed: ``killed_writers_worker.py KIND PATH``.

Run by test_killed_writers.py. For each line that names a number, a child writes from
that number on, and says each that is stored, until it is killed. Children are forked,
so that two hundred of them do not import all of it two hundred times.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from pathlib import Path

from pegboard import Collection, Context, IndexedField
from pegboard.builtin.files import FileBlobs, FilesOptions
from pegboard.builtin.sqlite import SqliteKeyValue, SqliteOptions

LENGTH = 500
PIECE = 20_000
PAIR = ("one", "other")
NUMBERS = Collection("numbers", (IndexedField("number", "number"),))


def say(*words):
    """Print a line that nothing can tear or hold back."""
    os.write(1, f"{json.dumps(words)}\n".encode())


def values_in(path):
    """Return a store of values that is patient: the machine may be slow."""
    options = SqliteOptions(path=path, busy_timeout=60)
    return SqliteKeyValue(options, Context("storage.kit", Path(path).parent))


def documents_in(path):
    """Return a store of documents in the same kind of file."""
    return values_in(path).parts["DocumentStore"]


def blobs_in(path):
    """Return a store of blobs."""
    options = FilesOptions(
        path=path, busy_timeout=60, durability="process", keep_versions=1
    )
    return FileBlobs(options, Context("storage.kit", Path(path).parent))


async def write_values(path, number):
    """Store one value, one over the last, and two as one change."""
    store = values_in(path)
    while True:
        await store.set("last", [number] * LENGTH)
        await store.set(f"key{number}", [number] * LENGTH)
        await store.set_many({name: [number] * LENGTH for name in PAIR})
        say(number)
        number += 1


async def write_documents(path, number):
    """Store one document, and one over the last, which changes an index too."""
    store = documents_in(path)
    while True:
        body = {"number": number, "text": [number] * LENGTH}
        await store.put_document(NUMBERS, "last", body)
        await store.put_document(NUMBERS, f"key{number}", body)
        say(number)
        number += 1


async def write_blobs(path, number):
    """Store one blob as a stream, and one as a whole; delete every third."""
    store = blobs_in(path)
    while True:
        await store.put("last", pieces_of(number))
        await store.put(f"keys/{number}", content_of(number))
        if number % 3 == 0:
            await store.delete(f"keys/{number}")
        say(number)
        number += 1


async def write_files(path, number):
    """Write one file as a stream, move one, and remove every third."""
    store = blobs_in(path).parts["Files"]
    while True:
        await store.write("last", pieces_of(number))
        await store.write(f"new/{number}", content_of(number))
        await store.move(f"new/{number}", f"files/{number}")
        if number % 3 == 0:
            await store.remove(f"files/{number}")
        say(number)
        number += 1


def content_of(number):
    """Return what stands for *number*: some are small, some take several writes."""
    return str(number).zfill(10).encode() * (PIECE * (number % 4) + 1)


async def pieces_of(number):
    """Yield the same piece by piece."""
    content = content_of(number)
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]


def write(kind, path, number):
    """Write until killed; whatever else happens, end."""
    try:
        say(os.getpid())
        asyncio.run(globals()[f"write_{kind}"](path, number))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def main(kind, path):
    """Have children write, one after the other."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            write(kind, path, int(line))
        _, status = os.waitpid(child, 0)
        say("ended", os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(*sys.argv[1:])
