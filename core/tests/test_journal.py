"""Calls as lines of the log."""

import asyncio
import subprocess
import sys

import pytest
from loguru import logger
from pegboard import Context, Pegboard, _log, enable_logging, errors

LLM = {"provider": "fake", "replies": ["a private answer"]}


@pytest.fixture
def lines():
    """Return what is logged: level, component, message, fields."""
    found = []
    sink = logger.add(lambda text: found.append(text.record), level="DEBUG")
    enable_logging()
    yield found
    _log._enabled.clear()
    logger.disable("pegboard")
    logger.remove(sink)


def board_of(**llm):
    """Return a board whose llm is a fake."""
    return Pegboard.isolated({"llm": {"default": LLM | llm}})


def of_calls(lines):
    """Return those of *lines* that say how calls went."""
    return [line for line in lines if "operation" in line["extra"]]


async def test_call_is_two_lines(lines):
    """Where a call goes is logged when it begins, and how it went at its end."""
    async with board_of() as board:
        await board.llm().complete("Hello.")

    began, ended = of_calls(lines)
    assert began["message"] == "complete started."
    assert ended["message"].startswith("complete finished in ")
    assert ended["message"].endswith(" s, attempt 1, 4 tokens.")
    for line in (began, ended):
        assert line["level"].name == "DEBUG"
        assert line["extra"]["component"] == "llm.default"
        assert line["extra"]["provider"] == "fake"
    assert ended["extra"]["attempts"] == 1
    assert ended["extra"]["tokens"] == 4
    assert ended["extra"]["elapsed"] >= 0


async def test_line_tells_the_attempts(lines):
    """A call that was tried again says how often."""
    async with board_of(failures=["RateLimited"], policy={"backoff": 0}) as board:
        await board.llm().complete("Hello.")

    assert "attempt 2" in of_calls(lines)[-1]["message"]


async def test_stream_that_is_left_is_logged(lines):
    """A stream ends its line however it ends; what was not told is left out."""
    async with board_of() as board, board.llm().stream("Hello.") as stream:
        await anext(aiter(stream))

    assert of_calls(lines)[-1]["message"].startswith("stream finished in ")
    assert of_calls(lines)[-1]["message"].endswith(", attempt 1.")


async def test_call_that_is_given_up_is_logged(lines):
    """Cancelling is no failure, so it is no warning."""
    async with board_of(delay=99) as board:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await board.llm().complete("Hello.")

    assert of_calls(lines)[-1]["message"].startswith("complete was given up after ")


async def test_failure_is_logged_once(lines):
    """The policy's warning says it; there is no second line."""
    async with board_of(failures=["Authentication"]) as board:
        with pytest.raises(errors.Authentication):
            await board.llm().complete("Hello.")

    assert [line["message"] for line in of_calls(lines)] == ["complete started."]
    assert lines[-1]["level"].name == "WARNING"


async def test_words_are_not_logged(lines):
    """What was asked and said stays out of the log."""
    async with board_of() as board:
        await board.llm().complete("a private question")

    assert of_calls(lines)
    assert "private" not in str(lines)


def test_nothing_is_logged_until_it_is_asked_for():
    """A library is silent in the program of others."""
    program = """
import asyncio
from pegboard import Pegboard
async def main():
    async with Pegboard.isolated({"llm": {"default": {"provider": "fake"}}}) as board:
        await board.llm().complete("Hello.")
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout + done.stderr == ""


def test_plugins_speak_as_pegboard_does(lines, tmp_path):
    """Under the address of their instance, when the program asked for it."""
    said = Context(address="llm.default", data_folder=tmp_path).log
    said.debug("Looking.")
    said.info("Pulling {}.", "a model")
    said.warning("{} retires in {} days.", "m", 3)

    assert [line["message"] for line in lines] == [
        "Looking.",
        "Pulling a model.",
        "m retires in 3 days.",
    ]
    assert {line["extra"]["component"] for line in lines} == {"llm.default"}
    assert [line["level"].name for line in lines] == ["DEBUG", "INFO", "WARNING"]


def test_plugins_are_silent_unless_asked(tmp_path, capfd):
    """As a library should be."""
    Context(address="llm.default", data_folder=tmp_path).log.warning("Hear me.")

    assert "Hear me" not in "".join(capfd.readouterr())
