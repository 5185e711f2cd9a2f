"""Runs and tools, as observers are told of them."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pegboard._policy.telling import tell
from pegboard.observers import Activity, ActivityEnded, ActivityStarted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pegboard.contracts.chat import ToolCall
    from pegboard.observers import Observer


class Activities:
    """What is done for one language model."""

    def __init__(
        self, observers: tuple[Observer, ...], address: str, provider: str
    ) -> None:
        self._observers = observers
        self.address = address
        self._provider = provider

    @contextmanager
    def run(self) -> Iterator[None]:
        """Tell of a run, but not of what is asked: no filter has seen that yet."""
        place = self.address, self.address, self._provider
        with self._told(Activity("run", *place)):
            yield

    @contextmanager
    def tool(self, call: ToolCall) -> Iterator[None]:
        """Tell of the tool that *call* asks for."""
        place = call.name, self.address, self._provider
        with self._told(Activity("tool", *place, call)):
            yield

    @contextmanager
    def _told(self, activity: Activity) -> Iterator[None]:
        if not self._observers:
            yield
            return
        clock = asyncio.get_running_loop().time
        started = clock()
        error: BaseException | None = None
        tell(self._observers, ActivityStarted(activity), self.address)
        try:
            with ExitStack() as stack:
                for scope in activity.scopes:
                    stack.enter_context(scope())
                yield
        except BaseException as failure:
            error = failure
            raise
        finally:
            ended = ActivityEnded(activity, clock() - started, error)
            tell(self._observers, ended, self.address)
