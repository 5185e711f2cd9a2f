"""An operation that must not happen twice, over real connections that break."""

import asyncio
import json
from urllib.parse import urlsplit

import pytest
from pegboard import (
    IntegrationProvider,
    Messenger,
    Options,
    Pegboard,
    Posted,
    errors,
    hookimpl,
)
from pegboard.http import error_class
from pegboard.testing import FaultServer, TcpProxy
from pegboard.testing.fault_server import Fault, Scripted
from pegboard.testing.slack_wire import posted


class PagerOptions(Options):
    """Where the pager is."""

    url: str


class Pager:
    """Posts messages over HTTP, and knows what may have arrived."""

    def __init__(self, options, _context):
        self._place = urlsplit(options.url)

    async def post_message(self, channel, text):
        """Post *text* to *channel*."""
        try:
            reader, writer = await asyncio.open_connection(
                self._place.hostname, self._place.port
            )
        except OSError as error:
            msg = "refused"
            raise errors.ConnectionFailed(msg, request_sent="no") from error
        try:
            return await self._post(reader, writer, {"channel": channel, "text": text})
        except (OSError, EOFError) as error:
            msg = "broke"
            raise errors.ConnectionFailed(msg) from error
        finally:
            writer.transport.abort()

    async def _post(self, reader, writer, message):
        body = json.dumps(message).encode()
        head = f"POST / HTTP/1.1\r\nHost: pager\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        status = int(answer.split()[1])
        if status != 200:
            msg = f"answered {status}"
            raise error_class(status)(msg)
        length = int(answer.partition("content-length: ")[2].split("\r\n")[0])
        told = json.loads(await reader.readexactly(length))
        return Posted(told["channel"], told["ts"])


class Plugin:
    """Offers the pager."""

    @hookimpl
    def pegboard_integrations(self):
        """Return what is on offer."""
        return [
            IntegrationProvider(
                name="pager",
                factory=Pager,
                options=PagerOptions,
                contracts={"Messenger": 1},
            )
        ]


def messenger(url):
    """Return the messenger of a board, at *url*."""
    section = {"provider": "pager", "url": url, "policy": {"backoff": 0}}
    settings = {"integrations": {"alerts": section}}
    board = Pegboard.isolated(settings, plugins=[Plugin()])
    return board.integration("alerts", Messenger)


DELIVERED = Scripted.json(posted())


@pytest.fixture
async def server():
    """Run a server that delivers whatever its script does not spoil."""
    async with FaultServer(otherwise=DELIVERED) as running:
        yield running


@pytest.mark.parametrize(
    "broken",
    {
        "reset before the answer": Scripted(before=Fault.RESET),
        "closed before the answer": Scripted(before=Fault.CLOSE),
        "cut in the answer": Scripted.json(posted()).broken_at(0, b"{", Fault.CLOSE),
        "failed": Scripted(status=500),
        "unavailable": Scripted(status=503),
    }.values(),
)
async def test_message_that_may_be_out_is_not_posted_again(server, broken):
    """The request has arrived: nobody can know what became of it."""
    server.respond(broken)

    with pytest.raises(errors.CallError) as caught:
        await messenger(server.url).post_message("#ops", "Fire!")

    assert (len(server.requests), caught.value.attempts) == (1, 1)
    assert caught.value.request_sent == "maybe"


@pytest.mark.parametrize("status", [429, 529])
async def test_message_that_was_turned_away_is_posted_again(server, status):
    """A service that throttles says that it did nothing."""
    server.respond(Scripted(status=status))

    sent = await messenger(server.url).post_message("#ops", "Fire!")

    assert sent == Posted(posted()["channel"], posted()["ts"])
    assert len(server.requests) == 2


async def test_message_that_found_no_server_is_posted_again(server):
    """It never left, so it is safe; here nothing comes of it."""
    place = urlsplit(server.url)
    async with TcpProxy(place.hostname, place.port) as proxy:
        await proxy.refuse()
        with pytest.raises(errors.ConnectionFailed) as caught:
            await messenger(f"http://{proxy.host}:{proxy.port}").post_message("a", "b")

    assert (caught.value.attempts, server.requests) == (3, [])


async def test_message_whose_answer_is_lost_is_not_posted_again(server):
    """It was delivered, and the connection broke before anybody heard."""
    place = urlsplit(server.url)
    async with TcpProxy(place.hostname, place.port) as proxy:
        proxy.to_client.hold()
        alerts = messenger(f"http://{proxy.host}:{proxy.port}")
        call = asyncio.create_task(alerts.post_message("#ops", "Fire!"))
        assert (await proxy.to_client.next_chunk()).startswith(b"HTTP/1.1 200")
        proxy.reset()

        with pytest.raises(errors.ConnectionFailed):
            await call

    assert len(server.requests) == 1
