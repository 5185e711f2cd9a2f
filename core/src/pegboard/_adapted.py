"""A language model with the user's own functions before and after it."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from types import NoneType
from typing import TYPE_CHECKING, Any

from .contracts.batches import BatchItem, BatchResult
from .contracts.chat import ChatRequest, Finished, Reply
from .draft import Draft
from .errors import InvalidReply, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

    from .contracts.chat import StreamEvent
    from .contracts.declare import Operation
    from .errors import CallError


OWN = {"complete", "stream", "batch_results"}


class Adapted:
    """
    Stands for a model wherever it is called, so that no way leads around a function.

    A function that raises, or returns what it should not, fails the call: before the
    model is asked, nothing is sent.
    """

    def __init__(
        self,
        model: Any,
        functions: Mapping[str, Callable[..., Any]],
        operations: Iterable[Operation],
    ) -> None:
        self._model = model
        self._functions = functions
        filter_request = functions.get("filter_request", _unchanged)
        self._filtered = filtering(filter_request)
        for name in {operation.name for operation in operations} - OWN:
            setattr(self, name, self._filtering(getattr(model, name)))

    def __repr__(self) -> str:
        return f"<{self._model!r} with {', '.join(self._functions)}>"

    async def complete(self, request: ChatRequest) -> Reply:
        """Ask the model what is left of *request*; return what is made of its reply."""
        reply: Reply = await self._model.complete(self._filtered(request))
        self._validate(reply)
        return self._transformed(reply)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent, None]:
        """Ask the same for a stream, whose end comes only if the reply is good."""
        filtered = self._filtered(request)
        draft = Draft(filtered)
        async with aclosing(self._model.stream(filtered)) as events:
            async for event in events:
                draft.add(event)
                if isinstance(event, Finished):
                    self._validate(draft.reply())
                yield event

    async def batch_results(self, batch_id: str) -> AsyncGenerator[BatchResult, None]:
        """Yield what is made of the replies in a batch; one no good is an error."""
        async with aclosing(self._model.batch_results(batch_id)) as results:
            async for result in results:
                yield self._checked(result)

    def _checked(self, result: BatchResult) -> BatchResult:
        if result.reply is None:
            return result
        try:
            self._validate(result.reply)
            return replace(result, reply=self._transformed(result.reply))
        except InvalidReply as error:
            return BatchResult(result.id, error=error)

    def _filtering(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return *method* as it is called with what is left of a request."""

        def call(*args: Any, **kwargs: Any) -> Any:
            return method(*map(self._filtered, args), **kwargs)

        return call

    def _validate(self, reply: Reply) -> None:
        function = self._functions.get("validate_reply")
        if function is not None:
            _called(function, reply, NoneType, _unusable("validate_reply", reply))

    def _transformed(self, reply: Reply) -> Reply:
        function = self._functions.get("transform_reply")
        if function is None:
            return reply
        failed = _unusable("transform_reply", reply)
        transformed: Reply = _called(function, reply, Reply, failed)
        return transformed


def filtering(function: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return what makes of a request, of any kind, what *function* leaves of it."""

    def left_of(request: Any) -> Any:
        if isinstance(request, str):
            return request  # the id of a batch or the name of a model
        if isinstance(request, tuple):
            return tuple(map(left_of, request))
        if isinstance(request, BatchItem):
            return replace(request, request=left_of(request.request))
        return _called(function, request, type(request), _unsent)

    return left_of


def _unchanged(request: Any) -> Any:
    return request


class _WrongResultError(Exception):
    """A function returned what it must not."""


def _called(
    function: Callable[..., Any],
    value: object,
    kind: type,
    failed: Callable[[Exception], CallError],
) -> Any:
    """Return what *function* makes of *value*, which must be a *kind*."""
    try:
        result = function(value)
    except Exception as error:
        raise failed(error) from error
    if isinstance(result, kind):
        return result
    msg = f"it returned a {type(result).__name__}, not a {kind.__name__}"
    raise failed(_WrongResultError(msg))


def _unsent(error: Exception) -> CallError:
    # What the function says may hold just what must not get out, such as into a log.
    is_ours = isinstance(error, _WrongResultError)
    reason = str(error) if is_ours else f"it raised {type(error).__name__}"
    msg = f"filter_request failed: {reason}. Nothing was sent."
    return InvalidRequest(msg, request_sent="no")


def _unusable(name: str, reply: Reply) -> Callable[[Exception], CallError]:
    def failed(error: Exception) -> CallError:
        is_ours = isinstance(error, _WrongResultError)
        reason = str(error) if is_ours else f"{type(error).__name__}: {error}"
        unusable = InvalidReply(f"{name} failed: {reason}.", request_sent="yes")
        unusable.partial = reply
        return unusable

    return failed
