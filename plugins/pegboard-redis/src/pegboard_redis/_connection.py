"""One connection, on which many commands are under way at once."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from hiredis import ProtocolError, Reader, ReplyError, pack_command
from pegboard import errors

from ._errors import REPLICA, code_of

if TYPE_CHECKING:
    from pegboard.errors import CallError, RequestSent

    Answer = asyncio.Future[Any]
    Part = str | bytes | int

NOTHING = object()
"""What the reader returns until it has a whole answer."""
LOST = (errors.ConnectionFailed, "The connection to {} was lost.")
CLOSED = (errors.ConnectionFailed, "The connection to {} was closed by this program.")
TURNED_AWAY = (errors.ConnectionFailed, "The server at {} ended the connection:")
SILENT = (
    errors.Timeout,
    "The server at {} was silent for too long. If it is well, raise timeout.",
)
FOREIGN = (
    errors.InvalidReply,
    "What answers at {} does not speak as Redis does. Check url.",
)


class Connection(asyncio.Protocol):
    """
    One connection to a server.

    The commands that are given to it in one turn of the event loop leave together,
    and answers come in the order of the commands. A caller who gives up leaves a
    gap: the answer that comes for it is thrown away. When the connection is lost,
    what had left may have been done, and what had not left was not.
    """

    def __init__(self, place: str, timeout: float) -> None:
        self.is_open = False
        """Whether it takes commands."""
        self._place = place
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(
            encoding="utf-8", errors="surrogateescape", notEnoughData=NOTHING
        )
        self._unsent: list[tuple[Answer, bytes]] = []
        self._awaited: deque[tuple[Answer, float]] = deque()
        self._is_full = False
        self._heard = 0.0
        self._backlog = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._failure: tuple[type[CallError], str] = LOST
        self._end: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport

    @property
    def load(self) -> int:
        """How many commands are under way."""
        return len(self._unsent) + len(self._awaited)

    def send(self, *command: Part) -> Answer:
        """Have *command* leave with the others of this turn; return its answer."""
        if not self.is_open:
            raise self._error(sent="no")
        packed: bytes = pack_command(command)  # type: ignore[arg-type] # says: one part
        answer = self._loop.create_future()
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append((answer, packed))
        return answer

    async def aclose(self) -> None:
        """Close it when all who wait have their answers, or the server is silent."""
        self.is_open = False
        self._leave()
        await self._end

    async def stop(self) -> None:
        """Close it at once, whatever is under way."""
        self._break(CLOSED)
        await self._end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to take commands."""
        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        """Hand out the answers in *data*."""
        self._heard = self._loop.time()
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not NOTHING:
                self._hand_out(reply)
        except ProtocolError:
            self._break(FOREIGN)
        if not self.is_open:
            self._leave()

    def pause_writing(self) -> None:
        """Keep commands here: more than enough are waiting for the network."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Let the commands go that were kept."""
        self._is_full = False
        self._flush()

    def eof_received(self) -> None:
        """Leave a server that will say nothing more."""
        self._break(LOST)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all who wait."""
        self.is_open = False
        if self._alarm:
            self._alarm.cancel()
        for answer, _ in self._awaited:
            self._fail(answer, exc, sent="maybe")
        for answer, _ in self._unsent:
            self._fail(answer, exc, sent="no")
        self._awaited.clear()
        self._unsent.clear()
        self._end.set_result(None)

    def _flush(self) -> None:
        if self._is_full or self._transport.is_closing():
            return
        leaving = [command for command in self._unsent if not command[0].done()]
        self._unsent.clear()
        if not leaving:
            return
        now = self._loop.time()
        self._awaited.extend([(answer, now) for answer, _ in leaving])
        if self._alarm is None:
            self._look_at(now + self._timeout)
        self._transport.write(b"".join([packed for _, packed in leaving]))

    def _hand_out(self, reply: Any) -> None:
        if not self._awaited:
            self._turn_away(reply)
            return
        answer, _ = self._awaited.popleft()
        if isinstance(reply, ReplyError):
            self._hand_out_error(answer, reply)
        elif not answer.done():
            answer.set_result(reply)

    def _hand_out_error(self, answer: Answer, reply: ReplyError) -> None:
        if not answer.done():
            answer.set_exception(reply)
        if code_of(reply) == REPLICA:  # the one that takes writes is elsewhere now
            self._break(LOST)

    def _turn_away(self, reply: Any) -> None:
        """End it after words that nobody asked for: they may say why."""
        if isinstance(reply, ReplyError):
            kind, text = TURNED_AWAY
            self._break((kind, f"{text} {reply}"))
        else:
            self._break(FOREIGN)

    def _look_at(self, time: float) -> None:
        self._alarm = self._loop.call_at(time, self._look)

    def _look(self) -> None:
        """Break the connection if the server owes an answer and is silent."""
        self._alarm = None
        if not self._awaited:
            return
        _, asked = self._awaited[0]
        now, ends = self._loop.time(), max(asked, self._heard) + self._timeout
        if now < ends:
            self._look_at(ends)
        elif self._is_sending():
            self._look_at(now + self._timeout)
        else:
            self._break(SILENT)

    def _is_sending(self) -> bool:
        """Tell whether what waits for the network has become another amount."""
        before, self._backlog = self._backlog, self._transport.get_write_buffer_size()
        return self._backlog not in {0, before}

    def _leave(self) -> None:
        waiting = (*self._awaited, *self._unsent)
        if all(answer.done() for answer, _ in waiting):
            self._break(CLOSED)

    def _break(self, failure: tuple[type[CallError], str]) -> None:
        if not self._transport.is_closing():
            self.is_open = False
            self._failure = failure
            self._transport.abort()

    def _fail(
        self, answer: Answer, cause: Exception | None, *, sent: RequestSent
    ) -> None:
        if not answer.done():
            error = self._error(sent=sent)
            error.__cause__ = cause
            answer.set_exception(error)

    def _error(self, *, sent: RequestSent) -> CallError:
        kind, text = self._failure
        return kind(text.replace("{}", self._place, 1), request_sent=sent)
