"""What the real SDK raises against a server that fails, as pegboard's errors."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx2
import openai
import pytest
from pegboard import ChatRequest, errors
from pegboard.deadline import ends_at
from pegboard.testing import openai_wire as wire
from pegboard.testing.fault_server import Fault, FaultServer, Scripted
from pegboard_openai._errors import translated

if TYPE_CHECKING:
    from pegboard_openai._model import OpenAIModel

OpenModel = Callable[..., "OpenAIModel"]
Ask = Callable[[], Any]

REFUSALS = [
    (400, {}, errors.InvalidRequest, openai.BadRequestError),
    (
        400,
        {"code": "context_length_exceeded"},
        errors.ContextLengthExceeded,
        openai.BadRequestError,
    ),
    (400, {"code": "content_filter"}, errors.ContentFiltered, openai.BadRequestError),
    (
        401,
        {"code": "invalid_api_key"},
        errors.Authentication,
        openai.AuthenticationError,
    ),
    (403, {}, errors.PermissionDenied, openai.PermissionDeniedError),
    (404, {"code": "model_not_found"}, errors.NotFound, openai.NotFoundError),
    (408, {}, errors.Timeout, openai.APIStatusError),
    (409, {}, errors.Conflict, openai.ConflictError),
    (422, {}, errors.InvalidRequest, openai.UnprocessableEntityError),
    (429, {}, errors.RateLimited, openai.RateLimitError),
    (429, {"code": "insufficient_quota"}, errors.QuotaExceeded, openai.RateLimitError),
    (429, {"kind": "insufficient_quota"}, errors.QuotaExceeded, openai.RateLimitError),
    (500, {}, errors.Unavailable, openai.InternalServerError),
    (503, {"code": "slow_down"}, errors.Overloaded, openai.InternalServerError),
    (529, {}, errors.Overloaded, openai.InternalServerError),
]


@pytest.fixture(params=["chat", "responses"])
def model(request: pytest.FixtureRequest, open_model: OpenModel) -> OpenAIModel:
    """Return a model that uses each of the APIs in turn."""
    return open_model(request.param)


@pytest.fixture(params=["complete", "stream"])
def ask(request: pytest.FixtureRequest, model: OpenAIModel, hello: ChatRequest) -> Ask:
    """Return what asks the model, in each of the ways in turn."""

    async def stream() -> list[object]:
        return [event async for event in model.stream(hello)]

    async def complete() -> object:
        return await model.complete(hello)

    return stream if request.param == "stream" else complete


@pytest.mark.parametrize(("status", "told", "kind", "cause"), REFUSALS)
async def test_refusal_is_classified(
    server: FaultServer,
    ask: Ask,
    status: int,
    told: dict[str, str],
    kind: type[errors.CallError],
    cause: type[Exception],
) -> None:
    """By code, else by type, else by status; the SDK's error is the cause."""
    server.respond(Scripted.json(wire.error("No way.", **told), status=status))

    with pytest.raises(kind, match=f"openai answered {status}: No way") as caught:
        await ask()

    assert type(caught.value) is kind
    assert caught.value.status == status
    assert isinstance(caught.value.__cause__, cause)
    assert len(server.requests) == 1


async def test_code_of_the_service_is_kept(server: FaultServer, ask: Ask) -> None:
    """Programs may know more codes than we do."""
    server.respond(Scripted.json(wire.error(code="brand_new"), status=400))

    with pytest.raises(errors.InvalidRequest) as caught:
        await ask()

    assert caught.value.code == "brand_new"


async def test_status_repeated_as_a_code_is_no_code(
    server: FaultServer, ask: Ask
) -> None:
    """Some services say 400 twice; the type is the name then."""
    told = wire.error(kind="exceed_context_size_error", code="400")
    server.respond(Scripted.json(told, status=400))

    with pytest.raises(errors.ContextLengthExceeded) as caught:
        await ask()

    assert caught.value.code == "exceed_context_size_error"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"Retry-After": "Thu, 01 Jan 1970 00:01:00 GMT"}, 60.0),
        ({"Retry-After": "-1"}, None),
        ({}, None),
    ],
)
async def test_retry_after_is_kept(
    server: FaultServer, ask: Ask, headers: dict[str, str], seconds: float | None
) -> None:
    """Seconds, milliseconds or a date; what is garbage says nothing."""
    server.respond(Scripted.json(wire.error(), status=429, headers=headers))

    with pytest.raises(errors.RateLimited) as caught:
        await ask()

    assert caught.value.retry_after == seconds


async def test_refusal_that_is_not_json_is_classified(
    server: FaultServer, ask: Ask
) -> None:
    """Proxies answer with pages."""
    server.respond(Scripted(status=502, body=b"<h1>Bad gateway</h1>"))

    with pytest.raises(errors.Unavailable, match="502"):
        await ask()


async def test_refused_connection_was_not_sent(
    open_model: OpenModel, hello: ChatRequest
) -> None:
    """Nothing listens there, so the call may be made again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    model = open_model(base_url=f"http://127.0.0.1:{port}/v1")

    with pytest.raises(errors.ConnectionFailed) as caught:
        await model.complete(hello)

    assert caught.value.request_sent == "no"
    assert isinstance(caught.value.__cause__, openai.APIConnectionError)


async def test_reset_before_the_answer_may_have_been_sent(
    server: FaultServer, ask: Ask
) -> None:
    """The service may have acted on the request."""
    server.respond(Scripted(before=Fault.RESET))

    with pytest.raises(errors.ConnectionFailed) as caught:
        await ask()

    assert caught.value.request_sent == "maybe"
    assert caught.value.retryable
    assert not caught.value.in_stream


async def test_reset_within_a_refusal_is_a_lost_connection(
    server: FaultServer, ask: Ask
) -> None:
    """The SDK lets go the error of its HTTP client there."""
    server.respond(Scripted(status=500, body=b"half of it", cut_after=4))

    with pytest.raises(errors.ConnectionFailed):
        await ask()


async def test_silence_is_a_timeout(
    server: FaultServer, model: OpenAIModel, hello: ChatRequest, ask: Ask
) -> None:
    """It is known how much time is left, here on an open connection."""
    server.respond(Scripted(status=400), Scripted(before=Fault.HANG))
    with pytest.raises(errors.InvalidRequest):
        await model.complete(hello)
    token = ends_at.set(asyncio.get_running_loop().time() + 0.05)

    with pytest.raises(errors.Timeout) as caught:
        await ask()
    ends_at.reset(token)

    assert caught.value.request_sent == "maybe"
    assert isinstance(caught.value.__cause__, openai.APITimeoutError | TimeoutError)


@pytest.mark.parametrize(
    "body", [b'{"choices": [', b"[]", b'"text"', b"null", b'{"choices": []}', b"{}"]
)
async def test_unreadable_answer_is_an_invalid_reply(
    server: FaultServer, model: OpenAIModel, hello: ChatRequest, body: bytes
) -> None:
    """Cut JSON, or JSON of another shape."""
    headers = {"content-type": "application/json"}
    server.respond(Scripted(body=body, headers=headers))

    with pytest.raises(errors.InvalidReply, match="unreadable"):
        await model.complete(hello)


async def test_answer_that_is_not_json_is_an_invalid_reply(
    server: FaultServer, model: OpenAIModel, hello: ChatRequest
) -> None:
    """A page with status 200 is not an answer."""
    server.respond(
        Scripted(body=b"<h1>Log in</h1>", headers={"content-type": "text/html"})
    )

    with pytest.raises(errors.InvalidReply):
        await model.complete(hello)


async def test_timeout_of_the_connection_was_not_sent() -> None:
    """Nobody took the call, so it may be made again."""
    late = openai.APITimeoutError(httpx2.Request("POST", "http://host/v1"))
    late.__cause__ = httpx2.ConnectTimeout("no answer")

    error = translated(late, "openai", lambda: 0.0)

    assert isinstance(error, errors.Timeout)
    assert error.request_sent == "no"


async def test_no_key_is_in_the_error(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest
) -> None:
    """Neither in the message nor in its causes."""
    server.respond(Scripted.json(wire.error(), status=401))

    with pytest.raises(errors.Authentication) as caught:
        await open_model(api_key="sk-sentinel").complete(hello)

    shown = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__dict__}"
    assert "sk-sentinel" not in shown
