"""The SDK's client, told everything: settings are the only truth."""

from __future__ import annotations

import json
import math
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import httpx2
from google.auth import load_credentials_from_dict
from google.genai import Client
from google.genai.client import DebugConfig
from google.genai.errors import APIError
from google.genai.types import HttpOptions
from pegboard.deadline import time_left
from pegboard.errors import Authentication

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .options import GeminiOptions

DEVELOPER = "https://generativelanguage.googleapis.com"
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
TWO_CONTINENTS = frozenset({"us", "eu"})
LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)
PLACEHOLDER = "."
"""Stands where contents would; the SDK refuses to go without, and replaces it."""
NOTHING_ELSE: dict[str, Any] = {
    "automatic_function_calling": {"disable": True},
    "automatic_continuation": False,
}
"""One call is one request: the SDK would call tools, and ask again, by itself."""


class Opened(Exception):
    """Takes a stream past the SDK, which reads it at twenty times the cost."""

    def __init__(self, response: httpx2.Response) -> None:
        """Take *response*, which the catcher closes."""
        self.response = response


class Http(httpx2.AsyncClient):
    """What sends the SDK's requests: in time, and streams to whoever opened them."""

    def __init__(self, connect_timeout: float) -> None:
        """Make a client whose connections take *connect_timeout* at most."""
        super().__init__(timeout=None, limits=LIMITS)
        self._connect_timeout = connect_timeout

    async def send(
        self, request: httpx2.Request, *, stream: bool = False, **more: Any
    ) -> httpx2.Response:
        """Send *request*, with what time is left."""
        self._bound(request)
        response = await super().send(request, stream=stream, **more)
        if stream:
            raise Opened(response)
        return response

    def _bound(self, request: httpx2.Request) -> None:
        total = time_left()
        connect = min(self._connect_timeout, math.inf if total is None else total)
        limits = httpx2.Timeout(total, connect=None if connect == math.inf else connect)
        request.extensions = {**request.extensions, "timeout": limits.as_dict()}
        if total is not None:
            request.headers["X-Server-Timeout"] = str(math.ceil(total))


class Connection:
    """The service, as one event loop talks to it: JSON in, JSON out."""

    def __init__(self, options: GeminiOptions, connect_timeout: float) -> None:
        """Make a connection. Does no I/O."""
        self._http = Http(connect_timeout)
        self._sdk = _client(options, self._http)
        self.sdk = self._sdk.aio

    async def generate(self, model: str, body: dict[str, Any]) -> Any:
        """Return the answer of *model* to *body*."""
        config: Any = {
            "http_options": {"extra_body": body},
            "should_return_http_response": True,
            **NOTHING_ELSE,
        }
        answer = await self.sdk.models.generate_content(
            model=model, contents=PLACEHOLDER, config=config
        )
        raw: Any = answer.sdk_http_response
        return json.loads(raw.body)

    async def stream(
        self, model: str, body: dict[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """Yield the pieces of the answer of *model* to *body*."""
        response = await self._open(model, body)
        async with aclosing(response):
            await APIError.raise_for_async_response(response)
            source = httpx2.EventSource(response, max_event_size=None)
            events: Any = aiter(source)
            async with aclosing(events):
                async for event in events:
                    yield json.loads(event.data)

    async def aclose(self) -> None:
        """Close the connections."""
        self._sdk.close()
        await self._http.aclose()

    async def _open(self, model: str, body: dict[str, Any]) -> httpx2.Response:
        config: Any = {"http_options": {"extra_body": body}, **NOTHING_ELSE}
        chunks = await self.sdk.models.generate_content_stream(
            model=model, contents=PLACEHOLDER, config=config
        )
        try:
            await anext(chunks)
        except Opened as opened:
            return opened.response
        raise AssertionError


def _client(options: GeminiOptions, http: Http) -> Client:
    """Return a client that takes nothing from the variables that the SDK reads."""
    vertex, project = options.vertex, options.project if options.vertex else None
    key = None if project else options.api_key
    return Client(
        enterprise=vertex,
        api_key=key.get_secret_value() if key else None,
        credentials=_credentials(options) if project else None,
        project=project,
        location=options.location if project else None,
        debug_config=DebugConfig(
            client_mode=None, replays_directory=None, replay_id=None
        ),
        http_options=HttpOptions(
            base_url=options.base_url or base_url(options),
            api_version=options.api_version or ("v1beta1" if vertex else "v1"),
            headers={k: v.get_secret_value() for k, v in options.headers.items()},
            httpx_async_client=http,
        ),
    )


def base_url(options: GeminiOptions) -> str:
    """Return where the service is, since the SDK would ask variables first."""
    if not options.vertex:
        return DEVELOPER
    place = options.location
    if not options.project or place == "global":
        return "https://aiplatform.googleapis.com"
    if place in TWO_CONTINENTS:
        return f"https://aiplatform.{place}.rep.googleapis.com"
    return f"https://{place}-aiplatform.googleapis.com"


def _credentials(options: GeminiOptions) -> Any:
    """Return those of the settings; None leaves it to the SDK to find the machine's."""
    if options.credentials is None:
        return None
    try:
        told = json.loads(options.credentials.get_secret_value())
    except ValueError:
        msg = "credentials are not the JSON text of a key. Try file:PATH."
        raise Authentication(msg, request_sent="no") from None  # it shows the text
    loaded = load_credentials_from_dict(told, scopes=SCOPES)  # type: ignore[no-untyped-call]  # theirs
    return loaded[0]
