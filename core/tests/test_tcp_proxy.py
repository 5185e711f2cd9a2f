"""The proxy, with real sockets at both ends."""

import asyncio

import pytest
from pegboard.testing.tcp_proxy import TcpProxy


class Server:
    """Echoes what it reads, with a mark, and knows who is there."""

    def __init__(self):
        self.got = b""
        self.ended = asyncio.Event()

    async def __call__(self, reader, writer):
        while data := await reader.read(100):
            self.got += data
            writer.write(b"<" + data + b">")
            await writer.drain()
        self.ended.set()
        writer.close()


@pytest.fixture
def behind():
    """Return the server behind the proxy."""
    return Server()


@pytest.fixture
async def proxy(behind):
    """Run a server and a proxy before it."""
    async with await asyncio.start_server(behind, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with TcpProxy("127.0.0.1", port, chunk_size=1) as running:
            yield running


@pytest.fixture
async def client(proxy):
    """Connect to the proxy."""
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    yield Client(reader, writer)
    writer.close()


class Client:
    """Sends bytes and reads answers."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    async def ask(self, question):
        """Send *question* and return the answer to its one byte."""
        self.writer.write(question)
        return await self.reader.readexactly(len(question) + 2)


async def test_bytes_pass(client):
    """As they come, both ways."""
    assert [await client.ask(b"a"), await client.ask(b"b")] == [b"<a>", b"<b>"]


async def test_end_of_the_client_passes(client, behind):
    """The server sees it, and what it still says arrives."""
    client.writer.write(b"a")
    client.writer.write_eof()

    assert await client.reader.read() == b"<a>"
    assert behind.ended.is_set()


async def test_held_request_reaches_the_server_when_released(proxy, client, behind):
    """Nothing is lost by waiting."""
    proxy.to_server.hold()
    client.writer.write(b"a")

    assert await proxy.to_server.next_chunk() == b"a"
    assert behind.got == b""
    proxy.to_server.pass_on()
    assert await client.reader.readexactly(3) == b"<a>"


async def test_answer_is_released_piece_by_piece(proxy, client):
    """A test can stop it after any byte."""
    proxy.to_client.hold()
    client.writer.write(b"a")
    proxy.to_client.release(2)

    assert await client.reader.readexactly(2) == b"<a"
    assert [await proxy.to_client.next_chunk() for _ in range(3)] == [b"<", b"a", b">"]
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await client.reader.read()


async def test_swallowed_request_is_lost(proxy, client, behind):
    """The connection stays, and goes on when bytes pass again."""
    proxy.to_server.swallow()
    client.writer.write(b"a")
    await proxy.to_server.next_chunk()
    proxy.to_server.pass_on()

    assert await client.ask(b"b") == b"<b>"
    assert behind.got == b"b"


async def test_held_bytes_can_still_be_lost(proxy, client, behind):
    """A network that was slow is now broken."""
    proxy.to_server.hold()
    client.writer.write(b"a")
    await proxy.to_server.next_chunk()
    proxy.to_server.swallow()
    client.writer.write(b"b")
    await proxy.to_server.next_chunk()
    proxy.to_server.pass_on()

    assert await client.ask(b"c") == b"<c>"
    assert behind.got == b"c"


async def test_reset_ends_both_sides(proxy, client, behind):
    """The client sees a reset, the server an end."""
    await client.ask(b"a")
    proxy.reset()

    with pytest.raises(ConnectionResetError):
        await client.reader.read()
    await behind.ended.wait()


async def test_reset_leaves_later_connections_alone(proxy, client):
    """It is a moment, not a state."""
    await client.ask(b"a")
    proxy.reset()
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)

    assert await Client(reader, writer).ask(b"b") == b"<b>"
    writer.close()


async def test_half_closed_connection_still_takes_requests(proxy, client, behind):
    """The client reads the end, and the server what the client says."""
    await client.ask(b"a")
    proxy.to_client.end()

    assert await client.reader.read() == b""
    client.writer.write(b"b")
    client.writer.write_eof()
    await behind.ended.wait()
    assert behind.got == b"ab"


async def test_refused_connection(proxy, client):
    """New ones are refused, open ones stay."""
    await client.ask(b"a")
    await proxy.refuse()

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(proxy.host, proxy.port)
    assert await client.ask(b"b") == b"<b>"


async def test_accepting_again_is_on_the_same_port(proxy, client):
    """So a client that knows the port recovers."""
    port = proxy.port
    await proxy.refuse()
    await proxy.accept()
    reader, writer = await asyncio.open_connection(proxy.host, port)

    assert await Client(reader, writer).ask(b"c") == b"<c>"
    writer.close()
    assert await client.ask(b"a") == b"<a>"


async def test_switching_twice_is_switching_once(proxy, client):
    """A test need not know how the proxy stands."""
    await proxy.accept()
    await proxy.refuse()
    await proxy.refuse()
    await proxy.accept()

    assert await client.ask(b"a") == b"<a>"


async def test_absent_server_is_a_reset(proxy):
    """The proxy is there, what it leads to is not."""
    async with TcpProxy(proxy.host, proxy.port) as further:
        await proxy.refuse()
        reader, writer = await asyncio.open_connection(further.host, further.port)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_client_that_resets_is_gone_for_the_server(client, behind):
    """The other side of the proxy does not stay open."""
    await client.ask(b"a")
    client.writer.transport.abort()

    await behind.ended.wait()
    assert behind.got == b"a"


async def test_leaving_the_proxy_leaves_nothing(behind):
    """What was held is over, at both ends."""
    async with await asyncio.start_server(behind, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with TcpProxy("127.0.0.1", port) as proxy:
            proxy.to_client.hold()
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
            writer.write(b"a")
            await proxy.to_client.next_chunk()

        assert not proxy._connections
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        await behind.ended.wait()
