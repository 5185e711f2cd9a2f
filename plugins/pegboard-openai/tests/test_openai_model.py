from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pegboard import ChatRequest, Context, Message, Pegboard
from pegboard.errors import Timeout
from pegboard.testing import openai_wire as wire
from pegboard.testing.cancellation import cancel_at_every_await
from pegboard.testing.fault_server import Fault, FaultServer, Received, Scripted
from pegboard_openai._model import OpenAIModel
from pegboard_openai.options import OpenAIOptions
from pydantic import ValidationError

if TYPE_CHECKING:
    from pegboard_openai.services import Service

OpenModel = Callable[..., OpenAIModel]
ANSWERS = {
    "chat": Scripted.json(wire.chat_completion()),
    "responses": Scripted.json(wire.response()),
}
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}
CONTEXT = Context(address="llm.cheap", data_folder=Path())


async def sent(
    server: FaultServer, model: OpenAIModel, request: ChatRequest
) -> Received:
    """Return what reaches the server when *model* is asked."""
    server.respond(Scripted.json(wire.chat_completion()))
    await model.complete(request)
    return await server.next_request()


@pytest.mark.parametrize("api", ANSWERS)
async def test_reply_comes_over_the_wire(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest, api: str
) -> None:
    """Each API has its own path."""
    server.respond(ANSWERS[api])
    reply = await open_model(api).complete(hello)
    request = await server.next_request()

    assert reply.text == "Hello."
    assert (request.method, request.path) == ("POST", PATHS[api])
    assert request.headers["authorization"] == "Bearer k-1"


@pytest.mark.parametrize("api", ANSWERS)
async def test_stream_is_asked_for(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest, api: str
) -> None:
    """A chat stream with its usage, which it would leave out."""
    streams = {"chat": wire.chat_stream("a"), "responses": wire.response_stream("a")}
    server.respond(Scripted.events(*streams[api]))
    async for _ in open_model(api).stream(hello):
        pass
    body = (await server.next_request()).json

    assert body["stream"] is True
    assert (api == "chat") == (body.get("stream_options") == {"include_usage": True})


async def test_service_that_knows_no_stream_options_is_not_sent_any(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest
) -> None:
    """It would refuse the request."""
    server.respond(Scripted.events(*wire.chat_stream("a")))
    async for _ in open_model(service="mistral").stream(hello):
        pass

    assert "stream_options" not in (await server.next_request()).json


async def test_extra_of_the_own_name_is_sent(
    server: FaultServer, open_model: OpenModel
) -> None:
    """What is under other names belongs to others."""
    request = ChatRequest(
        messages=(Message.of("user", "Hi"),),
        extra={"openai": {"service_tier": "flex"}, "groq": {"x": 1}},
    )
    body = (await sent(server, open_model(), request)).json

    assert body["service_tier"] == "flex"
    assert "x" not in body


async def test_settings_are_sent(
    server: FaultServer, services: dict[str, Service], hello: ChatRequest
) -> None:
    """Organization, project and headers."""
    options = OpenAIOptions(
        model="m",
        base_url=f"{server.url}/v1",
        api_key="k",
        organization="org-1",
        project="proj-1",
        headers={"X-Title": "test"},
    )
    model = OpenAIModel(services["openai"], options, CONTEXT)
    headers = (await sent(server, model, hello)).headers
    await model.aclose()

    assert headers["openai-organization"] == "org-1"
    assert headers["openai-project"] == "proj-1"
    assert headers["x-title"] == "test"


async def test_environment_is_not_read(
    server: FaultServer,
    open_model: OpenModel,
    hello: ChatRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The settings are the only truth, whatever the SDK reads by itself."""
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"OPENAI_{name}", "leaked")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/leaked")
    monkeypatch.setenv(
        "OPENAI_CUSTOM_HEADERS", "X-Leaked: leaked\nAuthorization: leaked"
    )

    request = await sent(server, open_model(service="vllm", api_key=None), hello)

    assert "leaked" not in json.dumps(dict(request.headers))


async def test_service_without_keys_needs_none(
    server: FaultServer, services: dict[str, Service], hello: ChatRequest
) -> None:
    """Servers of one's own seldom check one."""
    options = OpenAIOptions(model="m", base_url=f"{server.url}/v1")
    model = OpenAIModel(services["llama-cpp"], options, CONTEXT)

    assert (await sent(server, model, hello)).json["model"] == "m"
    await model.aclose()


def test_missing_key_names_the_variable() -> None:
    """Before a model is made: checking the settings is enough."""
    settings = {"llm": {"cheap": {"provider": "groq", "model": "m"}}}

    (problem,) = Pegboard.isolated(settings).check()

    assert problem.where == "llm.cheap.api_key"
    assert "is required" in problem.message
    assert "Or set the variable GROQ_API_KEY." in problem.message


@pytest.mark.parametrize(
    "wrong", [{"base_url": "host/v1"}, {"model": ""}, {"api": "completions"}, {"x": 1}]
)
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    """Before a model is made of them."""
    with pytest.raises(ValidationError):
        OpenAIOptions.model_validate(
            {"model": "m", "base_url": "http://host/v1", **wrong}
        )


def test_options_show_no_secret() -> None:
    """The key is never written out."""
    options = OpenAIOptions(model="m", base_url="http://host/v1", api_key="sk-sentinel")

    assert "sk-sentinel" not in repr(options)
    assert "sk-sentinel" not in options.model_dump_json()


async def test_cancelled_call_closes_at_the_other_end(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest
) -> None:
    """The service can stop its work at once."""
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
    async with FaultServer(otherwise=ANSWERS["chat"]) as server:
        model = open_model(base_url=f"{server.url}/v1")

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
        "provider": "openai-compatible",
        "model": "m",
        "base_url": f"http://127.0.0.1:{deaf_port}/v1",
        "policy": {"attempts": 1, "connect_timeout": 0.05, "deadline": 60},
    }
    async with Pegboard.isolated({"llm": {"default": section}}) as board:
        with pytest.raises(Timeout) as caught:
            await board.llm().complete("hello")

    assert type(caught.value) is Timeout
    assert caught.value.request_sent == "no"
