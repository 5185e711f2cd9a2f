"""What the real SDK raises against a server that fails, as pegboard's errors."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_args

import anthropic
import httpx2
import pytest
from anthropic.types.shared import ErrorType
from pegboard import ChatRequest, errors
from pegboard.deadline import ends_at
from pegboard.testing import anthropic_wire as wire
from pegboard.testing.fault_server import Fault, FaultServer, Scripted, retry_after
from pegboard_anthropic._errors import EXACT, LATE, VAGUE, reported, translated

if TYPE_CHECKING:
    from pegboard_anthropic._model import AnthropicModel

OpenModel = Callable[..., "AnthropicModel"]
Ask = Callable[[], Any]

KINDS = {
    "invalid_request_error": errors.InvalidRequest,
    "authentication_error": errors.Authentication,
    "billing_error": errors.QuotaExceeded,
    "permission_error": errors.PermissionDenied,
    "not_found_error": errors.NotFound,
    "conflict_error": errors.Conflict,
    "request_too_large": errors.InvalidRequest,
    "rate_limit_error": errors.RateLimited,
    "api_error": errors.Unavailable,
    "timeout_error": errors.Timeout,
    "overloaded_error": errors.Overloaded,
}
CODES = [
    (400, "organization_on_hold", errors.PermissionDenied),
    (402, "linked_organization_spend_limit_reached", errors.QuotaExceeded),
    (429, "enforced_spend_limit_reached", errors.QuotaExceeded),
    (429, "contract_spend_limit_reached", errors.QuotaExceeded),
    (429, "ramp_limit_exceeded", errors.RateLimited),
    (503, "cmek_key_unreachable", errors.Unavailable),
    (400, "brand_new", errors.InvalidRequest),
]
TYPE_OF = {
    400: "invalid_request_error",
    402: "billing_error",
    429: "rate_limit_error",
    503: "api_error",
}


@pytest.fixture
def model(open_model: OpenModel) -> AnthropicModel:
    """Return a model."""
    return open_model()


@pytest.fixture(params=["complete", "stream"])
def ask(
    request: pytest.FixtureRequest, model: AnthropicModel, hello: ChatRequest
) -> Ask:
    """Return what asks the model, in each of the ways in turn."""

    async def stream() -> list[object]:
        return [event async for event in model.stream(hello)]

    async def complete() -> object:
        return await model.complete(hello)

    return stream if request.param == "stream" else complete


@pytest.mark.parametrize("told", wire.STATUS)
async def test_refusal_is_classified(server: FaultServer, ask: Ask, told: str) -> None:
    """By type, else by status; the SDK's error is the cause."""
    status, kind = wire.STATUS[told], KINDS[told]
    server.respond(Scripted.json(wire.error(told, "No way."), status=status))

    with pytest.raises(kind, match=f"anthropic answered {status}: No way") as caught:
        await ask()

    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.code) == (status, told)
    assert isinstance(caught.value.__cause__, anthropic.APIStatusError)
    assert len(server.requests) == 1


@pytest.mark.parametrize("told", get_args(ErrorType))
def test_every_type_of_the_sdk_has_a_class(told: str) -> None:
    """Where it comes without a status; those of other APIs count as an outage."""
    known = {*EXACT, *VAGUE, "api_error"}

    assert told in known or told.startswith("memory_")


@pytest.mark.parametrize(("status", "code", "kind"), CODES)
async def test_code_says_more_than_the_type(
    server: FaultServer, ask: Ask, status: int, code: str, kind: type[errors.CallError]
) -> None:
    """A limit on spending comes as a limit on speed, but waiting does not help."""
    body = wire.error(TYPE_OF[status])
    body["error"]["details"] = {"error_code": code}
    server.respond(Scripted.json(body, status=status))

    with pytest.raises(kind) as caught:
        await ask()

    assert type(caught.value) is kind
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidRequest),
        (401, errors.Authentication),
        (404, errors.NotFound),
        (408, errors.Timeout),
        (422, errors.InvalidRequest),
        (429, errors.RateLimited),
        (502, errors.Unavailable),
        (529, errors.Overloaded),
    ],
)
@pytest.mark.parametrize("body", [b"<h1>Bad gateway</h1>", b"", b"[]", b'{"error":1}'])
async def test_refusal_of_another_shape_is_classified(
    server: FaultServer,
    ask: Ask,
    status: int,
    kind: type[errors.CallError],
    body: bytes,
) -> None:
    """Proxies answer with pages."""
    server.respond(Scripted(status=status, body=body))

    with pytest.raises(kind, match=str(status)) as caught:
        await ask()

    assert type(caught.value) is kind


@pytest.mark.parametrize("spelling", retry_after(7, now=0.0))
async def test_retry_after_is_kept(
    server: FaultServer, ask: Ask, spelling: str
) -> None:
    """In every spelling."""
    headers = retry_after(7, now=0.0)[spelling]
    server.respond(
        Scripted.json(wire.error("rate_limit_error"), status=429, headers=headers)
    )

    with pytest.raises(errors.RateLimited) as caught:
        await ask()

    assert caught.value.retry_after == 7


async def test_refused_connection_was_not_sent(
    open_model: OpenModel, hello: ChatRequest
) -> None:
    """Nothing listens there, so the call may be made again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    model = open_model(base_url=f"http://127.0.0.1:{port}")

    with pytest.raises(errors.ConnectionFailed) as caught:
        await model.complete(hello)

    assert caught.value.request_sent == "no"
    assert isinstance(caught.value.__cause__, anthropic.APIConnectionError)


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


async def test_reset_within_a_stream_is_a_lost_connection(
    server: FaultServer, model: AnthropicModel, hello: ChatRequest
) -> None:
    """The error of the HTTP client comes as it is, and is the cause."""
    go = asyncio.Event()
    steps = wire.message_stream("Hel", "lo.")[:4]
    server.respond(Scripted.events(*steps, go, Fault.RESET))

    with pytest.raises(errors.ConnectionFailed) as caught:
        async for _ in model.stream(hello):
            go.set()

    assert isinstance(caught.value.__cause__, httpx2.RequestError)
    assert caught.value.in_stream


async def test_silence_is_a_timeout(
    server: FaultServer, model: AnthropicModel, hello: ChatRequest, ask: Ask
) -> None:
    """No more is waited than there is time left, here on an open connection."""
    server.respond(Scripted(status=400), Scripted(before=Fault.HANG))
    with pytest.raises(errors.InvalidRequest):
        await model.complete(hello)
    token = ends_at.set(asyncio.get_running_loop().time() + 0.05)

    with pytest.raises(errors.Timeout) as caught:
        await ask()
    ends_at.reset(token)

    assert caught.value.request_sent == "maybe"
    assert isinstance(caught.value.__cause__, LATE)


@pytest.mark.parametrize(
    "body",
    [
        b'{"content": [',
        b"[]",
        b'"text"',
        b"null",
        b'{"content": []}',
        b"{}",
        b"",
        b"\xff",
        b"<h1>Log in</h1>",
        b'{"stop_reason": "end_turn", "content": [{}], "usage": {}}',
    ],
)
async def test_unreadable_answer_is_an_invalid_reply(
    server: FaultServer, model: AnthropicModel, hello: ChatRequest, body: bytes
) -> None:
    """Cut JSON, JSON of another shape, or a page with status 200."""
    headers = {"content-type": "application/json"}
    server.respond(Scripted(body=body, headers=headers))

    with pytest.raises(errors.InvalidReply, match="unreadable"):
        await model.complete(hello)


def test_timeout_of_the_connection_was_not_sent() -> None:
    """Nobody took the call, so it may be made again."""
    late = anthropic.APITimeoutError(httpx2.Request("POST", "http://host/v1"))
    late.__cause__ = httpx2.ConnectTimeout("no answer")

    error = translated(late, lambda: 0.0)

    assert isinstance(error, errors.Timeout)
    assert error.request_sent == "no"


def test_fault_of_ones_own_is_not_tried_again() -> None:
    """The SDK disguises whatever goes wrong as a lost connection."""
    lost = anthropic.APIConnectionError(request=httpx2.Request("POST", "http://host"))
    lost.__cause__ = RuntimeError("Event loop is closed")

    error = translated(lost, lambda: 0.0)

    assert isinstance(error, errors.ConnectionFailed)
    assert not error.retryable
    assert "Event loop is closed" in str(error)


@pytest.mark.parametrize("body", [None, "text", [], {"error": "Oh no."}, {"error": {}}])
def test_report_of_another_shape_is_an_outage(body: object) -> None:
    """It says as much as there is."""
    assert type(reported(body)) is errors.Unavailable


async def test_no_key_is_in_the_error(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest
) -> None:
    """Neither in the message nor in its causes."""
    server.respond(Scripted.json(wire.error("authentication_error"), status=401))

    with pytest.raises(errors.Authentication) as caught:
        await open_model(api_key="sk-sentinel").complete(hello)

    shown = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__dict__}"
    assert "sk-sentinel" not in shown
