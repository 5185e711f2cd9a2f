"""
An ASGI application that takes signed requests: alone, or within another one.

    app = WebhookApp(partial(receive, secrets=[SECRET]), handle, seen=storage)
    fastapi_app.add_route("/hooks", app, methods=["POST"])
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from .errors import Conflict
from .signatures import NotAuthentic, Unreadable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .contracts.key_value import KeyValue

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Read = TypeVar("Read")
Read_co = TypeVar("Read_co", covariant=True)
MAX_BYTES = 1024 * 1024
REMEMBER = 24 * 3600.0
LEASE = 60.0
UNDER_WAY, DONE = "under way", "done"


class Reader(Protocol[Read_co]):
    """Reads a request, such as ``pegboard.webhooks.receive`` with its secrets."""

    def __call__(self, body: bytes, headers: Mapping[str, str], /) -> Read_co:
        """Return what the request says; raise NotAuthentic or Unreadable."""
        ...


class WebhookApp(Generic[Read]):
    """
    Gives each request that is authentic to *handle*, and answers.

    With *seen*, what has an id is handled once: who sends it again meanwhile is told
    to come back, and afterwards that it is done. If the handler fails, or the process
    dies, it is handled again when it is sent again.
    """

    def __init__(
        self,
        read: Reader[Read],
        handle: Callable[[Read], Awaitable[object]],
        *,
        seen: KeyValue | None = None,
        lease: float = LEASE,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """
        Take requests that *read* can read.

        Args:
            read: Verifies and reads a request; runs on the event loop.
            handle: Is given what was read. What it returns is the answer: nothing,
                text, or what JSON can say.
            seen: Storage that remembers the ids of what was handled, for a day.
            lease: Seconds that handling may take, before it counts as given up.
            max_bytes: The most bytes that a request may have.

        """
        self._read = read
        self._handle = handle
        self._seen = seen
        self._lease = lease
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request of *scope*."""
        if scope["type"] != "http":
            msg = f"A webhook takes requests of HTTP, not of {scope['type']!r}."
            raise ValueError(msg)
        if scope["method"] != "POST":
            await _answer(send, 405, "Use POST.", (b"allow", b"POST"))
            return
        body = await _whole(receive, self._max_bytes)
        if body is None:
            return  # nobody is there any more
        if len(body) > self._max_bytes:
            await _answer(send, 413, f"More than {self._max_bytes} bytes.")
            return
        headers = {
            n.decode("latin-1"): v.decode("latin-1") for n, v in scope["headers"]
        }
        try:
            request = self._read(body, headers)
        except NotAuthentic as error:
            await _answer(send, 401, str(error))
        except Unreadable as error:
            await _answer(send, 400, str(error))
        else:
            await self._handled(request, send)

    async def _handled(self, request: Read, send: Send) -> None:
        """Handle *request*, unless that was done; a failure is the server's to log."""
        try:
            async with self._once(getattr(request, "id", "")) as state:
                answer = None if state else await self._handle(request)
        except Exception:
            await _answer(send, 500, "It could not be handled. Send it again.")
            raise
        if state == UNDER_WAY:
            wait = (b"retry-after", str(int(self._lease)).encode())
            await _answer(send, 503, "It is being handled.", wait)
        else:
            await _answer(send, 200, answer)

    @asynccontextmanager
    async def _once(self, id_: str) -> AsyncGenerator[str | None]:
        """Yield what is known of *id_* already; None lets its holder handle it."""
        if self._seen is None or not id_:
            yield None
            return
        key = f"webhook-{hashlib.sha256(id_.encode()).hexdigest()}"  # ids may be odd
        try:
            mine = await self._seen.set(key, UNDER_WAY, ttl=self._lease, if_absent=True)
        except Conflict:
            yield str(await self._seen.get(key, UNDER_WAY))
            return
        try:
            yield None
        except BaseException:
            with suppress(Conflict):
                await self._seen.delete(key, if_version=mine)
            raise
        await self._seen.set(key, DONE, ttl=REMEMBER)


async def _whole(receive: Receive, most: int) -> bytes | None:
    """Return the body, or a beginning longer than *most*; None if its sender left."""
    body = bytearray()
    while len(body) <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(body)


async def _answer(
    send: Send, status: int, content: object, *headers: tuple[bytes, bytes]
) -> None:
    is_text = content is None or isinstance(content, str)
    kind = b"text/plain; charset=utf-8" if is_text else b"application/json"
    body = str(content or "") if is_text else json.dumps(content)
    raw = body.encode()
    known = [(b"content-type", kind), (b"content-length", str(len(raw)).encode())]
    start = {"type": "http.response.start", "status": status}
    await send({**start, "headers": [*known, *headers]})
    await send({"type": "http.response.body", "body": raw})
