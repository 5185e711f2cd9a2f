"""The client of a server: a few lines for each event loop."""

from __future__ import annotations

import asyncio
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from hiredis import ReplyError
from pegboard.errors import CallError
from pegboard.event_loops import PerLoop

from ._errors import NO_SCRIPT, refusal
from ._line import Line
from ._tls import check_files, trust

if TYPE_CHECKING:
    from pegboard import Context

    from ._connection import Part
    from ._scripts import Script
    from .options import ServerOptions

LOAD = attrgetter("load")


class Client:
    """What the contracts of one instance reach their server through."""

    def __init__(self, options: ServerOptions, context: Context) -> None:
        self._address = context.address
        self._options = options
        self._server = options.server
        check_files(options, self._address)
        self._connect_timeout = min(options.connect_timeout, context.connect_timeout)
        self._lines = PerLoop(self._make_lines, _close_all)

    async def call(self, *command: Part) -> Any:
        """Return the server's answer to *command*."""
        lines = await self._lines.get()
        line = lines[0] if len(lines) == 1 else min(lines, key=LOAD)
        try:
            return await line.call(*command)
        except ReplyError as error:
            raise self._placed(refusal(error)) from error
        except CallError as error:
            self._placed(error)
            raise

    async def run(self, script: Script, keys: tuple[Part, ...], *values: Part) -> Any:
        """Return what *script* answers; tell it to a server that does not know it."""
        arguments = (len(keys), *keys, *values)
        try:
            return await self.call("EVALSHA", script.digest, *arguments)
        except CallError as error:
            if error.code != NO_SCRIPT:
                raise
        return await self.call("EVAL", script.text, *arguments)

    async def aclose(self) -> None:
        """Close all connections. The next call opens a new one."""
        await self._lines.aclose()

    def make_line(self, *, patience: float = 0.0) -> Line:
        """Return a line whose server may be silent for *patience* seconds longer."""
        return Line(
            self._server,
            trust(self._options, self._address) if self._server.is_tls else None,
            timeout=self._options.timeout + patience,
            connect_timeout=self._connect_timeout,
        )

    def _make_lines(self) -> list[Line]:
        return [self.make_line() for _ in range(self._options.connections)]

    def _placed(self, error: CallError) -> CallError:
        error.address = self._address
        return error


async def _close_all(lines: list[Line]) -> None:
    await asyncio.gather(*(line.aclose() for line in lines))
