"""Events for one receiver over HTTP, signed."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import Field, SecretStr, field_validator

from pegboard import errors, webhooks
from pegboard.contracts.webhooks import SentEvent
from pegboard.deadline import time_left
from pegboard.event_loops import PerLoop
from pegboard.http import error_class, retry_after
from pegboard.options import Options

if TYPE_CHECKING:
    from pegboard.descriptors import Context

NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
GONE = 410
MOST_READ = 64 * 1024
"""Bytes of an answer that are read so that its connection can be used again."""


class WebhookOptions(Options):
    """Who is told of events, and with what they are signed."""

    url: str = Field(pattern=r"^https?://[^\s/]\S*$")
    """Where events are posted to."""
    secret: SecretStr
    """What both sides know, such as ``"env:HOOK_SECRET"``: ``whsec_`` and base64."""
    old_secret: SecretStr | None = None
    """Signed with as well, until the receiver knows the new one."""

    @field_validator("secret", "old_secret")
    @classmethod
    def _can_sign(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            try:
                webhooks.sign(b"", id="x", secrets=[secret.get_secret_value()])
            except errors.SettingsError as error:
                raise ValueError(error.problems[0].message) from None
        return secret


class Webhook:
    """Posts events to one address."""

    def __init__(self, options: WebhookOptions, context: Context) -> None:
        self._url = options.url
        given = (options.secret, options.old_secret)
        self._secrets = [one.get_secret_value() for one in given if one is not None]
        self._clock = context.clock
        self._clients = PerLoop(
            lambda: _client(context), lambda client: client.aclose()
        )

    async def send_event(
        self,
        type: str,  # noqa: A002 - the contract's word
        payload: Any,
        *,
        id: str,  # noqa: A002 - the same
        at: float | None = None,
    ) -> SentEvent:
        """Post the event, signed anew for each attempt."""
        now = self._clock()
        body = webhooks.write(type, payload, at=now if at is None else at)
        headers = webhooks.sign(body, id=id, secrets=self._secrets, clock=self._clock)
        kind = {"content-type": "application/json"}
        return SentEvent(id, await self._post(body, {**kind, **headers}))

    async def aclose(self) -> None:
        """Close what is open."""
        await self._clients.aclose()

    async def _post(self, body: bytes, headers: dict[str, str]) -> int:
        client = await self._clients.get()
        request = client.build_request("POST", self._url, content=body, headers=headers)
        try:
            async with asyncio.timeout(time_left()):
                answer = await client.send(request, stream=True)
                try:
                    await _read_on(answer)
                finally:
                    await answer.aclose()
        except (httpx.RequestError, httpx.InvalidURL, TimeoutError) as error:
            raise _interrupted(error) from error
        if not answer.is_success:
            raise self._refused(answer)
        return answer.status_code

    def _refused(self, answer: httpx.Response) -> errors.CallError:
        status = answer.status_code
        hint = " It wants no more events." if status == GONE else ""
        if answer.is_redirect:
            hint = " Events do not follow redirects: set url to where they are taken."
        return error_class(status)(
            f"The receiver answered with status {status}.{hint}",
            status=status,
            retry_after=retry_after(answer.headers, now=self._clock()),
        )


async def _read_on(answer: httpx.Response) -> None:
    """Read the answer, of which nothing is needed, if it is not long."""
    size = 0
    async for piece in answer.aiter_raw():
        size += len(piece)
        if size > MOST_READ:
            return


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


def _interrupted(error: Exception) -> errors.CallError:
    """Return what an *error* on the way is; its words may show the address."""
    late = isinstance(error, (httpx.TimeoutException, TimeoutError))
    kind = errors.Timeout if late else errors.ConnectionFailed
    happened = "did not answer in time" if late else "could not be reached"
    msg = f"The receiver {happened} ({type(error).__name__})."
    sent = isinstance(error, NOT_CONNECTED)
    return kind(msg, request_sent="no" if sent else "maybe")
