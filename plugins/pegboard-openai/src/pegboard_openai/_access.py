"""Where a service is and how requests show who sends them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from openai import Omit, omit
from pegboard.errors import Authentication

from ._client import Client
from .options import AzureOptions, OpenAIOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from httpx2 import Limits

    from .options import ModelOptions

OF_DEPLOYMENTS = frozenset(
    {
        "/audio/speech",
        "/audio/transcriptions",
        "/chat/completions",
        "/embeddings",
        "/images/edits",
        "/images/generations",
    }
)
"""Paths that stand under a deployment in the API that has versions."""


class Access(Protocol):
    """The way in."""

    def client(self, limits: Limits) -> Client:
        """Return a new client with connections within *limits*."""
        ...

    def path(self, path: str, model: object) -> str:
        """Return where *path* is for *model*."""
        ...

    async def request_options(self) -> Mapping[str, Any]:
        """Return what the SDK is told with each request."""
        ...


class KeyAccess:
    """A key in the usual header, or none; the usual paths."""

    def __init__(self, options: OpenAIOptions) -> None:
        self._options = options

    def client(self, limits: Limits) -> Client:
        """Return a new client with connections within *limits*."""
        options = self._options
        client = Client(
            options.base_url, options.headers, limits=limits, key=options.api_key
        )
        client.organization = options.organization
        client.project = options.project
        return client

    def path(self, path: str, _model: object) -> str:
        """Return *path*."""
        return path

    async def request_options(self) -> Mapping[str, Any]:
        """Return nothing: the client knows the key."""
        return {}


class AzureAccess:
    """A key in Azure's header or a token; paths of the API v1 or of deployments."""

    def __init__(self, options: AzureOptions) -> None:
        self._options = options

    def client(self, limits: Limits) -> Client:
        """Return a new client with connections within *limits*."""
        options = self._options
        version = options.api_version
        return Client(
            options.endpoint.rstrip("/") + ("/openai" if version else "/openai/v1"),
            options.headers,
            limits=limits,
            query={"api-version": version} if version else None,
        )

    def path(self, path: str, model: object) -> str:
        """Return *path*, under the deployment *model* if it belongs there."""
        if not self._options.api_version or path not in OF_DEPLOYMENTS:
            return path
        return f"/deployments/{quote(str(model), safe='')}{path}"

    async def request_options(self) -> Mapping[str, Any]:
        """Return the credential; a redirect must not take it elsewhere."""
        return {
            "headers": await self._credential(),
            "follow_redirects": False,
        }

    async def _credential(self) -> Mapping[str, str | Omit]:
        options = self._options
        if options.entra_token_provider is not None:
            token = await _called(options.entra_token_provider)
            return {"Authorization": f"Bearer {token}"}
        if options.entra_token is not None:
            return {"Authorization": f"Bearer {options.entra_token.get_secret_value()}"}
        key = options.api_key.get_secret_value() if options.api_key else ""
        return {"api-key": key, "Authorization": omit}


async def _called(entra_token_provider: Callable[[], Any]) -> str:
    try:
        return str(await asyncio.to_thread(entra_token_provider))
    except Exception as error:  # what it raises is of a library that we do not know
        msg = f"entra_token_provider raised {type(error).__name__}: {error}."
        raise Authentication(msg, request_sent="no") from error


def access_of(options: ModelOptions) -> Access:
    """Return the way in that *options* describe."""
    if isinstance(options, AzureOptions):
        return AzureAccess(options)
    if isinstance(options, OpenAIOptions):
        return KeyAccess(options)
    msg = f"{type(options).__name__} do not say where the service is."
    raise TypeError(msg)
