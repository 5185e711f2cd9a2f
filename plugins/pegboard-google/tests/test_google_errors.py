"""What the real SDK raises against a server that fails, as pegboard's errors."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from google.auth.exceptions import RefreshError, TransportError
from google.genai.errors import APIError
from pegboard import ChatRequest, errors
from pegboard.deadline import ends_at
from pegboard.testing import gemini_wire as wire
from pegboard.testing.fault_server import Fault, FaultServer, Scripted, retry_after
from pegboard_google._errors import translated

if TYPE_CHECKING:
    from pegboard_google._model import GeminiModel

OpenModel = Callable[..., "GeminiModel"]
Ask = Callable[[], Any]

STATUSES = {
    "INVALID_ARGUMENT": errors.InvalidRequest,
    "FAILED_PRECONDITION": errors.InvalidRequest,
    "UNAUTHENTICATED": errors.Authentication,
    "PERMISSION_DENIED": errors.PermissionDenied,
    "NOT_FOUND": errors.NotFound,
    "RESOURCE_EXHAUSTED": errors.RateLimited,
    "CANCELLED": errors.Unavailable,
    "INTERNAL": errors.Unavailable,
    "UNAVAILABLE": errors.Unavailable,
    "DEADLINE_EXCEEDED": errors.Timeout,
}
REASONS = {
    "API_KEY_INVALID": errors.Authentication,
    "API_KEY_SERVICE_BLOCKED": errors.PermissionDenied,
    "BILLING_DISABLED": errors.QuotaExceeded,
}


def quota(period: str) -> dict[str, Any]:
    """Return the detail that names the quota that is used up."""
    violation = {"quotaId": f"GenerateRequestsPer{period}PerProjectPerModel-FreeTier"}
    kind = "type.googleapis.com/google.rpc.QuotaFailure"
    return {"@type": kind, "violations": [violation]}


def refusal(status: str, *details: dict[str, Any]) -> Scripted:
    """Return the answer of a service that refuses with *status*."""
    told = wire.error(status, "No way.", *details)
    return Scripted.json(told, status=wire.STATUS[status])


@pytest.fixture
def model(open_model: OpenModel) -> GeminiModel:
    """Return a model at the server."""
    return open_model()


@pytest.fixture(params=["complete", "stream"])
def ask(request: pytest.FixtureRequest, model: GeminiModel, hello: ChatRequest) -> Ask:
    """Return what asks the model, in each of the ways in turn."""

    async def stream() -> list[object]:
        return [event async for event in model.stream(hello)]

    async def complete() -> object:
        return await model.complete(hello)

    return stream if request.param == "stream" else complete


@pytest.mark.parametrize("status", STATUSES)
async def test_refusal_is_classified_by_its_status(
    server: FaultServer, ask: Ask, status: str
) -> None:
    """The SDK's error is the cause."""
    server.respond(refusal(status))
    number = wire.STATUS[status]

    with pytest.raises(errors.CallError, match=f"answered {number}: No way") as caught:
        await ask()

    assert type(caught.value) is STATUSES[status]
    assert (caught.value.status, caught.value.code) == (number, status)
    assert isinstance(caught.value.__cause__, APIError)
    assert len(server.requests) == 1


@pytest.mark.parametrize("reason", REASONS)
async def test_reason_says_more_than_the_status(
    server: FaultServer, ask: Ask, reason: str
) -> None:
    """A wrong key comes as a bad request. Shape from the documentation."""
    server.respond(refusal("INVALID_ARGUMENT", wire.error_info(reason)))

    with pytest.raises(errors.CallError) as caught:
        await ask()

    assert type(caught.value) is REASONS[reason]
    assert caught.value.code == reason


@pytest.mark.parametrize(
    ("period", "kind"),
    [("Minute", errors.RateLimited), ("Day", errors.QuotaExceeded)],
)
async def test_quota_of_the_day_is_no_rate_limit(
    server: FaultServer, ask: Ask, period: str, kind: type[errors.CallError]
) -> None:
    """Only a minute is worth waiting for. Shape from the documentation."""
    server.respond(refusal("RESOURCE_EXHAUSTED", quota(period), wire.retry_info(34)))

    with pytest.raises(errors.CallError) as caught:
        await ask()

    assert type(caught.value) is kind
    assert caught.value.retryable is (period == "Minute")


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [("34s", 34.0), ("0.5s", 0.5), ("-1s", None), ("infs", None), ("soon", None)],
)
async def test_wait_is_read_from_the_body(
    server: FaultServer, ask: Ask, delay: str, seconds: float | None
) -> None:
    """No header has it. What is garbage says nothing."""
    detail = {**wire.retry_info(1), "retryDelay": delay}
    server.respond(refusal("RESOURCE_EXHAUSTED", detail))

    with pytest.raises(errors.RateLimited) as caught:
        await ask()

    assert caught.value.retry_after == seconds


@pytest.mark.parametrize("spelling", retry_after(60, now=0))
async def test_wait_is_read_from_the_header(
    server: FaultServer, ask: Ask, spelling: str
) -> None:
    """A gateway in between may send one."""
    busy = refusal("UNAVAILABLE").with_headers(retry_after(60, now=0)[spelling])
    server.respond(busy)

    with pytest.raises(errors.Unavailable) as caught:
        await ask()

    assert caught.value.retry_after == 60


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, errors.InvalidReply),
        (401, errors.Authentication),
        (404, errors.NotFound),
        (429, errors.RateLimited),
        (502, errors.Unavailable),
        (529, errors.Overloaded),
    ],
)
@pytest.mark.parametrize("body", [b"<h1>Bad gateway</h1>", b"[]", b'{"error": "no"}'])
async def test_refusal_of_another_shape_is_classified(
    server: FaultServer,
    ask: Ask,
    status: int,
    kind: type[errors.CallError],
    body: bytes,
) -> None:
    """Proxies answer with pages, and nobody is sent elsewhere with the key."""
    server.respond(
        Scripted(status=status, body=body, headers={"location": f"{server.url}/x"})
    )

    with pytest.raises(kind, match=str(status)) as caught:
        await ask()

    assert type(caught.value) is kind
    assert len(server.requests) == 1


async def test_refusal_in_a_list_is_read(server: FaultServer, ask: Ask) -> None:
    """So it comes where a stream was asked for."""
    told = [wire.error("RESOURCE_EXHAUSTED", "Too much.", wire.retry_info(3))]
    server.respond(Scripted.json(told, status=429))

    with pytest.raises(errors.RateLimited, match="Too much") as caught:
        await ask()

    assert caught.value.retry_after == 3


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
    assert isinstance(caught.value.__cause__, httpx2.ConnectError)


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
    """What it would have said is not known."""
    server.respond(Scripted(status=500, body=b"half of it", cut_after=4))

    with pytest.raises(errors.ConnectionFailed):
        await ask()


async def test_silence_is_a_timeout(
    server: FaultServer, model: GeminiModel, hello: ChatRequest, ask: Ask
) -> None:
    """The time that is left bounds the request, here on an open connection."""
    server.respond(Scripted(status=400), Scripted(before=Fault.HANG))
    with pytest.raises(errors.InvalidRequest):
        await model.complete(hello)
    token = ends_at.set(asyncio.get_running_loop().time() + 0.05)

    with pytest.raises(errors.Timeout) as caught:
        await ask()
    ends_at.reset(token)

    assert caught.value.request_sent == "maybe"
    assert isinstance(caught.value.__cause__, httpx2.ReadTimeout)
    assert server.requests[1].headers["x-server-timeout"] == "1"
    assert "x-server-timeout" not in server.requests[0].headers


@pytest.mark.parametrize(
    "body", [b'{"candidates": [', b"[]", b'"text"', b"null", b'{"candidates": []}']
)
async def test_unreadable_answer_is_an_invalid_reply(
    server: FaultServer, model: GeminiModel, hello: ChatRequest, body: bytes
) -> None:
    """Cut JSON, or JSON of another shape."""
    server.respond(Scripted(body=body, headers={"content-type": "application/json"}))

    with pytest.raises(errors.InvalidReply, match="unreadable"):
        await model.complete(hello)


async def test_page_is_no_answer(server: FaultServer, ask: Ask) -> None:
    """Though its status is 200."""
    page = Scripted(body=b"<h1>Log in</h1>", headers={"content-type": "text/html"})
    server.respond(page)

    with pytest.raises(errors.InvalidReply, match="unreadable"):
        await ask()


@pytest.mark.parametrize("event", [b"data: {\n\n", b"data: []\n\n", b"data: 1\n\n"])
async def test_unreadable_piece_is_an_invalid_reply(
    server: FaultServer, model: GeminiModel, hello: ChatRequest, event: bytes
) -> None:
    """It is the service that speaks nonsense, not the way to it."""
    server.respond(Scripted.events(wire.chunk(wire.text("Hel")), event))
    heard = []

    with pytest.raises(errors.InvalidReply, match="unreadable") as caught:
        async for one in model.stream(hello):
            heard.append(one)

    assert heard
    assert caught.value.in_stream


async def test_stream_that_is_cut_anywhere_is_no_reply(
    server: FaultServer, model: GeminiModel, hello: ChatRequest
) -> None:
    """Also within an event, where HTTP finds nothing wrong."""
    whole = Scripted.events(*wire.content_stream("Hel", "lo", "."))
    size = sum(map(len, whole.steps))

    for length in range(0, size - 1, 23):
        server.respond(whole.shortened(length))
        with pytest.raises(errors.ConnectionFailed, match="ended before"):
            [event async for event in model.stream(hello)]

    server.respond(whole)
    assert [event async for event in model.stream(hello)]


async def test_error_within_a_stream_is_classified(
    server: FaultServer, model: GeminiModel, hello: ChatRequest
) -> None:
    """By the same table as one before it."""
    broken = wire.error_event("RESOURCE_EXHAUSTED", "Enough.")
    server.respond(Scripted.events(wire.chunk(wire.text("Hel")), broken))

    with pytest.raises(errors.RateLimited, match="reported: Enough") as caught:
        [event async for event in model.stream(hello)]

    assert caught.value.in_stream
    assert caught.value.code == "RESOURCE_EXHAUSTED"


async def test_error_within_an_answer_is_classified(
    server: FaultServer, model: GeminiModel, hello: ChatRequest
) -> None:
    """A gateway may put it under a status of success."""
    server.respond(Scripted.json(wire.error("UNAVAILABLE", "Down.")))

    with pytest.raises(errors.Unavailable, match="Down"):
        await model.complete(hello)


async def test_model_that_would_change_the_address_is_refused(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Nothing is sent."""
    request = ChatRequest(messages=(), model="x?key=1")

    with pytest.raises(errors.InvalidRequest, match="No model is named"):
        await open_model().complete(request)

    assert server.requests == []


async def test_timeout_of_the_connection_was_not_sent() -> None:
    """Nobody took the call, so it may be made again."""
    error = translated(httpx2.ConnectTimeout("no answer"), lambda: 0.0)

    assert isinstance(error, errors.Timeout)
    assert error.request_sent == "no"


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (TransportError("no way there"), errors.ConnectionFailed),
        (RefreshError("invalid_grant"), errors.Authentication),
        (RefreshError("busy", retryable=True), errors.Unavailable),
    ],
)
async def test_credentials_fail_before_anything_is_sent(
    cause: Exception, kind: type[errors.CallError]
) -> None:
    """Where to get a token can be away, too."""
    error = translated(cause, lambda: 0.0)

    assert type(error) is kind
    assert error.request_sent == "no"


async def test_no_key_is_in_the_error(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest
) -> None:
    """Neither in the message nor in its causes."""
    server.respond(refusal("UNAUTHENTICATED"))

    with pytest.raises(errors.Authentication) as caught:
        await open_model(api_key="key-sentinel").complete(hello)

    shown = f"{caught.value!r} {caught.value.__cause__!r} {vars(caught.value)}"
    assert "key-sentinel" not in shown
