"""
The log of calls to models: a row for each, written some seconds later.

Calls neither wait for it nor fail by it: rows are written by a thread, many at once.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from contextvars import Context
from threading import Lock
from typing import TYPE_CHECKING, Any

from pegboard._content import conversation, reply_of, words
from pegboard._log import logger_of
from pegboard.contracts.chat import ChatRequest
from pegboard.errors import CallError
from pegboard.observers import (
    CallFailed,
    CallFinished,
    CallStarted,
    model_of,
    partial_of,
    usage_of,
)
from pegboard.prices import price

from .call_rows import CallRow, UnknownFormatError, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal
    from pathlib import Path

    from pegboard._settings.settings import CallsSettings
    from pegboard.contracts.chat import Usage
    from pegboard.observers import Call, Event

MOST_WAITING = 10_000
DAY = 24 * 3600.0


class CallLog:
    """An observer that has calls to models written down."""

    def __init__(
        self, path: Path, settings: CallsSettings, clock: Callable[[], float]
    ) -> None:
        self._path = path
        self._settings = settings
        self._clock = clock
        self._lock = Lock()
        self._file_lock = Lock()
        self._waiting: deque[Ended] = deque()
        self._left_out = 0
        self._writing: asyncio.Task[None] | None = None
        self._is_closed = False

    def notify(self, event: Event) -> None:
        """Have the call that *event* ends written down."""
        if isinstance(event, CallStarted):
            self._start(event.call)
        elif isinstance(event, CallFinished) and _is_logged(event.call):
            self._add(Ended(event.call, event.elapsed, self._clock(), event.result))
        elif isinstance(event, CallFailed) and _is_logged(event.call):
            left = partial_of(event.error)
            self._add(
                Ended(event.call, event.elapsed, self._clock(), left, event.error)
            )

    def _start(self, call: Call) -> None:
        """Have the items of a stream kept, if they are to be written down."""
        if self._settings.content and call.streams and call.items is None:
            call.items = []

    async def aclose(self) -> None:
        """Write what is waiting."""
        with self._lock:
            self._is_closed = True
            writing, self._writing = self._writing, None
        if writing is not None and not _is_over(writing):
            writing.get_loop().call_soon_threadsafe(writing.cancel)
        await asyncio.to_thread(self._write)

    def _add(self, ended: Ended) -> None:
        with self._lock:
            if self._is_closed or len(self._waiting) >= MOST_WAITING:
                self._left_out += 1
                return
            self._waiting.append(ended)
            if self._writing is None or _is_over(self._writing):
                loop = asyncio.get_running_loop()
                # A context of its own: the deadline of the call is not its.
                self._writing = loop.create_task(self._write_later(), context=Context())

    async def _write_later(self) -> None:
        await asyncio.sleep(self._settings.write_every)
        with self._lock:
            self._writing = None
        await asyncio.to_thread(self._write)

    def _write(self) -> None:
        """Write what is waiting; what cannot be written is left out."""
        with self._file_lock:
            with self._lock:
                waiting, self._waiting = self._waiting, deque()
                left_out, self._left_out = self._left_out, 0
            if waiting:
                left_out += self._failed_to_write(waiting)
        if left_out:
            logger_of("calls").error("{} calls were not written down.", left_out)

    def _failed_to_write(self, waiting: deque[Ended]) -> int:
        """Write *waiting*; return how many of it could not be."""
        rows = [one.row(keeps_content=self._settings.content) for one in waiting]
        oldest = self._clock() - self._settings.keep_days * DAY
        try:
            write(self._path, rows, oldest=oldest, most=self._settings.keep_calls)
        except (OSError, sqlite3.Error, UnknownFormatError) as error:
            logger_of("calls").error("{} cannot be written: {}", self._path, error)
            return len(rows)
        return 0


class Ended:
    """A call that ended, of which a row is still to be made."""

    __slots__ = ("_call", "_elapsed", "_ended", "_error", "_result")

    def __init__(
        self,
        call: Call,
        elapsed: float,
        ended: float,
        result: Any = None,
        error: BaseException | None = None,
    ) -> None:
        self._call = call
        self._elapsed = elapsed
        self._ended = ended
        self._result = result
        self._error = error

    def row(self, *, keeps_content: bool) -> CallRow:
        """Return what is written down of it."""
        call = self._call
        return CallRow(
            began=self._ended - self._elapsed,
            address=call.address,
            operation=call.operation,
            provider=call.provider,
            model=model_of(call, self._result),
            outcome=self._outcome(),
            attempts=call.attempts,
            latency=self._elapsed,
            first_item=call.first_item,
            **self._spent(),
            **(self._content() if keeps_content else {}),
        )

    def _outcome(self) -> str:
        if self._error is None:
            return "ok"
        is_ours = isinstance(self._error, CallError)
        return type(self._error).__name__ if is_ours else "cancelled"

    def _spent(self) -> dict[str, Any]:
        usage = usage_of(self._call, self._result)
        if usage is None:
            return {}
        cost = self._cost(usage)
        return {
            "input": usage.input,
            "cache_read": usage.cache_read,
            "cache_write": usage.cache_write,
            "output": usage.output,
            "reasoning": usage.reasoning,
            "cost": None if cost is None else float(cost),
        }

    def _cost(self, usage: Usage) -> Decimal | None:
        if self._call.batched and usage.cost is None:
            return None  # price lists are for single calls
        model = model_of(self._call, self._result) or ""
        return price(usage, self._call.provider, model)

    def _content(self) -> dict[str, Any]:
        request = self._call.request
        if not isinstance(request, ChatRequest):
            return {}
        reply = reply_of(self._call, self._result)
        return {"asked": conversation(request), "said": reply and words(reply)}


def _is_logged(call: Call) -> bool:
    """Return whether *call* is one to a model itself, not to one made of others."""
    return call.address.startswith("llm.") and not call.is_composite


def _is_over(task: asyncio.Task[None]) -> bool:
    return task.done() or task.get_loop().is_closed()
