from __future__ import annotations

import asyncio
import traceback
import zlib

import pytest
from pegboard import Context, errors
from pegboard.deadline import shared_deadline
from pegboard.testing import FaultServer, no_leaks
from pegboard.testing.fault_server import Fault, Scripted
from pegboard_aws.connection import Connection, Service, ServiceAnswer, _address
from pegboard_aws.options import AWSOptions

SERVICE = Service("shop", target="Shop_2020", kinds={"SoldOut": errors.Conflict})
TOKEN = "sentinel-7"
DONE = Scripted.json({"Done": True})


@pytest.fixture
async def server():
    """Return a server that answers as it is told."""
    async with FaultServer() as server:
        yield server


@pytest.fixture
async def connect(server, tmp_path):
    """Return a function that makes a connection to it."""
    open_ = []

    def connect(service=SERVICE, context=None, **options):
        given = {
            "endpoint": server.url,
            "region": "eu-west-1",
            "access_key_id": "the-id",
            "secret_access_key": "the-key",
            **options,
        }
        options = AWSOptions.model_validate(given)
        context = context or Context("storage.kit", tmp_path)
        open_.append(Connection(options, context, service))
        return open_[-1]

    yield connect
    for connection in open_:
        await connection.aclose()


async def test_action_is_posted_and_signed(connect, server):
    """The service is told what to do, in its own words, and by whom."""
    server.respond(DONE)

    assert await connect().call("Buy", {"What": "\u00fc"}) == {"Done": True}
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/")
    assert request.json == {"What": "\u00fc"}
    assert request.headers["x-amz-target"] == "Shop_2020.Buy"
    assert request.headers["content-type"] == "application/x-amz-json-1.0"
    assert request.headers["host"] == server.url.removeprefix("http://")
    assert request.headers["accept-encoding"] == "identity"
    scope = request.headers["authorization"].partition("Credential=")[2]
    assert scope.startswith("the-id/")
    assert "/eu-west-1/shop/aws4_request," in scope
    assert "x-amz-security-token" not in request.headers


async def test_token_of_a_session_is_sent(connect, server):
    """Keys that are good for a while come with one."""
    server.respond(DONE)
    await connect(session_token="the-token").call("Buy", {})

    assert server.requests[0].headers["x-amz-security-token"] == "the-token"


async def test_no_answer_is_an_empty_one(connect, server):
    """Some actions have nothing to say."""
    server.respond(Scripted(body=[]))

    assert await connect().call("Buy", {}) == {}


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "SoldOut", errors.Conflict),
        (400, "com.example#SoldOut", errors.Conflict),
        (400, "ThrottlingException", errors.RateLimited),
        (400, "ResourceNotFoundException", errors.NotFound),
        (400, "AccessDeniedException", errors.PermissionDenied),
        (400, "ExpiredTokenException", errors.Authentication),
        (400, "ValidationException", errors.InvalidRequest),
        (403, "Whatever", errors.PermissionDenied),
        (500, "InternalServerError", errors.Unavailable),
        (503, "Whatever", errors.Unavailable),
    ],
)
async def test_refusal_is_told(connect, server, status, code, kind):
    """By its code where that is known, else by its status."""
    body = {"__type": code, "message": "Because."}
    server.respond(Scripted.json(body, status=status))

    with pytest.raises(
        errors.CallError, match=r"shop refuses: \w+\. Because\."
    ) as seen:
        await connect().call("Buy", {})
    assert type(seen.value) is kind
    assert (seen.value.code, seen.value.status) == (code.split("#")[-1], status)
    assert isinstance(seen.value.__cause__, ServiceAnswer)
    assert seen.value.__cause__.body == body
    assert len(server.requests) == 1


async def test_refusal_shows_no_token(connect, server):
    """The service repeats all that it was sent, where a signature does not fit."""
    told = f"It does not fit.\n\nThe canonical string is\n'POST\nx-token:{TOKEN}\n'"
    body = {"__type": "InvalidSignatureException", "message": told}
    server.respond(Scripted.json(body, status=403))

    with pytest.raises(errors.Authentication, match=r"It does not fit\.") as seen:
        await connect(session_token=TOKEN).call("Buy", {})
    trace = "".join(traceback.format_exception(seen.value))
    assert TOKEN not in f"{trace} {seen.value!r} {seen.value.__cause__!r}"


async def test_waiting_time_is_told(connect, server):
    """A service that has too much to do says when to come again."""
    busy = Scripted.json({"__type": "ThrottlingException"}, status=400)
    server.respond(busy.with_headers({"retry-after": "7"}))

    with pytest.raises(errors.RateLimited) as seen:
        await connect().call("Buy", {})
    assert seen.value.retry_after == 7


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, errors.InvalidReply), (302, errors.InvalidReply), (502, errors.Unavailable)],
)
async def test_page_instead_of_an_answer_is_told(connect, server, status, kind):
    """Something else answers where the service should be."""
    server.respond(Scripted(status=status, body=[b"<html>"]))

    with pytest.raises(kind, match="unreadable"):
        await connect().call("Buy", {})


async def test_damaged_answer_is_not_believed(connect, server):
    """A checksum that is sent along is compared."""
    body = b'{"Done": true}'
    right = Scripted(body=[body]).with_headers({"x-amz-crc32": str(zlib.crc32(body))})
    server.respond(right, right.with_headers({"x-amz-crc32": "1"}))
    connection = connect()

    assert await connection.call("Buy", {}) == {"Done": True}
    with pytest.raises(errors.InvalidReply, match="checksum"):
        await connection.call("Buy", {})


@pytest.mark.parametrize("fault", [Fault.CLOSE, Fault.RESET])
@pytest.mark.parametrize("told", [b"", b'{"Done"'])
async def test_broken_connection_is_told_and_nothing_repeated(
    connect, server, fault, told
):
    """Whether the request was done, nobody knows."""
    broken = Scripted(body=[told, fault]) if told else Scripted(before=fault)
    server.respond(broken, DONE)
    connection = connect()

    with pytest.raises(errors.ConnectionFailed) as seen:
        await connection.call("Buy", {})
    assert seen.value.request_sent == "maybe"
    assert len(server.requests) == 1
    assert await connection.call("Buy", {}) == {"Done": True}


async def test_nobody_there_was_sent_nothing(connect, unused_tcp_port):
    """The call can be made again without any doubt."""
    with pytest.raises(errors.ConnectionFailed) as seen:
        await connect(endpoint=f"http://127.0.0.1:{unused_tcp_port}").call("Buy", {})
    assert seen.value.request_sent == "no"


async def test_time_that_is_left_is_all_that_is_taken(connect, server):
    """A silent service is left when the time is over."""
    server.respond(Scripted(body=[Fault.HANG]))
    connection = connect()

    ends = asyncio.get_running_loop().time() + 0.05
    with shared_deadline(ends), pytest.raises(errors.Timeout):
        await connection.call("Buy", {})
    await (await server.next_request()).left.wait()


async def test_nothing_is_left_open(connect, server):
    """Closed is closed."""
    async with no_leaks():
        server.respond(DONE)
        connection = connect()
        await connection.call("Buy", {})
        await connection.aclose()


@pytest.mark.parametrize("value", [float("nan"), b"octets", "\ud800", object()])
async def test_what_json_cannot_say_is_not_sent(connect, server, value):
    """The error comes before the request."""
    with pytest.raises(errors.InvalidRequest) as seen:
        await connect().call("Buy", {"x": value})
    assert seen.value.request_sent == "no"
    assert server.requests == []


async def test_proxy_of_the_variables_is_used(connect, server, monkeypatch):
    """As all tools have it, with the places that need none."""
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server.respond(DONE, DONE)
    await connect(endpoint="http://shop.example").call("Buy", {})
    await connect().call("Buy", {})

    paths = [request.path for request in server.requests]
    assert paths == ["http://shop.example/", "/"]


@pytest.mark.parametrize(
    ("region", "address"),
    [
        ("eu-central-1", "https://sqs.eu-central-1.amazonaws.com"),
        ("us-gov-west-1", "https://sqs.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "https://sqs.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_region_says_where_a_service_is(region, address):
    """Those in China have a domain of their own."""
    assert _address("sqs", region) == address
