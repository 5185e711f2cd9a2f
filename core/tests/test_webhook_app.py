"""Webhooks as an ASGI application: alone, mounted in FastAPI, and with storage."""

from __future__ import annotations

import asyncio
import socket
from functools import partial

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from pegboard import KeyValue, Pegboard, Webhooks
from pegboard.webhook_app import WebhookApp
from pegboard.webhooks import receive, sign, write

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
read = partial(receive, secrets=[SECRET])


class Handler:
    """Writes down what it is given, and does what it is told."""

    def __init__(self, answer=None):
        self.events = []
        self.answer = answer
        self.failure: BaseException | None = None
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self, event):
        self.events.append(event.id)
        self.begun.set()
        await self.may_end.wait()
        if self.failure:
            raise self.failure
        return self.answer


@pytest.fixture
def handler():
    """Return a handler that answers nothing."""
    return Handler()


@pytest.fixture
async def seen():
    """Return storage for ids."""
    settings = {"storage": {"hooks": {"provider": "memory"}}}
    async with Pegboard.isolated(settings) as board:
        yield board.storage("hooks", KeyValue)


async def post(app, id_="msg_1", *, path="/", body=None, headers=None):
    """Return what the app answers to a signed event."""
    body = write("order.paid", {}, at=0) if body is None else body
    signed = sign(body, id=id_, secrets=[SECRET]) if headers is None else headers
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        return await client.post(path, content=body, headers=signed)


async def test_an_event_is_handled(handler):
    """And answered with nothing."""
    answer = await post(WebhookApp(read, handler))

    assert (answer.status_code, answer.text) == (200, "")
    assert handler.events == ["msg_1"]


@pytest.mark.parametrize(
    ("returned", "text", "kind"),
    [
        ("challenge", "challenge", "text/plain; charset=utf-8"),
        ({"ok": True}, '{"ok": true}', "application/json"),
        ([], "[]", "application/json"),
    ],
)
async def test_what_is_returned_is_the_answer(returned, text, kind):
    """Text as text, all else as JSON."""
    answer = await post(WebhookApp(read, Handler(returned)))

    assert (answer.text, answer.headers["content-type"]) == (text, kind)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [({}, None, 401), (None, b"{", 400), (None, b"x" * 2000, 413)],
    ids=["unsigned", "unreadable", "too long"],
)
async def test_others_are_turned_away(handler, headers, body, status):
    """Each with its status, and nothing is handled."""
    app = WebhookApp(read, handler, max_bytes=1000)
    answer = await post(app, headers=headers, body=body)

    assert answer.status_code == status
    assert handler.events == []


async def test_only_posts_are_taken(handler):
    """Others are told what is."""
    transport = httpx.ASGITransport(WebhookApp(read, handler))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        answer = await client.get("/")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_other_protocols_are_refused(handler):
    """A program that mounts it wrongly hears of it."""
    with pytest.raises(ValueError, match="not of 'websocket'"):
        await WebhookApp(read, handler)({"type": "websocket"}, None, None)


async def test_fastapi_has_it_at_a_path(handler):
    """At exactly that: senders do not follow redirects."""
    app = FastAPI()
    app.add_route("/hooks", WebhookApp(read, handler), methods=["POST"])
    answer = await post(app, path="/hooks")

    assert (answer.status_code, handler.events) == (200, ["msg_1"])


async def test_fastapi_mounts_it(handler):
    """Below a path of its own."""
    app = FastAPI()
    app.mount("/hooks", WebhookApp(read, handler))
    answer = await post(app, path="/hooks/orders")

    assert (answer.status_code, handler.events) == (200, ["msg_1"])


async def test_both_ends_meet(handler, seen):
    """Our own sender, a real server, and the application."""
    app = WebhookApp(read, handler, seen=seen)
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server.serve([listening]))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/hooks"
        section = {"provider": "webhook", "url": url, "secret": SECRET}
        settings = {"integrations": {"orders": section}}
        async with Pegboard.isolated(settings) as board:
            orders = board.integration("orders", Webhooks)
            sent = [await orders.send_event("order.paid", {}, id=i) for i in "aab"]
        server.should_exit = True
        await serving

    assert [one.status for one in sent] == [200, 200, 200]
    assert handler.events == ["a", "b"]


async def test_without_storage_everything_is_handled(handler):
    """Whoever wants an id to count once has to say where to remember it."""
    app = WebhookApp(read, handler)
    for _ in range(2):
        await post(app)

    assert handler.events == ["msg_1", "msg_1"]


async def test_with_storage_an_id_counts_once(handler, seen):
    """The sender is told that it is done, each time."""
    app = WebhookApp(read, handler, seen=seen)
    answers = [await post(app, id_) for id_ in ("a", "a", "b", "a")]

    assert [answer.status_code for answer in answers] == [200] * 4
    assert handler.events == ["a", "b"]


async def test_while_it_is_handled_others_come_back_later(handler, seen):
    """Two at once are not both handled."""
    handler.may_end.clear()
    app = WebhookApp(read, handler, seen=seen, lease=7)
    first = asyncio.create_task(post(app))
    await handler.begun.wait()
    second = await post(app)
    handler.may_end.set()

    assert (second.status_code, second.headers["retry-after"]) == (503, "7")
    assert (await first).status_code == 200
    assert (await post(app)).status_code == 200
    assert handler.events == ["msg_1"]


async def test_what_failed_is_handled_again(handler, seen):
    """At once, when it is sent again."""
    app = WebhookApp(read, handler, seen=seen)
    handler.failure = RuntimeError("sentinel")
    failed = await post(app)
    handler.failure = None
    again = await post(app)

    assert (failed.status_code, again.status_code) == (500, 200)
    assert "sentinel" not in failed.text
    assert handler.events == ["msg_1", "msg_1"]


async def test_a_failure_is_the_servers_to_log(handler):
    """It is not swallowed."""
    handler.failure = RuntimeError("boom")
    body = write("x", 1, at=0)
    headers = sign(body, id="a", secrets=[SECRET])
    transport = httpx.ASGITransport(WebhookApp(read, handler))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        with pytest.raises(RuntimeError, match="boom"):
            await client.post("/", content=body, headers=headers)


async def test_a_cancelled_one_is_handled_again(handler, seen):
    """As when its sender hangs up and the server lets it go."""
    handler.may_end.clear()
    app = WebhookApp(read, handler, seen=seen)
    first = asyncio.create_task(post(app))
    await handler.begun.wait()
    first.cancel()
    await asyncio.wait([first])
    handler.may_end.set()

    assert (await post(app)).status_code == 200
    assert handler.events == ["msg_1", "msg_1"]


async def test_a_lease_ends(handler):
    """What a process that died had begun is handled by another one."""
    now = [1_000_000_000.0]
    settings = {"storage": {"hooks": {"provider": "memory"}}}
    async with Pegboard.isolated(settings, clock=lambda: now[0]) as board:
        seen = board.storage("hooks", KeyValue)
        handler.may_end.clear()
        app = WebhookApp(read, handler, seen=seen, lease=60)
        first = asyncio.create_task(post(app))
        await handler.begun.wait()
        now[0] += 61
        handler.may_end.set()
        second = await post(app)
        await first

    assert second.status_code == 200
    assert handler.events == ["msg_1", "msg_1"]


async def test_odd_ids_are_remembered(handler, seen):
    """Whatever a sender calls its events."""
    app = WebhookApp(lambda _body, _headers: Odd(), handler, seen=seen)
    for _ in range(2):
        assert (await post(app)).status_code == 200

    assert handler.events == [Odd.id]


class Odd:
    """A request whose id no storage would take for a key."""

    id = "\0/..\n" * 400


async def test_its_sender_left(handler):
    """Nobody is answered, and nothing is handled."""
    sent = []

    async def receive_message():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "headers": []}
    await WebhookApp(read, handler)(scope, receive_message, send)

    assert (sent, handler.events) == ([], [])
