"""The SDK's client, asked and answering in plain JSON."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Literal, get_args

import httpx
from ollama import AsyncClient
from pegboard.errors import InvalidRequest
from pydantic_core import from_json

if TYPE_CHECKING:
    from pegboard import Context

    from .options import OllamaOptions

Path = Literal["/api/chat", "/api/embed", "/api/pull", "/api/show", "/api/tags"]
PATHS: tuple[Path, ...] = get_args(Path)
KEPT = 100
"""As many as are called at once need not be made again; httpx would keep 20."""
KEEP_ALIVE = 5.0
"""Seconds that httpx keeps them, unless the policy says it."""


class Client(AsyncClient):
    """
    A client that takes nothing from the environment and leaves nothing out.

    The SDK's own methods lose what its models do not know: most of a tool's schema on
    the way there; headers, such as Retry-After, on the way back. So requests go through
    the HTTP client that the SDK has made, which is also what makes them cheap.
    """

    def __init__(self, options: OllamaOptions, context: Context) -> None:
        # A redirect would turn a POST into a GET, and take the headers along.
        super().__init__(options.host, follow_redirects=False, limits=_limits(context))
        # Only making a connection is timed here: a call that takes too long for its
        # policy is cancelled, which one more timer for each read would not improve.
        longest = context.connect_timeout
        connect = None if longest == math.inf else longest
        self._extensions = {"timeout": httpx.Timeout(None, connect=connect).as_dict()}
        self._urls = {path: httpx.URL(options.host + path) for path in PATHS}
        self._headers = self._client.headers.copy()
        # The SDK puts OLLAMA_API_KEY there and has no way to leave it out.
        self._headers.pop("authorization", None)
        if options.api_key:
            key = options.api_key.get_secret_value()
            self._headers["authorization"] = f"Bearer {key}"
        for name, value in options.headers.items():
            self._headers[name] = value.get_secret_value()

    async def get(self, path: Path) -> Any:
        """Return the JSON at *path*."""
        response = await self._client.send(self._prepared("GET", path))
        return from_json(response.raise_for_status().content)

    async def post(self, path: Path, body: Any) -> Any:
        """Return the JSON that answers *body*."""
        request = self._prepared("POST", path, _json(body))
        response = await self._client.send(request)
        return from_json(response.raise_for_status().content)

    async def open(self, path: Path, body: Any) -> httpx.Response:
        """Return the answer to *body* while it is still arriving. Close it."""
        request = self._prepared("POST", path, _json(body))
        response: httpx.Response = await self._client.send(request, stream=True)
        if response.is_success:
            return response
        try:
            await response.aread()
        finally:
            await response.aclose()
        return response.raise_for_status()

    def _prepared(
        self, method: str, path: Path, content: bytes | None = None
    ) -> httpx.Request:
        return httpx.Request(
            method,
            self._urls[path],
            headers=self._headers,
            content=content,
            extensions=self._extensions,
        )


class Lines:
    """
    Cuts bytes into lines.

    Only at line feeds: there are other characters that Python, and so httpx, ends lines
    at, and models may well say them.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that *chunk* completes, without those that are empty."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [line for line in lines if line.strip()]


def _json(body: Any) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        msg = f"The request cannot be put into JSON: {error}."
        raise InvalidRequest(msg, request_sent="no") from error


def _limits(context: Context) -> httpx.Limits:
    """Return how many connections there may be, and for how long."""
    keep_alive = KEEP_ALIVE if context.keep_alive is None else context.keep_alive
    return httpx.Limits(
        max_connections=context.connections,
        max_keepalive_connections=context.connections or KEPT,
        keepalive_expiry=keep_alive,
    )
