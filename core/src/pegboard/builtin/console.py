"""Messages on the terminal."""

from __future__ import annotations

import re
import sys
from itertools import count
from typing import TYPE_CHECKING, Literal

from pegboard.contracts.messenger import Posted
from pegboard.errors import ConnectionFailed
from pegboard.options import Options

if TYPE_CHECKING:
    from pegboard.descriptors import Context

# Control characters could command the terminal; the others turn the direction of
# text, break lines or are halves of a character.
UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


class ConsoleOptions(Options):
    """Messages on the terminal."""

    stream: Literal["stdout", "stderr"] = "stdout"
    """Where to write."""


class Console:
    """Shows each message as ``[#channel] text``, further lines indented."""

    def __init__(self, options: ConsoleOptions, context: Context) -> None:
        self._stream = options.stream
        self._address = context.address
        self._ids = count(1)

    async def ping(self) -> None:
        """Write nothing, to see whether there still is something to write to."""
        self._write("")

    async def post_message(self, channel: str, text: str) -> Posted:
        """Write *text* on the terminal."""
        name = _printable(channel.removeprefix("#")).replace("\n", r"\n")
        self._write(_indented(f"[#{name}] ", _printable(text.replace("\r\n", "\n"))))
        return Posted(channel, str(next(self._ids)))

    def _write(self, text: str) -> None:
        stream = getattr(sys, self._stream)
        encoding = getattr(stream, "encoding", None) or "utf-8"
        try:
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            stream.flush()
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            msg = f"{self._address} cannot write to {self._stream}: {error}."
            raise ConnectionFailed(msg, retryable=False) from error


def _indented(head: str, text: str) -> str:
    return head + text.replace("\n", "\n" + " " * len(head)) + "\n"


def _printable(text: str) -> str:
    return UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)
