"""
Answers that a test scripts, and how they fail: plain values, no sockets.

Each method of ``Scripted`` returns a further answer, so that faults add up::

    Scripted.json(error(), status=429).with_headers({"retry-after": "7"})
    Scripted.events(*words).broken_at(2, Fault.RESET)
    Scripted.events(*words).trickled(1)
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import Enum, auto
from typing import Self


class Fault(Enum):
    """What can go wrong between two chunks."""

    HANG = auto()
    """Send nothing more, until the client gives up."""
    RESET = auto()
    """Reset the connection. What the client has not taken off the wire is lost."""
    CLOSE = auto()
    """Close the connection in good order, with the answer incomplete."""


Pause = asyncio.Event | Callable[[], Awaitable[object]]
"""Something to wait for: an event, or a call such as ``semaphore.acquire``."""
Step = bytes | Pause | Fault
"""A chunk to send, something to wait for, or a fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripted:
    """One answer, and how it fails."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Sequence[Step] = b""
    """Bytes go out with their length, a sequence as chunks of unknown length."""
    before: Pause | Fault | None = None
    """What happens once the request has arrived, before the status line."""
    cut_after: int | None = None
    """How many bytes of the body are sent before the connection is reset."""

    @classmethod
    def json(
        cls, value: object, *, status: int = 200, headers: Mapping[str, str] = {}
    ) -> Self:
        """Return an answer that is *value* as JSON."""
        kind = {"content-type": "application/json"}
        body = json.dumps(value).encode()
        return cls(status=status, headers={**kind, **headers}, body=body)

    @classmethod
    def events(cls, *steps: Step) -> Self:
        """Return a stream of server-sent events; see ``server_sent_event``."""
        return cls(headers={"content-type": "text/event-stream"}, body=steps)

    @classmethod
    def lines(cls, *steps: Step) -> Self:
        """Return a stream of JSON values, one a line; see ``json_line``."""
        return cls(headers={"content-type": "application/x-ndjson"}, body=steps)

    @property
    def steps(self) -> Sequence[Step]:
        """What happens after the head, in order."""
        return [self.body] if isinstance(self.body, bytes) else self.body

    def with_headers(self, headers: Mapping[str, str]) -> Self:
        """Return the answer with *headers* added; see ``retry_after``."""
        return replace(self, headers={**self.headers, **headers})

    def of_type(self, content_type: str) -> Self:
        """Return the answer under another *content_type*, its body as it was."""
        return self.with_headers({"content-type": content_type})

    def shortened(self, length: int) -> Self:
        """
        Return the answer with only *length* bytes of its body, otherwise in order.

        HTTP finds nothing wrong with it; JSON or the stream ends in the middle. To
        break the connection there, set ``cut_after``.
        """
        steps = first_bytes(self.steps, length)
        whole = isinstance(self.body, bytes)
        return replace(self, body=self.body[:length] if whole else steps)

    def broken_at(self, index: int, *instead: Step) -> Self:
        """Return the answer whose steps from *index* on are *instead*."""
        return replace(self, body=[*self.steps[:index], *instead])

    def repeated(self, index: int) -> Self:
        """Return the answer with its step *index* sent twice."""
        steps = self.steps
        return replace(self, body=[*steps[: index + 1], *steps[index:]])

    def trickled(self, size: int, pause: Pause | None = None) -> Self:
        """Return the answer in chunks of *size* bytes, after a *pause* each."""
        waits: list[Step] = [] if pause is None else [pause]
        pieces = [piece for step in self.steps for piece in _pieces(step, size)]
        drip = [step for piece in pieces for step in (*waits, piece)]
        return replace(self, body=drip)


def server_sent_event(data: object, *, event: str | None = None) -> bytes:
    """Return *data* as one server-sent event: text as it is, the rest as JSON."""
    text = data if isinstance(data, str) else json.dumps(data)
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {text}\n\n".encode()


def json_line(value: object) -> bytes:
    """Return *value* as one line of JSON."""
    return json.dumps(value).encode() + b"\n"


def retry_after(seconds: float, *, now: float) -> dict[str, dict[str, str]]:
    """
    Return the headers that ask to wait *seconds*, in every spelling, by its name.

    Args:
        seconds: Dates and ``seconds`` carry whole ones only.
        now: Seconds since 1970, from which dates are counted.

    """
    then = datetime.fromtimestamp(now + seconds, UTC)
    return {
        "seconds": {"retry-after": f"{seconds:.0f}"},
        "fraction": {"retry-after": f"{seconds:.3f}"},
        "milliseconds": {"retry-after-ms": f"{seconds * 1000:.0f}"},
        "date": {"retry-after": format_datetime(then, usegmt=True)},
        "date of RFC 850": {"retry-after": f"{then:%A, %d-%b-%y %H:%M:%S} GMT"},
        "date of asctime": {"retry-after": f"{then:%a %b} {then.day:2} {then:%T %Y}"},
    }


MEANINGLESS_RETRY_AFTER = ("", "soon", "-3", "inf", "nan", "Sun, 99 Nov 2026 99:99 GMT")
"""Values of the header that ask for nothing."""


def first_bytes(steps: Sequence[Step], count: int) -> list[Step]:
    """Return the first *count* bytes of *steps*, with the waits among them."""
    kept: list[Step] = []
    for step in steps:
        kept.append(step[:count] if isinstance(step, bytes) else step)
        count -= len(step) if isinstance(step, bytes) else 0
        if count <= 0:
            break
    return kept


def _pieces(step: Step, size: int) -> Sequence[Step]:
    if not isinstance(step, bytes):
        return [step]
    return [step[start : start + size] for start in range(0, len(step), size)]
