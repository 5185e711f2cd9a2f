"""The stats of a board as a file."""

import asyncio
import json
import os

import pytest
from pegboard import Pegboard
from pegboard._observers.stats_file import KEPT, read
from pegboard.errors import PegboardError
from pegboard.testing.clock import run_virtual

FAILING = {"provider": "fake", "failures": ["Unavailable"], "policy": {"attempts": 1}}


def board_of(folder, *, every=10, llm=None):
    """Return a board that writes its stats below *folder*."""
    settings = {
        "llm": {"default": llm or {"provider": "fake"}},
        "data_folder": str(folder),
        "stats": {"write_every": every},
    }
    return Pegboard.isolated(settings)


def files(folder):
    """Return the files of stats."""
    return sorted((folder / "stats").glob("*.json"))


def test_writes_after_the_time_that_was_set(tmp_path):
    """Not at each call: one file per board, so many seconds after the first."""

    async def main():
        async with board_of(tmp_path) as board:
            await board.llm().complete("Hi")
            await board.llm().complete("Hi")
            await asyncio.sleep(9)
            before = files(tmp_path)
            await asyncio.sleep(2)
            return before, files(tmp_path), read(files(tmp_path)[0].read_text())

    before, after, (_, ended, stats) = run_virtual(main())

    assert (before, len(after), ended) == ([], 1, False)
    assert stats["llm.default"].calls == 2


def test_writes_the_last_when_it_is_closed(tmp_path):
    """With all of the calls, even those just before."""

    async def main():
        async with board_of(tmp_path) as board:
            await board.llm().complete("Hi")
            return board.stats()

    expected = run_virtual(main())

    assert read(files(tmp_path)[0].read_text())[1:] == (True, expected)


@pytest.mark.parametrize("every", [None, 10])
def test_writes_nothing_unasked(tmp_path, every):
    """Neither without the setting nor without calls is there a file."""

    async def main():
        async with board_of(tmp_path, every=every) as board:
            if every is None:
                await board.llm().complete("Hi")

    run_virtual(main())

    assert list(tmp_path.iterdir()) == []


def test_holds_neither_questions_nor_messages_of_errors(tmp_path):
    """Those may be anything; only the kind of a failure is written."""

    async def main():
        async with board_of(tmp_path, llm=FAILING) as board:
            with pytest.raises(PegboardError):
                await board.llm().complete("My diary")

    run_virtual(main())
    text = files(tmp_path)[0].read_text()

    assert json.loads(text)["stats"]["llm.default"]["failures"] == {"Unavailable": 1}
    assert "diary" not in text
    assert "last_error" not in text


def test_harms_no_call_when_it_cannot_write(tmp_path):
    """A file is where the folder should be: calls and closing do not mind."""
    (tmp_path / "stats").write_text("")

    async def main():
        async with board_of(tmp_path) as board:
            return (await board.llm().complete("Hi")).text

    assert run_virtual(main()) == "Hi"


def test_removes_files_older_than_a_day(tmp_path):
    """Others stay, whoever wrote them."""
    (tmp_path / "stats").mkdir()
    for name in ("new", "old"):
        (tmp_path / "stats" / f"{name}.json").write_text("{}")
    old = tmp_path / "stats" / "old.json"
    os.utime(old, (old.stat().st_atime, old.stat().st_mtime - KEPT - 1))

    async def main():
        async with board_of(tmp_path) as board:
            await board.llm().complete("Hi")

    run_virtual(main())

    assert (len(files(tmp_path)), old.exists()) == (2, False)
