"""Errors of the server and of the way to it, as pegboard's."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from pegboard import ChatRequest, errors
from pegboard.testing import ollama_wire as wire
from pegboard.testing.fault_server import Fault, FaultServer, Scripted, retry_after
from pegboard.testing.scripted import MEANINGLESS_RETRY_AFTER
from pegboard_ollama._model import OllamaModel

OpenModel = Callable[..., OllamaModel]
parametrize_ways = pytest.mark.parametrize("way", ["complete", "stream"])


async def failure(
    model: OllamaModel, request: ChatRequest, way: str = "complete"
) -> errors.CallError:
    """Return the error that asking *model* ends with."""
    with pytest.raises(errors.CallError) as caught:
        if way == "complete":
            await model.complete(request)
        else:
            async for _ in model.stream(request):
                pass
    return caught.value


@parametrize_ways
@pytest.mark.parametrize(
    ("status", "kind"),
    {
        400: errors.InvalidRequest,
        401: errors.Authentication,
        403: errors.PermissionDenied,
        404: errors.NotFound,
        408: errors.Timeout,
        413: errors.InvalidRequest,
        429: errors.RateLimited,
        499: errors.InvalidRequest,
        500: errors.Unavailable,
        502: errors.Unavailable,
        503: errors.Overloaded,
        504: errors.Unavailable,
    }.items(),
)
async def test_status_is_an_error(
    server: FaultServer,
    open_model: OpenModel,
    hello: ChatRequest,
    status: int,
    kind: type[errors.CallError],
    way: str,
) -> None:
    """With what the server says, and what to do where that is known."""
    server.respond(Scripted.json(wire.error("it is so"), status=status))

    error = await failure(open_model(), hello, way)

    assert type(error) is kind
    assert error.status == status
    assert error.message.startswith(f"Ollama answered {status}: it is so.")
    assert error.in_stream is False


@parametrize_ways
async def test_missing_model_is_not_found(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest, way: str
) -> None:
    """The error says how to get it."""
    server.respond(Scripted.json(wire.error(), status=404))

    error = await failure(open_model(model="qwen3"), hello, way)

    assert isinstance(error, errors.NotFound)
    assert "'ollama pull qwen3', or set auto_pull = true" in error.message


@pytest.mark.parametrize("body", [b"404 page not found", b"[]", b'{"detail": "no"}'])
async def test_missing_path_is_no_missing_model(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest, body: bytes
) -> None:
    """Nothing is pulled from what is no Ollama."""
    server.respond(Scripted(status=404, body=body))

    error = await failure(open_model(auto_pull=True), hello)

    assert isinstance(error, errors.NotFound)
    assert "Check host" in error.message
    assert len(server.requests) == 1


@parametrize_ways
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirect_is_not_followed(
    server: FaultServer,
    open_model: OpenModel,
    hello: ChatRequest,
    status: int,
    way: str,
) -> None:
    """The key would go along, and a question become a GET; the error says where to."""
    elsewhere = {"location": "https://gpu.lan/api/chat"}
    server.respond(Scripted(status=status, headers=elsewhere))

    error = await failure(open_model(headers={"X-Key": "secret"}), hello, way)

    assert isinstance(error, errors.InvalidReply)
    assert "Set host to where it is now: https://gpu.lan/api/chat." in error.message
    assert len(server.requests) == 1


@pytest.mark.parametrize("error", [{"message": "no memory"}, "no memory"])
async def test_error_may_be_put_as_openai_does(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest, error: object
) -> None:
    """By proxies, under a status and without one."""
    answer = {"error": error}
    server.respond(Scripted.json(answer, status=500), Scripted.json(answer))
    model = open_model()

    told = [(await failure(model, hello)).message for _ in range(2)]

    assert told == ["Ollama answered 500: no memory.", "Ollama reported: no memory."]


@parametrize_ways
@pytest.mark.parametrize("spelling", retry_after(7, now=0))
async def test_wait_that_the_server_asks_for_is_kept(
    server: FaultServer,
    open_model: OpenModel,
    hello: ChatRequest,
    spelling: str,
    way: str,
) -> None:
    """In each spelling; the SDK would hide it."""
    headers = retry_after(7, now=0)[spelling]
    busy = Scripted.json(wire.error("busy"), status=503)
    server.respond(busy.with_headers(headers))

    assert (await failure(open_model(), hello, way)).retry_after == 7


@pytest.mark.parametrize("value", MEANINGLESS_RETRY_AFTER)
async def test_garbage_asks_for_no_wait(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest, value: str
) -> None:
    """It is as good as nothing."""
    busy = Scripted.json(wire.error("busy"), status=503)
    server.respond(busy.with_headers({"retry-after": value}))

    assert (await failure(open_model(), hello)).retry_after is None


@parametrize_ways
async def test_nobody_listening_is_a_failed_connection(
    open_model: OpenModel, hello: ChatRequest, way: str
) -> None:
    """Nothing was sent; the SDK raises two different errors here."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"

    error = await failure(open_model(host=host), hello, way)

    assert type(error) is errors.ConnectionFailed
    assert (error.request_sent, error.retryable) == ("no", True)
    assert "that Ollama is running there" in error.message


@parametrize_ways
@pytest.mark.parametrize("fault", [Fault.RESET, Fault.CLOSE])
async def test_connection_lost_before_the_answer(
    server: FaultServer,
    open_model: OpenModel,
    hello: ChatRequest,
    fault: Fault,
    way: str,
) -> None:
    """The server may have begun."""
    server.respond(Scripted(before=fault))

    error = await failure(open_model(), hello, way)

    assert type(error) is errors.ConnectionFailed
    assert error.request_sent == "maybe"


@pytest.mark.parametrize(
    "answer",
    [
        Scripted.json(wire.chat()).shortened(40),
        Scripted(body=b"<html>", headers={"content-type": "text/html"}),
        Scripted.json([]),
        Scripted.json({}),
        Scripted.json({"message": {}, "done": True}),
        Scripted.json(wire.chat({"tool_calls": [{"function": {}}]})),
        Scripted(body=b"\xff\xfe{}"),
    ],
)
async def test_unusable_answer_is_an_invalid_reply(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest, answer: Scripted
) -> None:
    """Cut, of another shape, or no JSON at all."""
    server.respond(answer)

    assert type(await failure(open_model(), hello)) is errors.InvalidReply


async def test_long_error_page_is_shortened(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest
) -> None:
    """A proxy's page of HTML is not for a log."""
    server.respond(Scripted(status=502, body=b"<p>" * 9999))

    assert len((await failure(open_model(), hello)).message) < 300
