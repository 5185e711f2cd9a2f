"""
An HTTP server that answers as a test says, and fails as the test says.

::

    async with FaultServer() as server:
        server.respond(Scripted.json({"error": "busy"}, status=503))
        server.respond(Scripted(body=[b"half of ", Fault.RESET]))
        ...                         # let the code under test call server.url
        request = await server.next_request()
        await request.left.wait()   # the client has closed the connection

Nothing sleeps: an ``asyncio.Event`` among the chunks holds the answer back until the
test sets it, ``Fault.HANG`` until the client gives up. What answers can be and how they
fail is in ``scripted``, what each service sends in a module such as ``openai_wire``.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, cast

import h11

from .scripted import (
    Fault,
    Scripted,
    Step,
    first_bytes,
    json_line,
    retry_after,
    server_sent_event,
)

if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "Fault",
    "FaultServer",
    "Received",
    "Scripted",
    "Step",
    "json_line",
    "retry_after",
    "server_sent_event",
]


@dataclass(frozen=True, slots=True)
class Received:
    """A request that arrived."""

    method: str
    path: str
    """With the query, as it was sent."""
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes
    left: asyncio.Event = field(default_factory=asyncio.Event, compare=False)
    """Set when the client closes the connection before the answer is complete."""

    @property
    def json(self) -> Any:
        """The body as the JSON value that it is."""
        return json.loads(self.body)


class FaultServer:
    """An HTTP/1.1 server on a free port of 127.0.0.1, with a script of answers."""

    def __init__(
        self, *, otherwise: Scripted | Callable[[Received], Scripted] | None = None
    ) -> None:
        """
        Answer with *otherwise* when the script has run out; a 501 if None.

        As a function it answers each request by what is in it, which a script cannot
        where requests come in any order.
        """
        self.requests: list[Received] = []
        """All that arrived, in order."""
        self._otherwise = otherwise
        self._script: deque[Scripted] = deque()
        self._arrivals: asyncio.Queue[Received] = asyncio.Queue()
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server

    @property
    def url(self) -> str:
        """Where it listens, such as ``http://127.0.0.1:40123``."""
        return "http://{}:{}".format(*self._server.sockets[0].getsockname())

    def respond(self, *answers: Scripted) -> None:
        """Answer the next requests with *answers*, one each, in order of arrival."""
        self._script.extend(answers)

    async def next_request(self) -> Received:
        """Wait for the next request that this has not returned before."""
        return await self._arrivals.get()

    async def all_left(self) -> None:
        """Wait until the clients that are connected now have closed."""
        await asyncio.gather(*(open_.closed.wait() for open_ in self._connections))

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self._answer_to, self._connections), "127.0.0.1", 0
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        await asyncio.gather(*(open_.drop() for open_ in list(self._connections)))
        await self._server.wait_closed()

    def _answer_to(self, request: Received) -> Scripted:
        self.requests.append(request)
        self._arrivals.put_nowait(request)
        if self._script:
            return self._script.popleft()
        if callable(self._otherwise):
            return self._otherwise(request)
        return self._otherwise or _unexpected(request)


def _unexpected(request: Received) -> Scripted:
    text = (
        f"No answer is scripted for {request.method} {request.path}. "
        "Add one with FaultServer.respond()."
    )
    return Scripted(status=501, body=text.encode())


class _Connection(asyncio.Protocol):
    """One client: h11 knows the protocol, this moves the bytes."""

    def __init__(self, answer_to: Any, connections: set[_Connection]) -> None:
        self._answer_to = answer_to
        self._connections = connections
        self._http = h11.Connection(h11.SERVER)
        self._head: h11.Request
        self._body = b""
        self._request: Received | None = None
        self._answering: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(0)
        self._writable.set()
        self._connections.add(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, _error: Exception | None) -> None:
        self._connections.discard(self)
        self.closed.set()
        if self._request is not None:
            self._request.left.set()
        if self._answering is not None:
            self._answering.cancel()

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        self._read_events()

    async def drop(self) -> None:
        """Close the connection now."""
        self._request = None
        self._transport.abort()
        await self.closed.wait()

    def _read_events(self) -> None:
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                self._head, self._body = event, b""
            elif isinstance(event, h11.Data):
                self._body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self._start_answer()
            else:
                break
        if self._http.they_are_waiting_for_100_continue:
            self._send(h11.InformationalResponse(status_code=100, headers=[]))

    def _start_answer(self) -> None:
        head = self._head
        self._request = request = Received(
            head.method.decode(),
            head.target.decode(),
            {name.decode(): value.decode() for name, value in head.headers},
            bytes(self._body),
        )
        answer = self._answer_to(request)
        self._answering = asyncio.create_task(self._answer(answer))

    async def _answer(self, answer: Scripted) -> None:
        try:
            await self._play(answer)
        except h11.LocalProtocolError:  # the script is wrong: do not keep them waiting
            self._transport.abort()
            raise

    async def _play(self, answer: Scripted) -> None:
        if answer.before is not None:
            await self._take(answer.before)
        self._send(_head(answer))
        if self._head.method != b"HEAD":
            for step in _steps(answer):
                await self._take(step)
        self._request = None
        self._send(h11.EndOfMessage())
        await self._writable.wait()
        self._next_request()

    def _next_request(self) -> None:
        self._answering = None
        if self._http.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
            self._http.start_next_cycle()
            self._read_events()
        else:
            self._transport.close()

    async def _take(self, step: Step) -> None:
        if isinstance(step, bytes):
            self._send(h11.Data(data=step))
            await self._writable.wait()
        elif isinstance(step, Fault):
            await self._fail(step)
        else:
            await (step.wait() if isinstance(step, asyncio.Event) else step())

    async def _fail(self, fault: Fault) -> None:
        if fault is Fault.RESET:
            reset_on_close(self._transport.get_extra_info("socket"))
        if fault is not Fault.HANG:
            self._request = None
            self._transport.close()
        await self.closed.wait()

    def _send(self, event: h11.Event) -> None:
        self._transport.write(self._http.send(event) or b"")


def _head(answer: Scripted) -> h11.Response:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if isinstance(answer.body, bytes):
        headers.setdefault("content-length", str(len(answer.body)))
    return h11.Response(status_code=answer.status, headers=list(headers.items()))


def _steps(answer: Scripted) -> Sequence[Step]:
    if answer.cut_after is None:
        return answer.steps
    return [*first_bytes(answer.steps, answer.cut_after), Fault.RESET]


def reset_on_close(connection: socket.socket) -> None:
    """Make closing *connection* a reset, which the other end takes for a crash."""
    no_linger = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
