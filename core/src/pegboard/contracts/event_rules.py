"""What every log of events takes and refuses, in the same words."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, NoReturn

from pegboard._waiting import wait_for
from pegboard.errors import InvalidRequest, Overloaded

from .event_log import END, START
from .queue import NewMessage
from .queue_rules import packed

Overflow = Literal["drop", "block", "error"]
Matches = Callable[[str], object]

KEEP = 10_000
"""Events, where the settings do not say."""
BLOCK_TIMEOUT, READER_TIMEOUT = 30.0, 60.0
"""Seconds, where the settings do not say."""
WORD = "[A-Za-z0-9_-]+"
TOPIC = re.compile(rf"{WORD}(\.{WORD})*")
PATTERN = re.compile(rf"({WORD}|\*\*?)(\.({WORD}|\*\*?))*")
LONGEST_TOPIC = 256
POSITION = re.compile(r"\d{1,18}", re.ASCII)
READER = re.compile(r"[!-~]{1,128}")


def checked_event(topic: Any, body: Any) -> str:
    """Return *body* as JSON, if *topic* and it can be an event."""
    if not _is_text(topic, TOPIC) or len(topic) > LONGEST_TOPIC:
        _refuse(
            f"{topic!r} is no topic: it is words of letters, digits, '_' and '-', "
            f"joined by dots, up to {LONGEST_TOPIC} characters."
        )
    return packed(NewMessage(body=body)).body


def checked_after(after: Any) -> str | int:
    """Return *after* as the number of an event, or the word that it is."""
    if after in {START, END}:
        return str(after)
    if not _is_text(after, POSITION):
        _refuse(f"{after!r} is no position. Pass that of an event, 'start' or 'end'.")
    return int(after)


def checked_reader(reader: Any) -> str | None:
    """Return *reader* if it can be one."""
    if reader is not None and not _is_text(reader, READER):
        _refuse(f"{reader!r} is no reader: it has 1 to 128 visible letters of ASCII.")
    return None if reader is None else str(reader)


def matcher(topics: Any) -> Matches:
    """Return what tells whether a topic is one of *topics*, which may be patterns."""
    if isinstance(topics, str) or not isinstance(topics, Sequence) or not topics:
        _refuse(f"topics is {topics!r}: pass a list of topics and patterns.")
    for one in topics:
        if not _is_text(one, PATTERN) or one.count("**") > 1:  # which takes too long
            _refuse(
                f"{one!r} is no topic and no pattern: it is words joined by dots, '*' "
                "for any one, one '**' for any number of them."
            )
    fits = re.compile("|".join(map(_expression, topics))).fullmatch
    return lambda topic: fits(f"{topic}.")


async def until_there_is_room(
    attempt: Callable[[], Awaitable[str | None]], seconds: float, address: str
) -> str:
    """
    Return the position that *attempt* returns, which is None while there is no room.

    Raises:
        Overloaded: There was none for *seconds*.

    """
    position = await wait_for(attempt, seconds)
    if position is not None:
        return position
    msg = (
        f"Readers are behind by all that is kept, for {seconds:g} s. Raise keep, let "
        'them read faster, or set overflow = "drop".'
    )
    error = Overloaded(msg, request_sent="no")
    error.address, error.operation = address, "publish_event"
    raise error


def _expression(pattern: str) -> str:
    """Return the regular expression of *pattern*, in which every word ends in a dot."""
    words = {"*": rf"{WORD}\.", "**": rf"(?:{WORD}\.)*"}
    return "".join(
        words.get(word, re.escape(f"{word}.")) for word in pattern.split(".")
    )


def _is_text(value: Any, shape: re.Pattern[str]) -> bool:
    return isinstance(value, str) and shape.fullmatch(value) is not None


def _refuse(message: str) -> NoReturn:
    raise InvalidRequest(message, request_sent="no")
