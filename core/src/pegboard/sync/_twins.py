"""How an async class becomes a blocking one."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import (
    AsyncGenerator,
    Callable,
    Coroutine,
)
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    ParamSpec,
    TypeVar,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


P = ParamSpec("P")

Result = TypeVar("Result")

Item = TypeVar("Item")


class Portal:
    """One event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True, name="pegboard")
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run *work* on the loop and return its result; an interrupt cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, source: AsyncGenerator[Item]) -> Iterator[Item]:
        """Yield the items of *source*, which is closed when the loop is left."""
        try:
            while (item := self.call(_next(source))) is not _END:
                yield item  # type: ignore[misc]  # the sentinel is no item
        finally:
            self.call(_aclose(source))

    def soon(self, function: Callable[[], object]) -> None:
        """Have the loop call *function*; nobody waits for it."""
        self._loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        """Stop the loop and wait for its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.get_loop().run_forever()


_END = object()


async def _next(source: AsyncGenerator[Item]) -> Item | object:
    return await anext(source, _END)


async def _aclose(source: AsyncGenerator[Any]) -> None:
    await source.aclose()


class Blocking:
    """Stands for an async object: the same methods, each blocking."""

    def __init__(self, original: Any, portal: Portal) -> None:
        self._original = original
        self._portal = portal

    def __repr__(self) -> str:
        return f"<blocking {self._original!r}>"


def blocking(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate[Any, P], Result]:
    """Return the blocking twin of an async *method*."""

    @functools.wraps(method)
    def twin(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Result:
        bound = getattr(self._original, method.__name__)
        result: Result = self._portal.call(bound(*args, **kwargs))
        return result

    return twin


def twin_of(contract: object) -> Callable[[type[Result]], type[Result]]:
    """Declare a class of ``blocking`` methods to be the twin of *contract*."""

    def declare(cls: type[Result]) -> type[Result]:
        cls.__twin_of__ = contract  # type: ignore[attr-defined]  # the mark
        return cls

    return declare
