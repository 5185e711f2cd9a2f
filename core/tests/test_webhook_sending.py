"""The provider ``webhook``: events that arrive once, whatever the network does."""

from __future__ import annotations

import asyncio
import json

import pytest
from pegboard import Pegboard, SentEvent, Webhooks, sync
from pegboard.errors import (
    CallError,
    ConnectionFailed,
    InvalidReply,
    InvalidRequest,
    NotFound,
    RateLimited,
    SettingsError,
    Timeout,
    Unavailable,
)
from pegboard.testing import Fault, FaultServer, Scripted, no_leaks
from pegboard.testing.fault_server import retry_after
from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
OK = Scripted.json({})


@pytest.fixture
async def server():
    """Run a receiver that takes everything, unless it is scripted."""
    async with FaultServer(otherwise=lambda _: OK) as running:
        yield running


def board_of(server: FaultServer, **options: object) -> Pegboard:
    """Return a board with a receiver."""
    section = {
        "provider": "webhook",
        "url": f"{server.url}/hook",
        "secret": SECRET,
        "policy": {"backoff": 0, "attempts": 3},
        **options,
    }
    return Pegboard.isolated({"integrations": {"orders": section}})


async def test_an_event_arrives(server):
    """Signed, so that the library of the standard takes it."""
    async with no_leaks(), board_of(server) as board:
        orders = board.integration("orders", Webhooks)
        sent = await orders.send_event("order.paid", {"id": 7}, id="order-7")
        request = await server.next_request()
    told = Webhook(SECRET).verify(request.body, dict(request.headers))

    assert sent == SentEvent("order-7", 200)
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "order-7"
    assert (told["type"], told["data"]) == ("order.paid", {"id": 7})


@pytest.mark.parametrize(
    "fault",
    [
        Scripted.json({}, status=500),
        Scripted.json({}, status=503),
        Scripted.json({}, status=429),
        OK.broken_at(0, Fault.RESET),
        OK.broken_at(0, Fault.CLOSE),
    ],
    ids=["500", "503", "429", "reset", "closed"],
)
async def test_it_is_sent_again_as_the_same_event(server, fault):
    """Whatever became of the first attempt; the receiver knows it by its id."""
    server.respond(fault)
    async with board_of(server) as board:
        sent = await board.integration("orders", Webhooks).send_event(
            "order.paid", {}, id="order-7"
        )
        first, second = await server.next_request(), await server.next_request()

    assert sent.status == 200
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "order-7"
    Webhook(SECRET).verify(second.body, dict(second.headers))


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (400, InvalidRequest, "status 400"),
        (404, NotFound, "status 404"),
        (410, NotFound, "wants no more events"),
        (302, InvalidReply, "do not follow redirects"),
    ],
)
async def test_what_the_receiver_refuses_is_not_sent_again(server, status, kind, said):
    """Its status says what it is."""
    elsewhere = {"location": f"{server.url}/elsewhere"}
    server.respond(Scripted.json({}, status=status).with_headers(elsewhere))
    async with board_of(server) as board:
        with pytest.raises(kind, match=said) as caught:
            await board.integration("orders", Webhooks).send_event("x", 1, id="a")

    assert caught.value.status == status
    assert caught.value.attempts == 1


async def test_it_waits_as_long_as_it_is_told(server):
    """``Retry-After`` is the receiver's to say."""
    busy = Scripted.json({}, status=429).with_headers(
        retry_after(300, now=0)["seconds"]
    )
    server.respond(busy)
    async with board_of(server) as board:
        with pytest.raises(RateLimited) as caught:
            await board.integration("orders", Webhooks).send_event("x", 1, id="a")

    assert caught.value.retry_after == 300


async def test_a_receiver_that_is_silent(server):
    """The time is up, and nobody knows whether it was taken."""
    server.respond(OK.broken_at(0, Fault.HANG))
    short = {"attempts": 1, "attempt_timeout": 0.2}
    async with no_leaks(), board_of(server, policy=short) as board:
        with pytest.raises(Timeout) as caught:
            await board.integration("orders", Webhooks).send_event("x", 1, id="a")

    assert caught.value.request_sent == "maybe"


async def test_nobody_is_there(server):
    """Nothing was sent, and no address is shown but the instance's own."""
    async with FaultServer() as gone:
        url = gone.url
    async with board_of(server, url=f"{url}/token-in-path") as board:
        with pytest.raises(ConnectionFailed, match=r"integrations\.orders") as caught:
            await board.integration("orders", Webhooks).send_event("x", 1, id="a")

    assert caught.value.request_sent == "no"
    assert "token-in-path" not in str(caught.value)


async def test_a_long_answer_is_not_read(server):
    """Nobody needs it, so nobody waits for it."""
    server.respond(Scripted.json({"x": "y" * 5_000_000}))
    async with no_leaks(), board_of(server) as board:
        orders = board.integration("orders", Webhooks)
        assert (await orders.send_event("x", 1, id="a")).status == 200
        assert (await orders.send_event("x", 1, id="b")).status == 200


async def test_an_endless_answer_is_not_waited_for(server):
    """Its status has said all."""
    server.respond(Scripted(body=[b"x" * 100_000, Fault.HANG]))
    async with no_leaks(), board_of(server) as board:
        sent = await board.integration("orders", Webhooks).send_event("x", 1, id="a")

    assert sent.status == 200


async def test_both_secrets_sign(server):
    """While they change, receivers may know either one."""
    async with board_of(server, old_secret=OLD) as board:
        await board.integration("orders", Webhooks).send_event("x", 1, id="a")
        request = await server.next_request()

    for secret in (SECRET, OLD):
        Webhook(secret).verify(request.body, dict(request.headers))


async def test_time_of_the_event_is_kept(server):
    """It is not the time at which it is sent."""
    async with board_of(server) as board:
        orders = board.integration("orders", Webhooks)
        await orders.send_event("x", 1, id="a", at=0)
        request = await server.next_request()

    assert json.loads(request.body)["timestamp"] == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize("given", [{"id": "a.b"}, {"id": ""}])
async def test_what_cannot_be_sent_is_refused(server, given):
    """Before anything leaves."""
    async with board_of(server) as board:
        with pytest.raises(InvalidRequest) as caught:
            await board.integration("orders", Webhooks).send_event("x", 1, **given)

    assert caught.value.request_sent == "no"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"secret": "whsec_!!"}, "no base64"),
        ({"secret": ""}, "no base64"),
        ({"old_secret": "whsec_!!"}, "no base64"),
        ({"url": "ftp://x/y"}, "url"),
    ],
)
async def test_wrong_settings_are_told(server, options, said):
    """When the instance is made, without the secret."""
    async with board_of(server, **options) as board:
        with pytest.raises(SettingsError, match=said) as caught:
            board.integration("orders", Webhooks)

    assert "!!" not in str(caught.value)


async def test_it_is_an_operation_like_others(server):
    """From JSON, and for models if they are given it."""
    async with board_of(server) as board:
        event = {"type": "x", "payload": {"a": [1]}, "id": "a"}
        told = await board.call("orders.send_event", event)
        (tool,) = board.tools("orders")

    assert told == {"id": "a", "status": 200}
    assert tool.name == "orders-send_event"


async def test_every_event_loop_can_send(server):
    """A program with several loops has one receiver."""
    async with no_leaks(), board_of(server) as board:
        orders = board.integration("orders", Webhooks)

        async def send(id_):
            return (await orders.send_event("x", 1, id=id_)).status

        found = [await send("a"), await asyncio.to_thread(asyncio.run, send("b"))]

    assert found == [200, 200]


async def test_without_async(server):
    """The blocking twin does the same."""

    def send():
        section = {"provider": "webhook", "url": server.url, "secret": SECRET}
        settings = {"integrations": {"orders": section}}
        with sync.Pegboard.isolated(settings) as board:
            return board.integration("orders", sync.Webhooks).send_event("x", 1, id="a")

    assert await asyncio.to_thread(send) == SentEvent("a", 200)


async def test_no_error_shows_the_secret(server):
    """Nor the event, which may be personal."""
    server.respond(*[Scripted.json({"secret": SECRET}, status=500)] * 3)
    async with board_of(server) as board:
        with pytest.raises(Unavailable) as caught:
            await board.integration("orders", Webhooks).send_event("x", "Ann", id="a")

    error: BaseException | None = caught.value
    assert isinstance(error, CallError)
    while error is not None:
        assert SECRET[6:] not in f"{error} {error!r}"
        assert "Ann" not in f"{error} {error!r}"
        error = error.__cause__
