"""Who waits for too long for an answer of the server."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from psycopg import AsyncConnection


class Watch:
    """
    Ends connections of an event loop on which an answer is overdue.

    One alarm looks after all of them: one for each statement takes several µs of it.
    """

    def __init__(self) -> None:
        self._due: dict[AsyncConnection, float] = {}
        self._alarm: asyncio.TimerHandle | None = None

    def begin(self, connection: AsyncConnection, seconds: float) -> None:
        """End *connection* in so many *seconds*, unless that is over before."""
        due = self._due[connection] = asyncio.get_running_loop().time() + seconds
        if self._alarm is None or due < self._alarm.when():
            self._look_at(due)

    def end(self, connection: AsyncConnection) -> bool:
        """Leave *connection* alone; return whether that is in time."""
        return self._due.pop(connection, None) is not None

    def rest(self) -> None:
        """Do without the alarm, if there is nobody to look after."""
        if self._alarm is not None and not self._due:
            self._alarm.cancel()
            self._alarm = None

    def _look_at(self, time: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_at(time, self._look)

    def _look(self) -> None:
        self._alarm = None
        now = asyncio.get_running_loop().time()
        for connection in [one for one, due in self._due.items() if due <= now]:
            del self._due[connection]
            _cut(connection)
        if self._due:
            self._look_at(min(self._due.values()))


def _cut(connection: AsyncConnection) -> None:
    """End it at once: to cancel politely takes a server that listens."""
    with (
        suppress(OSError, psycopg.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as copy,
    ):
        copy.shutdown(socket.SHUT_RDWR)
