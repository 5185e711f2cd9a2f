from __future__ import annotations

import asyncio
import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from loguru import logger
from pegboard import KeyValue, Pegboard, Queue, errors
from pegboard_aws.functions import Answer, log_as_json, webhook

SECOND = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/hooks/x y",
    "rawQueryString": "a=1&a=2&b=%C3%BC&c=",
    "cookies": ["one=1", "two=2"],
    "headers": {"Content-Type": "text/plain", "x-many": "a,b"},
    "requestContext": {
        "http": {"method": "POST", "path": "/hooks/x y", "sourceIp": "203.0.113.9"},
        "requestId": "gateway-1",
    },
    "body": "d8O8",
    "isBase64Encoded": True,
}
FIRST = {
    "version": "1.0",
    "httpMethod": "post",
    "path": "/hooks/x y",
    "headers": {"Content-Type": "text/plain", "X-Many": "b"},
    "multiValueHeaders": {"Content-Type": ["text/plain"], "X-Many": ["a", "b"]},
    "queryStringParameters": {"a": "2", "b": "\u00fc", "c": ""},
    "multiValueQueryStringParameters": {"a": ["1", "2"], "b": ["\u00fc"], "c": [""]},
    "requestContext": {
        "identity": {"sourceIp": "203.0.113.9"},
        "requestId": "gateway-1",
    },
    "body": "w\u00fc",
    "isBase64Encoded": False,
}
BALANCER = {
    "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:x"}},
    "httpMethod": "POST",
    "path": "/hooks/x y",
    "queryStringParameters": {"b": "%C3%BC", "c": ""},
    "headers": {
        "content-type": "text/plain",
        "x-forwarded-for": "9.9.9.9, 203.0.113.9",
    },
    "body": "w\u00fc",
    "isBase64Encoded": False,
}
SENTINEL = "sentinel-1"
MEMORY = {"storage": {"kept": {"provider": "memory"}}}


class Context:
    """What Lambda gives beside an event."""

    function_name = "hooks"
    aws_request_id = "invocation-1"

    def __init__(self, milliseconds=3000):
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self):
        return self._milliseconds


@pytest.fixture
def make_webhook():
    """Return a function that makes a webhook of a handler."""
    made = []

    def make_webhook(handler, **options):
        options = {"board": lambda: Pegboard.isolated(MEMORY), **options}
        made.append(webhook(handler, **options))
        return made[-1]

    yield make_webhook
    for one in made:
        one.close()


@pytest.fixture
def lines(capsys):
    """Return a function that returns what was logged, as JSON."""
    log_as_json()
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    logger.remove()


@pytest.fixture
def seen(make_webhook):
    """Return the requests that a webhook took, and that webhook."""
    requests = []

    async def handle(_board, request):
        requests.append(request)
        return Answer("fine")

    return requests, make_webhook(handle)


@pytest.mark.parametrize("event", [SECOND, FIRST, BALANCER])
def test_request_is_the_same_from_everywhere(seen, event):
    """Whatever Lambda is called by, the handler sees one kind of request."""
    requests, take = seen
    answer = take(event, Context())
    (request,) = requests

    assert (request.method, request.path) == ("POST", "/hooks/x y")
    assert (request.body, request.text) == ("w\u00fc".encode(), "w\u00fc")
    assert request.query["b"] == ("\u00fc",)
    assert request.query["c"] == ("",)
    assert request.headers["content-type"] == "text/plain"
    assert request.client == "203.0.113.9"
    assert (answer["statusCode"], answer["body"]) == (200, "fine")
    assert answer["headers"]["content-type"] == "text/plain; charset=utf-8"
    assert answer["isBase64Encoded"] is False


@pytest.mark.parametrize("event", [SECOND, FIRST])
def test_several_of_one_name_are_kept(seen, event):
    """Of a parameter in their order, of a header with commas."""
    requests, take = seen
    take(event, Context())

    assert requests[0].query["a"] == ("1", "2")
    assert requests[0].headers["x-many"].replace(", ", ",") == "a,b"


def test_cookies_are_a_header(seen):
    """As they were before the gateway took them apart."""
    requests, take = seen
    take(SECOND, Context())

    assert requests[0].headers["cookie"] == "one=1; two=2"


def test_balancer_may_have_several_values(seen):
    """It is answered as it asked."""
    requests, take = seen
    event = {
        **BALANCER,
        "headers": None,
        "multiValueHeaders": {"X-Many": ["a", "b"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": {"%C3%BC": ["1+2"]},
    }
    answer = take(event, Context())

    assert requests[0].headers == {"x-many": "a, b"}
    assert requests[0].query == {"\u00fc": ("1 2",)}
    assert answer["statusDescription"] == "200 OK"
    assert answer["multiValueHeaders"]["content-type"] == ["text/plain; charset=utf-8"]


def test_balancer_takes_any_status(make_webhook):
    """Also one that has no name."""

    async def handle(_board, _request):
        return Answer(status=599)

    assert make_webhook(handle)(BALANCER, Context())["statusDescription"] == "599"


def test_empty_request_is_one(seen):
    """A gateway says null of what there is none of."""
    requests, take = seen
    nothing = {
        "httpMethod": "GET",
        "path": "/",
        "headers": None,
        "multiValueHeaders": None,
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {},
        "body": None,
    }
    take(nothing, Context())

    (request,) = requests
    assert (request.headers, request.query, request.body) == ({}, {}, b"")
    assert (request.client, request.correlation_id) == (None, "invocation-1")


def test_octets_and_json_are_answered(make_webhook):
    """Octets go in base 64, which Lambda undoes."""
    answers = [
        Answer(b"\x00\xff", headers={"Content-Type": "image/png"}),
        Answer.json({"a": "\u00fc"}, status=201),
    ]

    async def handle(_board, _request):
        return answers.pop(0)

    take = make_webhook(handle)
    image, value = take(SECOND, Context()), take(SECOND, Context())

    assert image["isBase64Encoded"] is True
    assert base64.b64decode(image["body"]) == b"\x00\xff"
    assert image["headers"]["content-type"] == "image/png"
    assert (value["statusCode"], json.loads(value["body"])) == (201, {"a": "\u00fc"})
    assert value["headers"]["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Correlation-Id": "one", "x-request-id": "two"}, "one"),
        ({"x-request-id": "two"}, "two"),
        ({}, "gateway-1"),
        ({"x-correlation-id": "two\nlines"}, "gateway-1"),
        ({"x-correlation-id": "x" * 129}, "gateway-1"),
        ({"x-correlation-id": ""}, "gateway-1"),
    ],
)
def test_request_has_one_name_everywhere(make_webhook, lines, headers, expected):
    """Callers find it in the answer, and everybody in the log."""

    async def handle(_board, request):
        logger.info("Somebody asks.")
        return Answer(request.correlation_id)

    answer = make_webhook(handle)({**SECOND, "headers": headers}, Context())

    assert answer["body"] == answer["headers"]["x-correlation-id"] == expected
    said, done = lines()
    assert said["message"] == "Somebody asks."
    assert said["correlation_id"] == done["correlation_id"] == expected
    assert (said["request_id"], said["function"]) == ("invocation-1", "hooks")
    assert (done["status"], done["method"]) == (200, "POST")
    assert (done["component"], done["level"]) == ("function", "INFO")


def test_failure_is_logged_and_not_shown(make_webhook, lines):
    """The caller is told that it failed, and under which name it is found."""

    async def handle(_board, _request):
        raise ValueError(SENTINEL)

    answer = make_webhook(handle)(SECOND, Context())
    failure, done = lines()

    assert answer["statusCode"] == done["status"] == 500
    assert SENTINEL not in json.dumps(answer)
    assert (failure["level"], failure["error"]) == ("ERROR", "ValueError")
    assert SENTINEL in failure["traceback"]
    assert failure["correlation_id"] == "gateway-1"


def test_something_else_than_an_answer_is_a_failure(make_webhook, lines):
    """The log says what to return."""

    async def handle(_board, _request):
        return "fine"

    assert make_webhook(handle)(SECOND, Context())["statusCode"] == 500
    assert "Return an Answer" in lines()[0]["traceback"]


def test_late_handler_is_answered_for(make_webhook, lines):
    """Before Lambda ends the process, the caller gets an answer."""

    async def handle(_board, _request):
        await asyncio.Event().wait()

    answer = make_webhook(handle)(SECOND, Context(milliseconds=510))

    assert answer["statusCode"] == 503
    assert lines()[0]["error"] == "TimeoutError"


def test_board_and_loop_stay(make_webhook):
    """What is open is used by the next request, too."""
    made = []

    def make_board():
        made.append(Pegboard.isolated(MEMORY))
        return made[-1]

    async def handle(board, _request):
        kept = board.storage("kept", KeyValue)
        loops = [*(await kept.get("loops") or []), id(asyncio.get_running_loop())]
        await kept.set("loops", loops)
        return Answer.json(loops)

    take = make_webhook(handle, board=make_board)
    assert made == []
    *_, last = [json.loads(take(SECOND, Context())["body"]) for _ in range(3)]

    assert len(made) == 1
    assert len(last) == 3
    assert len({*last}) == 1


def test_settings_that_are_wrong_are_told_each_time(make_webhook, lines):
    """A board that could not be made is tried again, and the caller is answered."""

    async def handle(_board, _request):
        return Answer("fine")

    def make_board():
        return Pegboard.isolated({"storag": {}})

    take = make_webhook(handle, board=make_board)
    assert [take(SECOND, Context())["statusCode"] for _ in range(2)] == [500, 500]
    assert lines()[0]["error"] == "SettingsError"


@pytest.mark.parametrize(
    "event", [{}, {"Records": []}, {"requestContext": None}, {"requestContext": {}}]
)
def test_other_events_are_refused(seen, event):
    """The error says which ones are known."""
    with pytest.raises(errors.InvalidRequest, match="function URLs, API Gateway"):
        seen[1](event, Context())


def test_function_can_be_called_by_hand(seen):
    """Without what Lambda gives besides, there is no end to the time."""
    assert seen[1](FIRST)["statusCode"] == 200


class Busy(BaseHTTPRequestHandler):
    """Answers as SQS does, and closes the connection when it is told to."""

    protocol_version = "HTTP/1.1"
    may_close = threading.Semaphore(0)
    gone = threading.Semaphore(0)

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = b'{"MessageId": "m-1"}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        self.close_connection = self.may_close.acquire(timeout=10)

    def log_message(self, *arguments):
        """Say nothing."""


class Closing(ThreadingHTTPServer):
    """Tells when it has closed a connection."""

    def shutdown_request(self, request):
        super().shutdown_request(request)
        Busy.gone.release()


@pytest.fixture
def closing():
    """Return the address of a service that closes what is idle."""
    with Closing(("127.0.0.1", 0), Busy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield "http://{}:{}/1/jobs".format(*server.server_address)
        server.shutdown()
        thread.join()


def test_connection_that_ended_between_events_is_not_used(make_webhook, closing):
    """Nothing runs between two events, so nobody saw it end."""
    jobs = {
        "provider": "sqs",
        "url": closing,
        "region": "eu-central-1",
        "access_key_id": "k",
        "secret_access_key": "k",
        "policy": {"attempts": 1},
    }

    async def handle(board, request):
        return Answer(await board.integration("jobs", Queue).publish(request.text))

    take = make_webhook(
        handle, board=lambda: Pegboard.isolated({"integrations": {"jobs": jobs}})
    )
    for _ in range(3):
        assert take(SECOND, Context())["body"] == "m-1"
        Busy.may_close.release()
        assert Busy.gone.acquire(timeout=10)
