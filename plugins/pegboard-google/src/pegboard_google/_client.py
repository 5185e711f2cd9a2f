"""The SDK's client, told everything: settings are the only truth."""

from __future__ import annotations

import json
import math
from contextlib import aclosing
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn

import httpx2
from google.genai import Client
from google.genai.client import DebugConfig
from google.genai.errors import APIError
from google.genai.types import HttpOptions
from google.oauth2.service_account import Credentials
from pegboard.deadline import time_left
from pegboard.errors import Authentication, InvalidReply

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pegboard import Context

    from ._calls import Call
    from .options import GeminiOptions

DEVELOPER = "https://generativelanguage.googleapis.com"
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
TWO_CONTINENTS = frozenset({"us", "eu"})
KEPT = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)
"""How many connections there may be, unless the policy says it."""

sent: ContextVar[bytes | None] = ContextVar("sent", default=None)
"""The body that the running call sends in place of the SDK's."""


class Arrived(Exception):
    """
    Takes an answer past the SDK, which reads a stream at twenty times the cost.

    It also ends what the SDK does: it would call tools, and ask again, by itself.
    """

    def __init__(self, response: httpx2.Response) -> None:
        """Take *response*, its body still to be read and closed by the catcher."""
        self.response = response


class Http(httpx2.AsyncClient):
    """What sends the requests that the SDK makes, and brings the answers to us."""

    def __init__(self, context: Context) -> None:
        """Make a client with the connections that *context* allows."""
        super().__init__(timeout=None, limits=_limits(context))
        self._connect_timeout = context.connect_timeout

    def build_request(
        self, method: str, url: httpx2.URL | str, **more: Any
    ) -> httpx2.Request:
        """Return the SDK's request, with the body that is to be sent."""
        if body := sent.get():
            more["content"] = body
        return super().build_request(method, url, **more)

    async def send(self, request: httpx2.Request, **more: Any) -> NoReturn:
        """Send *request* within the time that is left, and raise the answer."""
        self._bound(request)
        raise Arrived(await super().send(request, **{**more, "stream": True}))

    def _bound(self, request: httpx2.Request) -> None:
        total = time_left()
        connect = min(self._connect_timeout, math.inf if total is None else total)
        limits = httpx2.Timeout(total, connect=None if connect == math.inf else connect)
        request.extensions = {**request.extensions, "timeout": limits.as_dict()}
        if total is not None:
            request.headers["X-Server-Timeout"] = str(math.ceil(total))


class Connection:
    """The service, as one event loop talks to it: the SDK asks, JSON comes back."""

    def __init__(self, options: GeminiOptions, context: Context) -> None:
        """Make a connection. Does no I/O."""
        self._http = Http(context)
        self._sdk = _client(options, self._http)

    async def answer(self, call: Call) -> Any:
        """
        Return the JSON that answers *call*.

        Raises:
            APIError: The service refuses.

        """
        async with aclosing(await self._arrived(call)) as response:
            return json.loads(await response.aread() or "{}")

    async def pieces(self, call: Call) -> AsyncGenerator[Any, None]:
        """
        Yield the JSON of the events that answer *call*.

        Raises:
            APIError: The service refuses.

        """
        async with aclosing(await self._arrived(call)) as response:
            events: Any = aiter(httpx2.EventSource(response, max_event_size=None))
            async with aclosing(events):
                async for event in events:
                    yield json.loads(event.data)

    async def aclose(self) -> None:
        """Close the connections."""
        self._sdk.close()
        await self._http.aclose()

    async def _arrived(self, call: Call) -> httpx2.Response:
        token = sent.set(call.body)
        try:
            await call.make(self._sdk.aio)
        except Arrived as arrived:
            return await _accepted(arrived.response)
        finally:
            sent.reset(token)
        msg = "The SDK answered by itself."
        raise InvalidReply(msg, request_sent="no")


async def _accepted(response: httpx2.Response) -> httpx2.Response:
    """Return *response*, or have the SDK say what is wrong with it."""
    try:
        await APIError.raise_for_async_response(response)
    except BaseException:
        await response.aclose()
        raise
    return response


def _limits(context: Context) -> httpx2.Limits:
    expiry = KEPT.keepalive_expiry if context.keep_alive is None else context.keep_alive
    return httpx2.Limits(
        max_connections=context.connections or KEPT.max_connections,
        max_keepalive_connections=context.connections or KEPT.max_keepalive_connections,
        keepalive_expiry=expiry,
    )


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
    """
    Return those of the settings; None leaves it to the SDK to find the machine's.

    Raises:
        Authentication: They are of another kind.

    """
    if options.credentials is None:
        return None
    try:
        told = json.loads(options.credentials.get_secret_value())
        return Credentials.from_service_account_info(told, scopes=SCOPES)  # type: ignore[no-untyped-call]  # theirs
    except (ValueError, TypeError, AttributeError):
        msg = (
            "credentials are not the JSON text of a service account's key. "
            "Say where it is: credentials = 'file:PATH'."
        )
        raise Authentication(msg, request_sent="no") from None  # it may show the text
