"""The model: it asks Claude through processes of Claude Code."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from pegboard import PerLoop
from pegboard.draft import Draft
from pegboard.errors import CallError, ConnectionFailed

from ._convert import Reading, conversation
from ._errors import KNOWN, is_failure, reported, translated, unstructured
from ._launch import Launcher
from ._pool import Pool
from ._process import ClaudeCodeProcess, version
from ._session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pegboard import ChatRequest, Context, Finished, Reply, StreamEvent

    from ._launch import Launch
    from .options import ClaudeCodeOptions


class ClaudeCodeModel:
    """Claude, through Claude Code on this machine."""

    def __init__(self, options: ClaudeCodeOptions, context: Context) -> None:
        """Make a model. Does no I/O."""
        self._model = options.model
        self._has_tools = bool(options.tools)
        self._launcher = Launcher(options, context.data_folder)
        self._clock = context.clock
        self._connect_timeout = context.connect_timeout
        self._pools = PerLoop(
            lambda: Pool(self._session, most=options.max_sessions, idle=options.idle),
            Pool.aclose,
        )

    async def ping(self) -> str:
        """Ask Claude Code for its version; the API is not asked."""
        return await version(self._launcher.program)

    async def complete(self, request: ChatRequest) -> Reply:
        """Answer *request* with a whole reply."""
        draft = Draft(request)
        async with aclosing(self._answer(request)) as events:
            async for event in events:
                draft.add(event)
        return draft.reply()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent, None]:
        """Answer *request* in pieces, the last of which is ``Finished``."""
        began = False
        try:
            async with aclosing(self._answer(request)) as events:
                async for event in events:
                    began = True
                    yield event
        except CallError as error:
            error.in_stream = began
            raise

    async def aclose(self) -> None:
        """Kill all processes."""
        await self._pools.aclose()

    async def _answer(self, request: ChatRequest) -> AsyncGenerator[StreamEvent, None]:
        reading = Reading(
            structured=request.schema is not None,
            bounded=request.max_tokens is not None,
        )
        try:
            async with aclosing(self._events(request, reading)) as events:
                async for event in events:
                    yield event
        except (CallError, *KNOWN) as error:
            ours = error if isinstance(error, CallError) else translated(error)
            if self._has_tools and reading.has_begun:
                ours.retryable = False  # tools may have done something already
            if ours is error:
                raise
            raise ours from error

    async def _events(
        self, request: ChatRequest, reading: Reading
    ) -> AsyncGenerator[StreamEvent, None]:
        messages = conversation(request.messages)
        launch = self._launcher.launch(request)
        self._launcher.prepare()
        draft = Draft(request)
        pool = await self._pools.get()
        async with pool.session(launch, messages) as session:
            if request.reasoning_effort is not None:
                await session.check_effort(request.model or self._model)
            async with aclosing(session.ask(messages)) as answers:
                async for answer in answers:
                    for event in reading.events(answer):
                        draft.add(event)
                        yield event
                    if reading.is_cut:
                        break
            if reading.is_short:
                session.kill()  # or it would ask for more
            for event in reading.found():
                draft.add(event)
                yield event
            end = self._end(reading, session)
            draft.add(end)
            session.heard = (*messages, draft.reply().message)
        # After the session is given back: who has heard the last event may leave.
        yield end

    def _end(self, reading: Reading, session: Session) -> Finished:
        """Return the last event, or raise why there is none."""
        result = reading.result
        if result is None and not reading.is_cut:
            msg = "Claude Code ended before the reply did."
            raise ConnectionFailed(msg)
        if result is not None and is_failure(result) and not reading.is_short:
            raise reported(result, reading.error, wait=self._wait(reading))
        if reading.lacks_structure and not reading.is_short:
            raise unstructured()
        end = reading.finished(session.cost)
        session.cost = (result and result.total_cost_usd) or session.cost
        return end

    def _wait(self, reading: Reading) -> float | None:
        if reading.resets_at is None:
            return None
        return max(0.0, reading.resets_at - self._clock())

    def _session(self, launch: Launch) -> Session:
        return Session(
            launch, ClaudeCodeProcess(launch), connect_timeout=self._connect_timeout
        )
