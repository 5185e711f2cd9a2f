"""The SDK's client, asked and answering in plain JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ollama import AsyncClient

if TYPE_CHECKING:
    import httpx

    from .options import OllamaOptions


class Client(AsyncClient):
    """
    A client that takes nothing from the environment and leaves nothing out.

    The SDK's own methods lose what its models do not know: most of a tool's schema on
    the way there; headers, such as Retry-After, on the way back. So requests go through
    the HTTP client that the SDK has made.
    """

    def __init__(self, options: OllamaOptions) -> None:
        super().__init__(options.host)
        headers = self._client.headers
        # The SDK puts OLLAMA_API_KEY there and has no way to leave it out.
        headers.pop("authorization", None)
        if options.api_key:
            headers["authorization"] = f"Bearer {options.api_key.get_secret_value()}"
        for name, value in options.headers.items():
            headers[name] = value.get_secret_value()

    async def get(self, path: str, limits: httpx.Timeout) -> Any:
        """Return the JSON at *path*."""
        response = await self._client.get(path, timeout=limits)
        return response.raise_for_status().json()

    async def post(self, path: str, body: Any, limits: httpx.Timeout) -> Any:
        """Return the JSON that answers *body*."""
        response = await self._client.post(path, json=body, timeout=limits)
        return response.raise_for_status().json()

    async def open(self, path: str, body: Any, limits: httpx.Timeout) -> httpx.Response:
        """Return the answer to *body* while it is still arriving. Close it."""
        request = self._client.build_request("POST", path, json=body, timeout=limits)
        response: httpx.Response = await self._client.send(request, stream=True)
        if response.is_success:
            return response
        try:
            await response.aread()
        finally:
            await response.aclose()
        response.raise_for_status()
        return response


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
