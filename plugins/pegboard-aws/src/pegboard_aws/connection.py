"""The connection: calls of a service that speaks JSON, within the time left."""

from __future__ import annotations

import asyncio
import json
import math
import time
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from pegboard import PerLoop, time_left
from pegboard.errors import InvalidRequest

from ._credentials import Account
from ._errors import (
    INTERRUPTIONS,
    ServiceAnswer,
    damaged,
    interrupted,
    refused,
    unreadable,
)
from ._signature import Signer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pegboard import Context
    from pegboard.errors import CallError

    from .options import AWSOptions

__all__ = ["Connection", "Service", "ServiceAnswer"]

IDLE = 15.0
MOST = 100
OK = 200


@dataclass(frozen=True, slots=True)
class Service:
    """A service, as its requests name it."""

    name: str
    """In addresses and signatures."""
    target: str
    """What stands before the name of an action, such as ``AmazonSQS``."""
    version: str = "1.0"
    """Of the JSON protocol."""
    kinds: Mapping[str, type[CallError]] = field(default_factory=dict)
    """Errors of its own, by their codes."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """What to do about them, by their codes."""


class Connection:
    """Requests to one service, in every event loop that there is."""

    def __init__(self, options: AWSOptions, context: Context, service: Service) -> None:
        """Connect with nothing yet."""
        self._service = service
        self._account = Account(options)
        self._endpoint = options.endpoint
        self._way: _Way | None = None
        self._clients = PerLoop(lambda: _client(context), lambda client: client.close())

    async def call(self, action: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return what *action* answers to *fields*, both spelled as the service does.

        ``error.__cause__`` is a ``ServiceAnswer`` where the service refused.
        """
        body = _written(fields)
        try:
            async with asyncio.timeout(time_left()):
                status, headers, content = await self._post(action, body)
        except INTERRUPTIONS as error:
            raise interrupted(self._service.name, error) from error
        return self._read(status, headers, content)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._clients.aclose()

    async def _post(
        self, action: str, body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        way = self._way = self._way or await self._find_way()
        headers = way.signer.sign(
            {
                "content-type": f"application/x-amz-json-{self._service.version}",
                "host": way.host,
                "x-amz-target": f"{self._service.target}.{action}",
            },
            body,
            keys=await self._account.keys(),
            now=time.time(),  # the service compares it with its own
        )
        client = await self._clients.get()
        async with client.post(
            way.url, data=body, headers=headers, proxy=way.proxy, allow_redirects=False
        ) as answer:
            return answer.status, answer.headers, await answer.read()

    async def _find_way(self) -> _Way:
        region = await self._account.region()
        url = self._endpoint or _address(self._service.name, region)
        return _Way(url, Signer(region, self._service.name))

    def _read(
        self, status: int, headers: Mapping[str, str], content: bytes
    ) -> dict[str, Any]:
        name = self._service.name
        if not _is_whole(headers, content):
            raise damaged(name)
        told = _object(content)
        if told is None:
            raise unreadable(name, status)
        if status == OK:
            return told
        answer = ServiceAnswer(status, told)
        raise refused(self._service, answer, headers, now=time.time()) from answer


class _Way:
    """Where requests go, and what is found once."""

    def __init__(self, url: str, signer: Signer) -> None:
        place = urlsplit(url)
        self.url = f"{url.rstrip('/')}/"
        self.signer = signer
        standard = {"http": 80, "https": 443}[place.scheme]
        host = place.hostname or ""
        self.host = host if place.port in {None, standard} else place.netloc
        self.proxy = None if proxy_bypass(host) else getproxies().get(place.scheme)


def _address(service: str, region: str) -> str:
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://{service}.{region}.{domain}"


def _client(context: Context) -> aiohttp.ClientSession:
    connect = context.connect_timeout
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=context.connections or MOST,
            keepalive_timeout=IDLE
            if context.keep_alive is None
            else context.keep_alive,
        ),
        # The time of a whole request is measured around it.
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=None if connect == math.inf else connect
        ),
        # A checksum is that of what was sent, so nothing may be unpacked before.
        headers={"accept-encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _written(fields: Mapping[str, Any]) -> bytes:
    """
    Return *fields* as JSON.

    Raises:
        InvalidRequest: They cannot be written down.

    """
    try:
        return json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:  # half of a character has no bytes
        msg = f"The request cannot be sent: {error}."
        raise InvalidRequest(msg, request_sent="no") from error


def _is_whole(headers: Mapping[str, str], content: bytes) -> bool:
    checksum = headers.get("x-amz-crc32")
    return checksum is None or checksum == str(zlib.crc32(content))


def _object(content: bytes) -> dict[str, Any] | None:
    if not content:  # of actions that have nothing to say
        return {}
    try:
        told = json.loads(content)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
