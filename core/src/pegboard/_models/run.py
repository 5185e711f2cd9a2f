"""The loop of a run: the model answers, its tools are called, until it is done."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pegboard._observers.activities import Activities
from pegboard.contracts.chat import ChatRequest, Message, Reply, Usage
from pegboard.deadline import shared_deadline
from pegboard.errors import (
    BoundReached,
    CallError,
    DeadlineExceeded,
    InvalidReply,
    InvalidRequest,
    RunStopped,
)
from pegboard.tools import as_tools

from .corrections import CORRECTIONS, HOPELESS
from .output import ANSWER, Taken
from .toolbox import Toolbox, ToolUse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from pegboard.contracts.chat import Tool, ToolCall

    from .abilities import Model
    from .bounds import Bounds, Spending

Value = TypeVar("Value")
Held = TypeVar("Held", CallError, RunStopped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a model did with its tools."""

    reply: Reply
    """The last reply."""
    messages: tuple[Message, ...]
    """The conversation, as it can be continued."""
    rounds: int
    """How many replies it took."""
    usage: Usage
    """The tokens of all replies."""
    tool_uses: tuple[ToolUse, ...]
    """What tools were called, in the order of the calls."""

    @property
    def text(self) -> str:
        """The words of the last reply."""
        return self.reply.text


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedRun(Run, Generic[Value]):
    """What a model did with its tools, and the value that came of it."""

    output: Value


class Loop:
    """One run. ``go`` once."""

    def __init__(  # noqa: PLR0913 - what a run is made of
        self,
        request: ChatRequest,
        *,
        answer: Callable[[ChatRequest], Awaitable[Reply]],
        toolbox: Toolbox,
        bounds: Bounds,
        spending: Spending | None,
        taken: Taken[Any] | None,
    ) -> None:
        self._request = request
        self._answer = answer
        self._toolbox = toolbox
        self._bounds = bounds
        self._spending = spending
        self._taken = taken
        self._replies: list[Reply] = []
        self._uses: list[ToolUse] = []

    async def go(self) -> Run:
        """
        Go on until the model is done.

        Raises:
            BoundReached: It was not done in time. All errors hold the run so far.

        """
        end, late = self._bounds.end()
        try:
            with self._toolbox.open(), shared_deadline(end):
                async with asyncio.timeout_at(end):
                    await self._rounds()
        except TimeoutError:
            raise self._holding(late) from None
        except DeadlineExceeded as error:
            if asyncio.get_running_loop().time() < end:
                raise self._holding(error) from error.__cause__
            raise self._holding(late) from error
        except CallError as error:
            raise self._holding(error) from error.__cause__
        except RunStopped as error:
            raise self._holding(error) from error.__cause__
        return self._run()

    async def _rounds(self) -> None:
        while True:
            reply = await self._next_reply()
            self._replies.append(reply)
            calls = reply.tool_calls
            reached = self._reached(reply)
            if reached and calls and not _is_answer(calls):
                raise reached
            uses = await self._toolbox.use(calls) if calls else []
            self._keep(reply, uses)
            if self._is_done(reply):
                return
            if reached:
                raise reached

    async def _next_reply(self) -> Reply:
        """Return the next reply; for one that cannot be read there is another try."""
        for _ in range(CORRECTIONS):
            try:
                return await self._answer(self._request)
            except InvalidReply as error:
                if error.in_stream:  # what was shown cannot be taken back
                    raise
                self._say(f"Your reply cannot be used. {error.message} Try again.")
        return await self._answer(self._request)

    def _say(self, text: str) -> None:
        messages = (*self._request.messages, Message.of("user", text))
        self._request = replace(self._request, messages=messages)

    def _keep(self, reply: Reply, uses: list[ToolUse]) -> None:
        """Add a whole round: calls and their results belong together."""
        self._uses += uses
        said = (reply.message,) if reply.parts else ()
        told = (Message("tool", tuple(u.result for u in uses)),) if uses else ()
        choice = "none" if self._request.tool_choice == "none" else "auto"
        self._request = replace(
            self._request,
            messages=(*self._request.messages, *said, *told),
            tool_choice=choice,
        )

    def _is_done(self, reply: Reply) -> bool:
        if self._taken is None:
            return not reply.tool_calls
        if self._taken.values:
            return True
        if reply.tool_calls:
            return False
        return self._reads(reply, self._taken)

    def _reads(self, reply: Reply, taken: Taken[Any]) -> bool:
        """Return whether *reply*, which calls no tool, is the value itself."""
        try:
            taken.values.append(taken.output.read(reply))
        except InvalidReply as error:
            if reply.finish_reason in HOPELESS:
                raise
            self._say(f"{error.message} Call {ANSWER} to answer.")
        return bool(taken.values)

    def _reached(self, reply: Reply) -> BoundReached | None:
        """Return the bound that *reply* was the last within, if it was."""
        if self._spending and (error := self._spending.add(reply)):
            return error
        if len(self._replies) < self._bounds.max_rounds:
            return None
        wanted = ", ".join(call.name for call in reply.tool_calls) or "to go on"
        msg = (
            f"The run came to max_rounds = {self._bounds.max_rounds}, and the model "
            f"wants {wanted}. Raise max_rounds, or say when it is to stop."
        )
        return BoundReached(msg)

    def _holding(self, error: Held) -> Held:
        error.partial = self._run() if self._replies else error.partial
        return error

    def _run(self) -> Run:
        known: dict[str, Any] = {
            "reply": self._replies[-1],
            "messages": self._request.messages,
            "rounds": len(self._replies),
            "usage": sum((reply.usage for reply in self._replies), Usage()),
            "tool_uses": tuple(self._uses),
        }
        if self._taken and self._taken.values:
            return TypedRun(**known, output=self._taken.values[0])
        return Run(**known)


def _nothing(_: ToolUse) -> None:
    """Tell nobody."""


async def looped(  # noqa: PLR0913 - what a run is made of
    model: Model,
    request: ChatRequest,
    *,
    answer: Callable[[ChatRequest], Awaitable[Reply]],
    bounds: Bounds,
    taken: Taken[Any] | None,
    tell: Callable[[ToolUse], None] = _nothing,
) -> Run:
    """Return what *model* does with the tools in *request*; see ``LLM.run``."""
    activities = Activities(model.observers, model.address, model.provider)
    toolbox = Toolbox(
        request.tools,
        parallel=bounds.parallel,
        activities=activities,
        secrets=model.secrets,
        tell=tell,
        takes_media="tool_media" in model.capabilities,
    )
    loop = Loop(
        request,
        answer=answer,
        toolbox=toolbox,
        bounds=bounds,
        spending=bounds.spending(model.provider, request.model or model.model),
        taken=taken,
    )
    with activities.run():
        return await loop.go()


def runnable(
    given: Iterable[Tool | Callable[..., Any]], taken: Taken[Any] | None
) -> tuple[Tool, ...]:
    """
    Return all that is *given* as tools, and that for the value if one is wanted.

    Raises:
        InvalidRequest: One of them has nothing to be called.

    """
    tools = as_tools((*given, taken.tool()) if taken else given)
    bare = next((tool.name for tool in tools if tool.handler is None), None)
    if bare is None:
        return tools
    msg = f"The tool {bare} has no handler. Pass Tool(..., handler=...) or a function."
    raise InvalidRequest(msg, request_sent="no")


def _is_answer(calls: Sequence[ToolCall]) -> bool:
    return any(call.name == ANSWER for call in calls)
