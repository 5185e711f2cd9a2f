"""The journal and the doctor keep the contracts that they claim, and some more."""

import pytest
from pegboard import KeyValue, Pegboard
from pegboard.errors import Unavailable
from pegboard.testing.chat import ChatModelContract, StreamingChatContract
from pegboard.testing.key_value import PersistentKeyValueContract


class TestEliza(ChatModelContract, StreamingChatContract):
    few_tokens = 1  # she says no more than "I see."

    @pytest.fixture
    def settings(self):
        return {"provider": "eliza"}


class TestJournal(PersistentKeyValueContract):
    @pytest.fixture
    def settings(self, tmp_path):
        return {"provider": "journal", "path": tmp_path / "kit.jsonl"}


def board_with(**journal):
    """Return a board with the doctor and a journal."""
    notes = {"provider": "journal", **journal}
    return Pegboard.isolated(
        {"llm": {"default": {"provider": "eliza"}}, "storage": {"notes": notes}}
    )


async def test_line_torn_by_a_crash_is_passed_over(tmp_path):
    """What was stored before and after a torn line is read."""
    path = tmp_path / "notes.jsonl"
    async with board_with(path=path) as board:
        await board.storage("notes", KeyValue).set("before", 1)
        with path.open("ab") as file:
            file.write(b'\n{"torn": ["1", "abc')
        await board.storage("notes", KeyValue).set("after", 2)

    async with board_with(path=path) as board:
        page = await board.storage("notes", KeyValue).scan()
        assert page.keys == ("after", "before")


async def test_journal_drops_what_was_replaced_when_it_is_opened(tmp_path):
    """A file does not grow for ever by writing the same key."""
    path = tmp_path / "notes.jsonl"
    for number in range(5):
        async with board_with(path=path) as board:
            await board.storage("notes", KeyValue).set("key", number)

    assert len(path.read_text().split()) < 20


async def test_journal_that_cannot_be_written_says_so(tmp_path):
    """A folder in the place of the file is no journal."""
    async with board_with(path=tmp_path) as board:
        with pytest.raises(Unavailable, match="cannot be used"):
            await board.storage("notes", KeyValue).set("key", 1)


async def test_doctor_turns_around_what_is_said():
    """What the user is, the doctor asks about."""
    async with board_with() as board:
        reply = await board.llm().complete("I am tired of my computer.")

    assert reply.text == "Why are you tired of your computer?"


async def test_doctor_talks_word_by_word():
    """A stream brings the answer in pieces."""
    async with board_with() as board, board.llm().stream("I need a break.") as stream:
        words = [word async for word in stream.text]

    assert words == ["Would ", "a ", "break ", "really ", "help ", "you?"]
