from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from pegboard.testing.fault_server import (
    Fault,
    FaultServer,
    Received,
    Scripted,
    server_sent_event,
)

GET = b"GET /thing?x=1 HTTP/1.1\r\nHost: here\r\n\r\n"


class Client:
    """A client that shows every byte."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, request: bytes = GET) -> None:
        """Send the bytes of *request*, or a part of them."""
        self.writer.write(request)
        await self.writer.drain()

    async def head(self) -> bytes:
        """Return the next status line and headers."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self) -> bytes:
        """Send a request and return the body of an answer with a length."""
        await self.send()
        head = await self.head()
        length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
        return await self.reader.readexactly(int(length))


async def connect(server: FaultServer) -> Client:
    """Return a client of *server*."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    return Client(*await asyncio.open_connection(host, int(port)))


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    """Run a server with an empty script."""
    async with FaultServer() as running:
        yield running


@pytest.fixture
async def client(server: FaultServer) -> AsyncIterator[Client]:
    """Connect to the server."""
    connected = await connect(server)
    yield connected
    connected.writer.close()


async def test_answers_come_in_the_order_of_the_script(
    server: FaultServer, client: Client
) -> None:
    """One answer for each request, on one connection."""
    server.respond(Scripted(body=b"one"), Scripted(body=b"two"))

    assert [await client.answer(), await client.answer()] == [b"one", b"two"]


async def test_status_and_headers_are_sent(server: FaultServer, client: Client) -> None:
    """What the script says stands in the head."""
    server.respond(Scripted.json({}, status=429, headers={"Retry-After": "7"}))

    await client.send()
    head = await client.head()

    assert head.startswith(b"HTTP/1.1 429")
    assert b"retry-after: 7\r\n" in head
    assert b"content-type: application/json\r\n" in head


async def test_request_is_recorded(server: FaultServer, client: Client) -> None:
    """Method, path, headers and body, as they came."""
    await client.send(
        b'POST /a?b=c HTTP/1.1\r\nHost: h\r\nX-Key: k\r\nContent-Length: 7\r\n\r\n{"n":'
    )
    await client.send(b"1}")
    request = await server.next_request()

    assert (
        request.method,
        request.path,
        request.headers["x-key"],
    ) == ("POST", "/a?b=c", "k")
    assert request.json == {"n": 1}
    assert [request] == server.requests


async def test_chunked_request_is_recorded(server: FaultServer, client: Client) -> None:
    """A body of unknown length is put together."""
    await client.send(
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    )

    assert (await server.next_request()).body == b"abc"


async def test_client_that_expects_100_is_told_to_continue(client: Client) -> None:
    """The body is asked for before it is sent."""
    await client.send(
        b"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
        b"Content-Length: 1\r\n\r\n"
    )

    assert (await client.head()).startswith(b"HTTP/1.1 100")


async def test_head_request_gets_no_body(server: FaultServer, client: Client) -> None:
    """The length is told, the body is not sent."""
    server.respond(Scripted(body=b"12345"), Scripted(body=b"next"))
    await client.send(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
    await client.head()

    assert await client.answer() == b"next"


async def test_request_without_script_is_refused(client: Client) -> None:
    """The answer says which request it was and what to do."""
    text = await client.answer()

    assert b"GET /thing?x=1" in text
    assert b"FaultServer.respond()" in text


async def test_otherwise_answers_when_the_script_has_run_out() -> None:
    """It answers as often as it is asked."""
    async with FaultServer(otherwise=Scripted(body=b"again")) as server:
        client = await connect(server)

        assert [await client.answer(), await client.answer()] == [b"again"] * 2
        client.writer.close()


async def test_otherwise_may_answer_by_the_request() -> None:
    """Where requests come in any order, what is in them says which one it is."""

    def answer(request: Received) -> Scripted:
        return Scripted(body=request.path.encode())

    async with FaultServer(otherwise=answer) as server:
        client = await connect(server)
        server.respond(Scripted(body=b"first"))

        assert [await client.answer(), await client.answer()] == [
            b"first",
            b"/thing?x=1",
        ]
        client.writer.close()


async def test_sequence_is_sent_in_chunks(server: FaultServer, client: Client) -> None:
    """Each item is one chunk."""
    server.respond(Scripted.events(b"ab", b"c"))

    await client.send()
    head = await client.head()

    assert b"transfer-encoding: chunked\r\n" in head.lower()
    assert (
        await client.reader.readuntil(b"0\r\n\r\n") == b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    )


async def test_event_holds_the_answer_back(server: FaultServer, client: Client) -> None:
    """The next chunk comes once the event is set."""
    go = asyncio.Event()
    server.respond(Scripted(body=[b"a", go, b"b"]))

    await client.send()
    await client.reader.readuntil(b"1\r\na\r\n")
    waiting = asyncio.create_task(client.reader.readuntil(b"b\r\n"))
    go.set()

    assert await waiting == b"1\r\nb\r\n"


async def test_event_before_holds_the_head_back(
    server: FaultServer, client: Client
) -> None:
    """The request has arrived while nothing is answered."""
    go = asyncio.Event()
    server.respond(Scripted(before=go, body=b"late"))
    answer = asyncio.create_task(client.answer())
    await server.next_request()

    assert not answer.done()
    go.set()
    assert await answer == b"late"


async def test_reset_before_the_head(server: FaultServer, client: Client) -> None:
    """The connection is reset without an answer."""
    server.respond(Scripted(before=Fault.RESET))
    await client.send()

    with pytest.raises(ConnectionResetError):
        await client.reader.read()


async def test_reset_among_chunks(server: FaultServer, client: Client) -> None:
    """What was sent before the reset arrives."""
    server.respond(Scripted(body=[b"a", Fault.RESET, b"b"]))
    await client.send()

    assert (await client.reader.readuntil(b"a\r\n"))[-6:] == b"1\r\na\r\n"
    with pytest.raises(ConnectionResetError):
        await client.reader.read()


async def test_close_leaves_the_answer_incomplete(
    server: FaultServer, client: Client
) -> None:
    """The connection ends in good order, without the last chunk."""
    server.respond(Scripted(body=[b"a", Fault.CLOSE]))
    await client.send()

    assert (await client.reader.read()).endswith(b"1\r\na\r\n")


async def test_cut_after_counts_bytes_of_the_body(
    server: FaultServer, client: Client
) -> None:
    """The length promises more than what comes."""
    server.respond(Scripted(body=b"12345", cut_after=2))
    await client.send()

    assert b"content-length: 5" in await client.head()
    assert await client.reader.readexactly(2) == b"12"
    with pytest.raises(ConnectionResetError):
        await client.reader.read()


async def test_cut_after_counts_across_chunks(
    server: FaultServer, client: Client
) -> None:
    """Chunks before the cut are whole."""
    server.respond(Scripted(body=[b"12", b"345", b"6"], cut_after=3))
    await client.send()

    await client.reader.readuntil(b"2\r\n12\r\n1\r\n3\r\n")
    with pytest.raises(ConnectionResetError):
        await client.reader.read()


@pytest.mark.parametrize(
    "hang", [Scripted(before=Fault.HANG), Scripted(body=[b"a", Fault.HANG])]
)
async def test_client_that_gives_up_is_noticed(
    server: FaultServer, client: Client, hang: Scripted
) -> None:
    """``left`` is set when the client closes before the end of the answer."""
    server.respond(hang)
    await client.send()
    request = await server.next_request()

    assert not request.left.is_set()
    client.writer.close()
    await request.left.wait()


async def test_client_that_leaves_after_the_answer_has_not_left_early(
    server: FaultServer, client: Client
) -> None:
    """A complete answer is not given up."""
    server.respond(Scripted(body=b"all"))
    await client.answer()
    request = await server.next_request()
    client.writer.close()
    await server.all_left()

    assert not request.left.is_set()


async def test_leaving_the_server_ends_what_hangs() -> None:
    """Nothing is left running, and the client sees the end."""
    async with FaultServer() as server:
        server.respond(Scripted(before=Fault.HANG))
        client = await connect(server)
        await client.send()
        await server.next_request()

    assert await client.reader.read() == b""
    assert {asyncio.current_task()} == asyncio.all_tasks()
    client.writer.close()


def test_server_sent_event_holds_json() -> None:
    """A value is written as JSON, text as it is."""
    assert server_sent_event({"a": 1}) == b'data: {"a": 1}\n\n'
    assert server_sent_event("[DONE]", event="end") == b"event: end\ndata: [DONE]\n\n"


def test_left_is_no_part_of_what_was_received() -> None:
    """Equal requests are equal, whoever has left."""
    assert Received("GET", "/", {}, b"") == Received("GET", "/", {}, b"")
