from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anthropic import AsyncAnthropic
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pegboard import ChatRequest, Context, Message, Pegboard, Text, Tool
from pegboard.errors import RateLimited, Timeout, Unsupported
from pegboard.testing import anthropic_wire as wire
from pegboard.testing.cancellation import cancel_at_every_await
from pegboard.testing.fault_server import Fault, FaultServer, Received, Scripted
from pegboard_anthropic._client import Client
from pegboard_anthropic.options import AnthropicOptions

if TYPE_CHECKING:
    from pegboard_anthropic._model import AnthropicModel

OpenModel = Callable[..., "AnthropicModel"]
OpenBoard = Callable[..., Pegboard]
ANSWER = Scripted.json(wire.message())
COUNT = Scripted.json({"input_tokens": 12})


async def sent(
    server: FaultServer, model: AnthropicModel, request: ChatRequest
) -> Received:
    """Return what reaches the server when *model* is asked."""
    server.respond(ANSWER)
    await model.complete(request)
    return await server.next_request()


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
async def test_reply_comes_over_the_wire(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest, path: str
) -> None:
    """The address may be given in each of the ways that people write it."""
    server.respond(ANSWER)
    reply = await open_model(base_url=f"{server.url}{path}").complete(hello)
    request = await server.next_request()

    assert reply.text == "Hello."
    assert (request.method, request.path) == ("POST", "/v1/messages")
    assert request.headers["authorization"] == "Bearer k-1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["anthropic-version"]


async def test_settings_are_sent(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest
) -> None:
    """Headers, and over them nothing."""
    model = open_model(headers={"anthropic-beta": "x-1", "X-Title": "test"})
    headers = (await sent(server, model, hello)).headers

    assert (headers["anthropic-beta"], headers["x-title"]) == ("x-1", "test")


async def test_environment_is_not_read(
    server: FaultServer,
    open_model: OpenModel,
    hello: ChatRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The settings are the only truth, whatever the SDK reads by itself."""
    for name in ("API_KEY", "AUTH_TOKEN", "PROFILE", "WEBHOOK_SIGNING_KEY"):
        monkeypatch.setenv(f"ANTHROPIC_{name}", "leaked")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9/leaked")
    monkeypatch.setenv(
        "ANTHROPIC_CUSTOM_HEADERS", "X-Leaked: leaked\nAuthorization: leaked"
    )

    request = await sent(server, open_model(), hello)

    assert "leaked" not in json.dumps(dict(request.headers))


async def test_key_and_address_come_from_the_usual_variables(
    server: FaultServer,
) -> None:
    """As the descriptor says."""
    server.respond(ANSWER)
    section = {"provider": "anthropic", "model": "claude-opus-5-5"}
    environ = {"ANTHROPIC_API_KEY": "sk-1", "ANTHROPIC_BASE_URL": server.url}

    async with Pegboard.isolated({"llm": {"default": section}}, environ=environ) as b:
        await b.llm().complete("Hi")

    assert server.requests[0].headers["authorization"] == "Bearer sk-1"


@pytest.mark.parametrize("max_tokens", [30_000, 1_000_000])
async def test_long_replies_need_no_stream(
    server: FaultServer, open_model: OpenModel, max_tokens: int
) -> None:
    """The SDK would refuse to ask for them; here the deadline bounds them."""
    request = ChatRequest(messages=(Message.of("user", "Hi"),), max_tokens=max_tokens)

    found = (await sent(server, open_model(), request)).json

    assert found["max_tokens"] == max_tokens


async def test_sdk_traces_nothing(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The span of a call is the board's; what the SDK makes unasked is no second."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY", "true")
    server.respond(*[ANSWER] * 2)
    options = AnthropicOptions(model="m", api_key="k", base_url=server.url)
    ask: Any = {"model": "m", "max_tokens": 1, "messages": []}
    made = []

    context = Context(address="llm.default", data_folder=Path())
    ours = Client(options, context)
    for client in (ours, AsyncAnthropic(api_key="k", base_url=server.url)):
        async with client:
            await client.messages.create(**ask)
        made.append(len(spans.get_finished_spans()))

    assert made == [0, 1]


async def test_only_the_policy_retries(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """As often as it says, whatever the SDK would do."""
    busy = Scripted.json(wire.error("rate_limit_error"), status=429)
    server.respond(busy, busy, ANSWER)
    board = open_board(policy={"attempts": 2, "backoff": 0})

    with pytest.raises(RateLimited) as caught:
        await board.llm().complete("Hi")

    assert caught.value.attempts == len(server.requests) == 2


@pytest.mark.parametrize("name", ["seed", "temperature", "top_p"])
async def test_refuses_what_the_model_lacks(
    server: FaultServer, open_board: OpenBoard, name: str
) -> None:
    """Before anything is sent."""
    with pytest.raises(Unsupported, match=name):
        await open_board().llm().complete("Hi", **{name: 1})  # type: ignore[arg-type]

    assert server.requests == []


async def test_key_that_the_service_repeats_is_hidden(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """It is nowhere in the error or its causes."""
    told = wire.error("authentication_error", "Wrong key: sk-sentinel")
    server.respond(Scripted.json(told, status=401))

    with pytest.raises(Exception, match="Wrong key") as caught:
        await open_board().llm().complete("Hi")

    error = caught.value
    assert "sk-sentinel" not in f"{error} {error!r} {error.__cause__} {error.__dict__}"


async def test_tokens_are_counted(server: FaultServer, open_model: OpenModel) -> None:
    """Of all that the model would read; what else a call has is left out."""
    server.respond(COUNT)
    request = ChatRequest(
        messages=(Message.of("system", "Be brief."), Message("user", (Text("Hi"),))),
        tools=(Tool("look", "Look.", {"type": "object"}),),
        max_tokens=9,
        stop=("x",),
    )

    assert await open_model(cache="5m").count_tokens(request) == 12
    found = await server.next_request()
    assert found.path == "/v1/messages/count_tokens"
    assert found.json.keys() == {"model", "system", "messages", "tools"}


@pytest.mark.parametrize("call", ["complete", "count_tokens"])
async def test_cancelled_call_closes_at_the_other_end(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest, call: str
) -> None:
    """The service can stop its work at once."""
    server.respond(Scripted(before=Fault.HANG))
    work: Any = getattr(open_model(), call)(hello)
    waiting = asyncio.create_task(work)
    request = await server.next_request()
    waiting.cancel()

    await request.left.wait()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_model_works_after_a_cancellation_at_any_place(
    open_model: OpenModel, hello: ChatRequest
) -> None:
    """No connection or lock of the client is lost."""
    async with FaultServer(otherwise=ANSWER) as server:
        model = open_model(base_url=server.url)

        async def check() -> None:
            assert (await model.complete(hello)).text == "Hello."

        assert await cancel_at_every_await(lambda: model.complete(hello), check) > 1
        await model.aclose()
        await server.all_left()


async def test_closing_closes_the_connections(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest
) -> None:
    """The server sees all of them go."""
    model = open_model()
    await sent(server, model, hello)
    await model.aclose()

    await server.all_left()


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """Return a port where connections are neither accepted nor refused."""
    with contextlib.ExitStack() as sockets:
        server = sockets.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):  # until the queue is full, which makes the rest wait
            client = sockets.enter_context(socket.socket())
            client.settimeout(0)
            client.connect_ex(server.getsockname())
        yield server.getsockname()[1]


async def test_making_a_connection_has_its_own_limit(deaf_port: int) -> None:
    """Nothing was sent, so the error says that the call may be made again."""
    section = {
        "provider": "anthropic",
        "model": "m",
        "api_key": "k",
        "base_url": f"http://127.0.0.1:{deaf_port}",
        "policy": {"attempts": 1, "connect_timeout": 0.05, "deadline": 60},
    }
    async with Pegboard.isolated({"llm": {"default": section}}) as board:
        with pytest.raises(Timeout) as caught:
            await board.llm().complete("hello")

    assert type(caught.value) is Timeout
    assert caught.value.request_sent == "no"
