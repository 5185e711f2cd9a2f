"""The tools of a run: called at once, their failures told to the model."""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pegboard._log import logger_of
from pegboard._suggest import suggest
from pegboard.contracts.chat import File, Image, ToolResult
from pegboard.errors import InvalidRequest, RunStopped, Unsupported, hide
from pegboard.tools import bound

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence

    from pegboard._observers.activities import Activities
    from pegboard.contracts.chat import Tool, ToolCall


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call that a model asked for, and what came of it."""

    call: ToolCall
    result: ToolResult
    """What the model was told."""
    elapsed: float
    error: Exception | None = None
    """Why it failed, if it did."""


class Toolbox:
    """Tools by name. Use it within ``with``, which ends its threads."""

    def __init__(  # noqa: PLR0913 - what the tools of a run need
        self,
        tools: Iterable[Tool],
        *,
        parallel: int,
        activities: Activities,
        secrets: Callable[[], Iterable[str]],
        tell: Callable[[ToolUse], None],
        takes_media: bool = False,
    ) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._slots = asyncio.Semaphore(parallel)
        self._threads = ThreadPoolExecutor(parallel, "pegboard-tool")
        self._activities = activities
        self._secrets = secrets
        self._tell = tell
        self._takes_media = takes_media

    async def use(self, calls: Sequence[ToolCall]) -> list[ToolUse]:
        """
        Make all *calls* at once, and return what came of them in their order.

        Raises:
            RunStopped: A tool wants that; the others are cancelled.
            Unsupported: A tool answered what the model cannot be shown.

        """
        return await together([self._use(call) for call in calls])

    @contextmanager
    def open(self) -> Iterator[None]:
        """End the threads afterwards, without waiting for what runs in them."""
        try:
            yield
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _use(self, call: ToolCall) -> ToolUse:
        async with self._slots:
            clock = asyncio.get_running_loop().time
            started = clock()
            error: Exception | None = None
            media: tuple[Image | File, ...] = ()
            try:
                with self._activities.tool(call):
                    text, media = _told(await self._outcome(call))
            except RunStopped:
                raise
            except Exception as failure:  # noqa: BLE001 - tools are foreign code
                error, text = failure, self._reason(call, failure)
            self._check_media(call, media)
            result = ToolResult(
                call.id, call.name, text, is_error=error is not None, media=media
            )
            use = ToolUse(call, result, clock() - started, error)
            self._tell(use)
            return use

    async def _outcome(self, call: ToolCall) -> Any:
        work = bound(self._tool(call.name), call.arguments)
        if _is_async(work.func):
            return await work()
        loop = asyncio.get_running_loop()
        context = copy_context()
        outcome = await loop.run_in_executor(self._threads, context.run, _called, work)
        # A decorator may hide that a function is async.
        return await outcome if inspect.isawaitable(outcome) else outcome

    def _check_media(self, call: ToolCall, media: tuple[Image | File, ...]) -> None:
        if media and not self._takes_media:
            msg = (
                f"{call.name} answered with a picture or a document, and the model "
                "does not support tool_media. Answer with words, or use another model."
            )
            raise Unsupported(msg, request_sent="no")

    def _tool(self, name: str) -> Tool:
        if name in self._tools:
            return self._tools[name]
        msg = f"There is no tool {name!r}. {suggest(name, self._tools)}"
        raise InvalidRequest(msg, request_sent="no")

    def _reason(self, call: ToolCall, error: Exception) -> str:
        """Return what the model may know of *error*: what happened, not where."""
        known = isinstance(error, InvalidRequest) and error.address is None
        text = str(error) if known else f"{type(error).__name__}: {error}"
        hidden = hide(text, self._secrets())
        logger_of(self._activities.address).info("{} failed: {}", call.name, hidden)
        return hidden


async def together(works: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Return what *works* return; an error of one, or a cancellation, ends all."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        return [task.result() for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _is_async(function: Any) -> bool:
    is_async = inspect.iscoroutinefunction
    return is_async(function) or is_async(type(function).__call__)


def _called(work: Callable[[], Any]) -> Any:
    """Call *work*, in a thread: no future can carry a StopIteration."""
    try:
        return work()
    except StopIteration as error:
        msg = "the function raised StopIteration"
        raise RuntimeError(msg) from error


def _told(outcome: Any) -> tuple[str, tuple[Image | File, ...]]:
    """Return *outcome* as words, and the pictures and documents that are in it."""
    several = isinstance(outcome, list | tuple)
    parts = outcome if several else (outcome,)
    media = tuple(part for part in parts if isinstance(part, Image | File))
    if not media:
        return _words(outcome), ()
    words = (part for part in parts if not isinstance(part, Image | File))
    return "\n".join(map(_words, words)), media


def _words(outcome: Any) -> str:
    """Return *outcome* as the model reads it: text as it is, all else as JSON."""
    if isinstance(outcome, str):
        return outcome
    from pydantic_core import to_json  # noqa: PLC0415 - only for those with tools

    return to_json(outcome).decode()
