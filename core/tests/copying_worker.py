"""Copies from one SQLite file to another, and is killed in the middle."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from pegboard import Collection, DocumentStore, KeyValue, Pegboard
from pegboard.copying import copy_storage

VALUES, DOCUMENTS = 1000, 50


async def main(folder, killed_at):
    """Fill the first storage if it is empty, then copy it."""
    storages = {name: {"provider": "sqlite"} for name in ("old", "new")}
    settings = {"data_folder": folder, "storage": storages}
    async with Pegboard.isolated(settings) as board:
        await fill(board.storage("old", KeyValue), board.storage("old", DocumentStore))
        if killed_at == "0":
            os.kill(os.getpid(), signal.SIGKILL)

        def tell(progress):
            if str(progress.done // 100) == killed_at and progress.step == "copy":
                os.kill(os.getpid(), signal.SIGKILL)

        for one in await copy_storage(board, "old", "new", tell=tell):
            report = f"{one.what.replace(' ', '-')} {one.copied} {one.differing}\n"
            sys.stdout.write(report)


async def fill(values, documents):
    """Store what is to be copied."""
    if await values.exists("k0000"):
        return
    for start in range(0, VALUES, 100):
        keys = [f"k{number:04}" for number in range(start, start + 100)]
        await values.set_many({key: ["x" * 50] for key in keys})
    for number in range(DOCUMENTS):
        await documents.put_document(Collection("plain"), f"d{number}", {"n": number})


asyncio.run(main(*sys.argv[1:]))
