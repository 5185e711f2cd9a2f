"""Whole replies, over the wire."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Iterator

import pytest
from pegboard import ChatRequest, Message, Pegboard, Text, Tool
from pegboard.errors import InvalidRequest, Timeout
from pegboard.testing import ollama_wire as wire
from pegboard.testing.cancellation import cancel_at_every_await
from pegboard.testing.fault_server import Fault, FaultServer, Received, Scripted
from pegboard_ollama._model import OllamaModel

OpenModel = Callable[..., OllamaModel]
ANSWER = Scripted.json(wire.chat())
VARIABLES = ("OLLAMA_HOST", "OLLAMA_API_KEY", "OLLAMA_KEEP_ALIVE")


async def sent(
    server: FaultServer, model: OllamaModel, request: ChatRequest
) -> Received:
    """Return what reaches the server when *model* is asked."""
    server.respond(ANSWER)
    await model.complete(request)
    return await server.next_request()


async def test_reply_comes_over_the_wire(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest
) -> None:
    """By one request."""
    server.respond(ANSWER)
    reply = await open_model(api_key="k-1").complete(hello)
    request = await server.next_request()

    assert reply.text == "Hello."
    assert (request.method, request.path) == ("POST", "/api/chat")
    assert request.headers["authorization"] == "Bearer k-1"
    assert request.json["stream"] is False


async def test_tool_is_sent_whole(server: FaultServer, open_model: OpenModel) -> None:
    """What the SDK's own model of a tool does not know arrives as well."""
    schema = {
        "type": "object",
        "properties": {
            "stops": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"at": {"anyOf": [{"$ref": "#/$defs/place"}]}},
                    "additionalProperties": False,
                },
            }
        },
        "$defs": {"place": {"type": "string"}},
    }
    request = ChatRequest(
        messages=(Message.of("user", "Hi"),), tools=(Tool("plan", "Plan.", schema),)
    )
    server.respond(Scripted.json(wire.show("tools")), ANSWER)
    await open_model().complete(request)
    (tool,) = server.requests[1].json["tools"]

    assert tool["function"]["parameters"] == schema


async def test_words_of_any_language_go_there_and_back(
    server: FaultServer, open_model: OpenModel
) -> None:
    """As they are."""
    words = "Grüße, 世界 🦙 \u0085\u2028"
    server.respond(Scripted.json(wire.chat(wire.message(words))))
    message = Message("user", (Text(words),))
    reply = await open_model().complete(ChatRequest(messages=(message,)))

    assert reply.text == words
    assert (await server.next_request()).json["messages"][0]["content"] == words


@pytest.mark.parametrize(
    "asked",
    [
        ChatRequest(messages=(Message.of("user", "half a letter: \ud83e"),)),
        ChatRequest(messages=(), extra={"ollama": {"options": object()}}),
    ],
)
async def test_what_cannot_be_sent_is_no_fault_of_the_server(
    server: FaultServer, open_model: OpenModel, asked: ChatRequest
) -> None:
    """It is the caller's, and nothing goes out."""
    with pytest.raises(InvalidRequest, match="cannot be put into JSON") as caught:
        await open_model().complete(asked)

    assert (caught.value.request_sent, server.requests) == ("no", [])


async def test_headers_of_the_settings_are_sent(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest
) -> None:
    """They go before the key: a proxy may want something else."""
    model = open_model(
        api_key="k-1", headers={"X-Title": "test", "Authorization": "Basic abc"}
    )
    headers = (await sent(server, model, hello)).headers

    assert headers["x-title"] == "test"
    assert headers["authorization"] == "Basic abc"


async def test_environment_is_not_read(
    server: FaultServer,
    open_model: OpenModel,
    hello: ChatRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The settings are the only truth, whatever the SDK reads by itself."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "http://127.0.0.1:9/leaked")

    request = await sent(server, open_model(), hello)

    assert "leaked" not in f"{json.dumps(dict(request.headers))} {request.json}"
    assert "authorization" not in request.headers


async def test_model_of_the_request_is_asked(
    server: FaultServer, open_model: OpenModel
) -> None:
    """It goes before that of the settings."""
    request = ChatRequest(messages=(Message.of("user", "Hi"),), model="other")

    assert (await sent(server, open_model(), request)).json["model"] == "other"


async def test_path_before_the_api_is_kept(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest
) -> None:
    """A proxy may have the server below one."""
    model = open_model(host=f"{server.url}/ollama/")

    assert (await sent(server, model, hello)).path == "/ollama/api/chat"


async def test_cancelled_call_closes_at_the_other_end(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest
) -> None:
    """The server can stop its work at once."""
    server.respond(Scripted(before=Fault.HANG))
    waiting = asyncio.create_task(open_model().complete(hello))
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
        model = open_model(host=server.url)

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
        "provider": "ollama",
        "model": "m",
        "host": f"127.0.0.1:{deaf_port}",
        "policy": {"attempts": 1, "connect_timeout": 0.05, "deadline": 60},
    }
    async with Pegboard.isolated({"llm": {"default": section}}) as board:
        with pytest.raises(Timeout) as caught:
            await board.llm().complete("hello")

    assert type(caught.value) is Timeout
    assert caught.value.request_sent == "no"
