"""The connection: calls of the Web API within the time left."""

from __future__ import annotations

import asyncio
import json
import math
from typing import TYPE_CHECKING, Any

import httpx
from pegboard import PerLoop
from pegboard.deadline import time_left
from pegboard.errors import InvalidRequest
from pegboard.http import retry_after

from ._errors import INTERRUPTIONS, answered, interrupted, refused, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pegboard import Context

    from .options import SlackOptions


UPLOAD = "an upload"


class Connection:
    """Requests to one workspace, in every event loop that there is."""

    def __init__(self, options: SlackOptions, context: Context) -> None:
        """Connect with nothing yet."""
        self._place = options.base_url.rstrip("/")
        # Not a header of the client: files go to another place.
        self._proof = {"authorization": f"Bearer {options.token.get_secret_value()}"}
        self._clock = context.clock
        self._clients = PerLoop(
            lambda: _client(context), lambda client: client.aclose()
        )

    async def call(self, method: str, **fields: Any) -> dict[str, Any]:
        """
        Return what *method* answers to *fields*; those that are None are left out.

        They go as a form, which all methods take; some do not take JSON.
        """
        form = {
            name: _text(value) for name, value in fields.items() if value is not None
        }
        answer = await self._post(f"{self._place}/{method}", self._proof, data=form)
        return self._read(method, answer, fields)

    async def send_file(self, address: str, content: bytes) -> None:
        """Send *content* to the *address* that Slack gave for it."""
        kind = {"content-type": "application/octet-stream"}
        answer = await self._post(address, kind, content=content)
        if not answer.is_success:
            raise answered(UPLOAD, answer, _json(answer), now=self._clock())

    async def aclose(self) -> None:
        """Close what is open."""
        await self._clients.aclose()

    async def _post(
        self, address: str, headers: Mapping[str, str], **body: Any
    ) -> httpx.Response:
        client = await self._clients.get()
        try:
            async with asyncio.timeout(time_left()):
                return await client.post(address, headers=headers, **body)
        except INTERRUPTIONS as error:
            raise interrupted(error) from error

    def _read(
        self, method: str, answer: httpx.Response, fields: Mapping[str, Any]
    ) -> dict[str, Any]:
        told = _json(answer)
        if answer.status_code != httpx.codes.OK:
            raise answered(method, answer, told, now=self._clock())
        if not isinstance(told, dict) or "ok" not in told:
            raise unreadable(method)
        if told["ok"] is not True:
            wait = retry_after(answer.headers, now=self._clock())
            raise refused(method, told, fields, wait=wait)
        return told


def _client(context: Context) -> httpx.AsyncClient:
    connect = context.connect_timeout
    # The time of a whole request is measured around it.
    timeout = httpx.Timeout(None, connect=None if connect == math.inf else connect)
    limits = httpx.Limits(
        max_connections=context.connections or 100,
        max_keepalive_connections=context.connections or 20,
        keepalive_expiry=5.0 if context.keep_alive is None else context.keep_alive,
    )
    return httpx.AsyncClient(timeout=timeout, limits=limits)


def _text(value: Any) -> str:
    """
    Return *value* as the field of a form has it.

    Raises:
        InvalidRequest: It cannot be written down.

    """
    try:
        text = value if isinstance(value, str) else _as_json(value)
        text.encode()  # half of a character has no bytes
    except (TypeError, ValueError) as error:
        msg = f"The request cannot be sent: {error}."
        raise InvalidRequest(msg, request_sent="no") from error
    return text


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None
