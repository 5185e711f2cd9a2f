"""
A connection that can be broken: stands between a client and any server.

::

    async with TcpProxy("localhost", 6379) as proxy:
        client = connect(proxy.host, proxy.port)
        proxy.to_client.hold()          # the server works, its answer does not come
        call = asyncio.create_task(client.incr("n"))
        await proxy.to_client.next_chunk()
        proxy.reset()                   # it was done, and nobody can know

It can be switched at any time, for the connections that are open and for those to
come. Nothing sleeps: what is held back waits until the test releases it.
"""

from __future__ import annotations

import asyncio
import math
import socket
from typing import TYPE_CHECKING, Self

from .fault_server import reset_on_close

if TYPE_CHECKING:
    from types import TracebackType


class Lane:
    """One direction of all connections."""

    def __init__(self, chunk_size: int) -> None:
        self._chunk_size = chunk_size
        self._budget = math.inf
        self._go = asyncio.Event()
        self._is_swallowing = False
        self._arrivals: asyncio.Queue[bytes] = asyncio.Queue()
        self._open: set[asyncio.StreamWriter] = set()

    def pass_on(self) -> None:
        """Pass bytes on as they come, first those held back; how it begins."""
        self._is_swallowing = False
        self.release(math.inf)

    def swallow(self) -> None:
        """Lose all bytes, those held back included, and keep the connections."""
        self._is_swallowing = True
        self.release(math.inf)

    def hold(self) -> None:
        """Hold bytes back, in order."""
        self._budget = 0

    def release(self, chunks: float = 1) -> None:
        """Let so many *chunks* pass, now or when they come."""
        self._budget += chunks
        self._go.set()

    def end(self) -> None:
        """Close this direction of the open connections; the other one goes on."""
        for writer in self._open:
            writer.write_eof()
        self._open.clear()

    async def next_chunk(self) -> bytes:
        """Wait for bytes to arrive here, whatever becomes of them then."""
        return await self._arrivals.get()

    async def pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Move bytes of one connection until its end."""
        self._open.add(writer)
        try:
            while chunk := await reader.read(self._chunk_size):
                self._arrivals.put_nowait(chunk)
                await self._turn()
                await self._move(chunk, writer)
            if writer in self._open:
                writer.write_eof()
        finally:
            self._open.discard(writer)

    async def _turn(self) -> None:
        while self._budget <= 0:
            self._go.clear()
            await self._go.wait()
        self._budget -= 1

    async def _move(self, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        if writer in self._open and not self._is_swallowing:
            writer.write(chunk)
            await writer.drain()


class TcpProxy:
    """Passes connections to a free port of 127.0.0.1 on to *host* and *port*."""

    host = "127.0.0.1"

    def __init__(self, host: str, port: int, *, chunk_size: int = 65536) -> None:
        """Move at most *chunk_size* bytes at once; 1 stops anywhere."""
        self.to_server = Lane(chunk_size)
        self.to_client = Lane(chunk_size)
        self.port = 0
        """Where clients connect, once it runs."""
        self._upstream = host, port
        self._connections: set[asyncio.Task[None]] = set()
        self._placeholder: socket.socket
        self._server: asyncio.Server | None = None

    def reset(self) -> None:
        """Reset the open connections; the server sees them end."""
        for task in self._connections:
            task.cancel()

    async def refuse(self) -> None:
        """Refuse new connections; those that are open stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def accept(self) -> None:
        """Accept connections again, on the same port."""
        if self._server is None:
            listener = _bound(self.host, self.port)
            self._server = await asyncio.start_server(self._connected, sock=listener)

    async def __aenter__(self) -> Self:
        # It never listens: it keeps the port ours while connections are refused.
        self._placeholder = _bound(self.host, 0)
        self.port = self._placeholder.getsockname()[1]
        await self.accept()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.refuse()
        self.reset()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._placeholder.close()

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._connect(reader, writer)
        except* (ConnectionError, asyncio.CancelledError):
            reset_on_close(writer.get_extra_info("socket"))
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        answers, requests = await asyncio.open_connection(*self._upstream)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self.to_server.pump(reader, requests))
                both.create_task(self.to_client.pump(answers, writer))
        finally:
            requests.transport.abort()


def _bound(host: str, port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((host, port))
    bound.setblocking(False)  # noqa: FBT003 - the socket's own signature
    return bound
