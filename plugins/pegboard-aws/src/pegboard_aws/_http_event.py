"""HTTP requests as Lambda tells of them, and answers as it wants them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, unquote_plus

from pegboard.errors import InvalidRequest

PHRASES = {status.value: status.phrase for status in HTTPStatus}
CORRELATION_HEADERS = ("x-correlation-id", "x-request-id")
CORRELATION = re.compile(r"[!-~]{1,128}")
Pairs = Sequence[tuple[str, str]]
Shape = Literal["balancer", "first", "second"]
"""That of a load balancer, and those of the formats 1.0 and 2.0 of API Gateway."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that came in over HTTP."""

    method: str
    """In capitals."""
    path: str
    query: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """By names in lower case; several of one name with commas between them."""
    body: bytes = field(default=b"", repr=False)
    client: str | None = None
    """The address that it came from."""
    correlation_id: str = "none"
    """What the caller calls it, or the gateway: goes into logs, and along with jobs."""
    event: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """All that Lambda told."""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer."""

    body: str | bytes = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(
        cls, value: object, *, status: int = 200, headers: Mapping[str, str] = {}
    ) -> Self:
        """Return the answer that is *value* as JSON."""
        kind = {"content-type": "application/json"}
        return cls(json.dumps(value), status, {**kind, **headers})


def request_of(event: Mapping[str, Any], *, otherwise: str) -> Request:
    """
    Return the request that *event* tells of.

    Args:
        event: Of a function URL, an API Gateway or a load balancer.
        otherwise: The correlation id where nobody gave it one.

    """
    shape = _shape(event)
    context = event.get("requestContext") or {}
    http = context.get("http") or {}
    headers = {name.lower(): text for name, text in _headers(event)}
    named = context.get("requestId")
    return Request(
        method=str(http.get("method") or event.get("httpMethod")).upper(),
        path=str(event.get("rawPath") or event.get("path") or "/"),
        query=_grouped(_query(event, shape)),
        headers=headers,
        body=_body(event),
        client=_client(context, headers),
        correlation_id=_correlation(headers) or named or otherwise,
        event=event,
    )


def told(answer: Answer, request: Request) -> dict[str, Any]:
    """Return *answer* as Lambda wants it for *request*."""
    is_text = isinstance(answer.body, str)
    kind = "text/plain; charset=utf-8" if is_text else "application/octet-stream"
    given = {name.lower(): text for name, text in answer.headers.items()}
    headers = {
        "content-type": kind,
        CORRELATION_HEADERS[0]: request.correlation_id,
        **given,
    }
    body = answer.body
    reply: dict[str, Any] = {
        "statusCode": answer.status,
        "headers": headers,
        "body": body if isinstance(body, str) else base64.b64encode(body).decode(),
        "isBase64Encoded": not is_text,
    }
    if _shape(request.event) == "balancer":
        phrase = PHRASES.get(answer.status, "")
        reply["statusDescription"] = f"{answer.status} {phrase}".rstrip()
        if "multiValueHeaders" in request.event:
            reply["multiValueHeaders"] = {n: [text] for n, text in headers.items()}
    return reply


def _shape(event: Mapping[str, Any]) -> Shape:
    context = event.get("requestContext")
    if isinstance(context, Mapping):
        if "http" in context:
            return "second"
        if "httpMethod" in event:
            return "balancer" if "elb" in context else "first"
    msg = (
        f"The event with {sorted(event)} is no HTTP request. Known: those of function "
        "URLs, API Gateway (1.0 and 2.0) and load balancers."
    )
    raise InvalidRequest(msg, request_sent="no")


def _headers(event: Mapping[str, Any]) -> Pairs:
    several = event.get("multiValueHeaders")
    if several:
        return [(name, ", ".join(texts)) for name, texts in several.items()]
    headers = list((event.get("headers") or {}).items())
    cookies = event.get("cookies")
    return [*headers, ("cookie", "; ".join(cookies))] if cookies else headers


def _query(event: Mapping[str, Any], shape: Shape) -> Pairs:
    if shape == "second":
        return parse_qsl(event.get("rawQueryString", ""), keep_blank_values=True)
    several = event.get("multiValueQueryStringParameters")
    one = event.get("queryStringParameters") or {}
    pairs = (
        [(n, text) for n, texts in several.items() for text in texts]
        if (several)
        else list(one.items())
    )
    if shape == "first":
        return pairs
    return [(unquote_plus(name), unquote_plus(text)) for name, text in pairs]


def _grouped(pairs: Pairs) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, text in pairs:
        found[name] = (*found.get(name, ()), text)
    return found


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def _client(context: Mapping[str, Any], headers: Mapping[str, str]) -> str | None:
    known = context.get("http") or context.get("identity") or {}
    # Of a load balancer, the last one is what it saw itself.
    seen = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return known.get("sourceIp") or seen or None


def _correlation(headers: Mapping[str, str]) -> str | None:
    given = (headers.get(name, "") for name in CORRELATION_HEADERS)
    return next(filter(CORRELATION.fullmatch, given), None)
