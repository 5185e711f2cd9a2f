"""Observers: objects that are told what happens to calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .errors import CallError


@dataclass(slots=True)
class Call:
    """One logical call, with all its attempts."""

    address: str
    operation: str
    started: float
    """Seconds on the event loop's clock."""
    ends_at: float
    """The deadline, on the same clock."""
    attempts: int = 0


class Observer(Protocol):
    """
    Something that is told of every governed call.

    Methods are called in order, on the event loop, and must not block. An error that
    one raises is logged and changes nothing for the call.
    """

    def call_started(self, call: Call) -> None:
        """Be told that *call* begins."""
        ...

    def call_retried(self, call: Call, error: CallError, wait: float) -> None:
        """Be told that *call* failed with *error* and goes on in *wait* seconds."""
        ...

    def call_finished(self, call: Call, elapsed: float) -> None:
        """Be told that *call* succeeded; a stream when it ended or was left."""
        ...

    def call_failed(self, call: Call, error: BaseException, elapsed: float) -> None:
        """Be told that *call* failed for good or was cancelled."""
        ...
