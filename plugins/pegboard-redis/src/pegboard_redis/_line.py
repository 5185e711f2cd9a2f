"""A line to the server: a connection, and another one when that is lost."""

from __future__ import annotations

import asyncio
import copy
import socket
import ssl
from typing import TYPE_CHECKING, Any

from hiredis import ReplyError
from pegboard import errors

from ._connection import Connection
from ._errors import refused_handshake

if TYPE_CHECKING:
    from pegboard.errors import CallError

    from ._connection import Part
    from ._server import Server

SLOW = "took too long"
STOPPED = "was stopped, for the storage was closed"
IDLE = 60
"""Seconds until the system looks after an idle connection, lest others forget it."""


class Line:
    """
    Keeps a connection to *server*, which is made when it is first needed.

    All who need it while it is being made wait for the same attempt. When that fails
    they are told, and the next call makes another attempt at once.
    """

    def __init__(
        self,
        server: Server,
        tls: ssl.SSLContext | None,
        *,
        timeout: float,
        connect_timeout: float,
    ) -> None:
        self._server = server
        self._tls = tls
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None
        self._waiting = 0

    @property
    def load(self) -> int:
        """How many calls it is busy with."""
        return self._waiting + (self._connection.load if self._connection else 0)

    async def call(self, *command: Part) -> Any:
        """Return the answer to *command*."""
        connection = self._connection
        if connection is None or not connection.is_open:
            connection = await self._connected()
        return await connection.send(*command)

    async def aclose(self) -> None:
        """Close the connection when it has done its work, or stop making it."""
        if self._connecting:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._connection:
            await self._connection.aclose()

    async def _connected(self) -> Connection:
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(self._settle)
        connecting = self._connecting
        self._waiting += 1
        try:
            await asyncio.wait([connecting])  # who gives up leaves it to the others
        finally:
            self._waiting -= 1
        if connecting.cancelled():
            raise self._not_connected(STOPPED)
        if error := connecting.exception():
            raise copy.copy(error) from error.__cause__
        return connecting.result()

    def _settle(self, connecting: asyncio.Task[Connection]) -> None:
        self._connecting = None
        if not connecting.cancelled() and not connecting.exception():
            self._connection = connecting.result()

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await self._greeted(await self._reached())
        except (TimeoutError, errors.Timeout):
            raise self._not_connected(SLOW) from None
        except (OSError, UnicodeError) as error:  # the latter for a host's name
            reason = f"failed: {error}"
            raise self._not_connected(reason) from error

    async def _reached(self) -> Connection:
        loop = asyncio.get_running_loop()
        server = self._server

        def make() -> Connection:
            return Connection(str(server), self._timeout)

        if server.path:
            _, connection = await loop.create_unix_connection(make, server.path)
            return connection
        transport, connection = await loop.create_connection(
            make,
            server.host,
            server.port,
            **self._tls_arguments(),
        )
        _keep_alive(transport.get_extra_info("socket"))
        return connection

    def _tls_arguments(self) -> dict[str, Any]:
        if self._tls is None:
            return {}
        times = ("ssl_handshake_timeout", "ssl_shutdown_timeout")
        return {"ssl": self._tls, **dict.fromkeys(times, self._connect_timeout)}

    async def _greeted(self, connection: Connection) -> Connection:
        """Say who calls and for which database; the server must answer."""
        try:
            await asyncio.gather(*[connection.send(*one) for one in self._greeting()])
        except ReplyError as error:
            await connection.stop()
            server = self._server
            hide = bool(server.username or server.password)
            raise refused_handshake(error, str(server), hide=hide) from None
        except BaseException as error:
            await connection.stop()
            if isinstance(error, errors.CallError):
                error.request_sent = "no"  # of what the connection is for
            raise
        return connection

    def _greeting(self) -> list[tuple[Part, ...]]:
        server = self._server
        greeting: list[tuple[Part, ...]] = []
        if server.username:
            greeting.append(("AUTH", server.username, server.password or ""))
        elif server.password:
            greeting.append(("AUTH", server.password))
        if server.database:
            greeting.append(("SELECT", server.database))
        return [*greeting, ("PING",)]

    def _not_connected(self, what: str) -> CallError:
        text = f"Connecting to {self._server} {what}. Check url, and that it runs."
        return errors.ConnectionFailed(text, request_sent="no")


def _keep_alive(link: socket.socket) -> None:
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):  # not on every system
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE)
