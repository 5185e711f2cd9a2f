"""
The policy's layers, in order.

A call passes them from the outside in:

    observe( deadline( join( retry + quota( limits( breaker( attempt( call )))))))

The deadline is fixed when a call begins (``Target.begin``) and every layer inside
keeps to it. What decides whether an attempt may be made at all stands between retry
and attempt, so that it is asked anew for each one.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from pegboard.contracts.batches import BatchResult
from pegboard.contracts.chat import Usage, UsageSoFar
from pegboard.errors import CallError

from .attempt import attempt, until
from .guards import break_circuit, limit_concurrency, limit_rate, limit_tokens
from .joining import join_equal
from .retry import retry
from .shared import share_outage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from pegboard.contracts.declare import Operation
    from pegboard.observers import Call

    from .target import Method, Step, Target

_END = object()
UNUSED = Usage()
TELLING = frozenset({BatchResult, UsageSoFar})
"""Items that tell of tokens."""


class Governed:
    """Stands for an instance: its operations, each bound to the policy once."""

    def __init__(
        self, instance: object, operations: Iterable[Operation], target: Target
    ) -> None:
        self._address = target.address
        for operation in operations:
            method = getattr(instance, operation.name)
            setattr(self, operation.name, govern(method, operation, target))

    def __repr__(self) -> str:
        return f"<{self._address}, governed by its policy>"


def govern(method: Method, operation: Operation, target: Target) -> Method:
    """Return *method* as callers get it: under the policy of *target*."""
    work = _open(method) if operation.streams else method
    step = attempt(work, target)
    step = _guarded(step, target)
    step = retry(step, target, repeatable=operation.repeatable)
    if target.policy.join_equal and _may_join(operation):
        step = join_equal(step, target)
    outermost = _stream if operation.streams else _call
    governed = outermost(step, operation, target)
    if target.filter is None:
        return governed

    def refused(error: CallError) -> Any:
        return outermost(_raising(error), operation, target)()

    return _filtered(governed, target.filter, refused)


def _filtered(
    governed: Method, left_of: Callable[[Any], Any], refused: Callable[[CallError], Any]
) -> Method:
    """Return *governed* for what is left of a request, which is all observers see."""

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            args = tuple(map(left_of, args))
            kwargs = {name: left_of(value) for name, value in kwargs.items()}
        except CallError as error:
            return refused(error)
        return governed(*args, **kwargs)

    return call


def _raising(error: CallError) -> Step:
    async def step(_call: Call, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Any:
        raise error

    return step


def _may_join(operation: Operation) -> bool:
    """Return whether one call can stand for several."""
    return operation.repeatable and not operation.streams


def _guarded(step: Step, target: Target) -> Step:
    """Return *step* behind the guards that the policy asks for."""
    section = target.section
    if target.policy.breaker.enabled:
        step = break_circuit(step, target)
        if target.news is not None:
            step = share_outage(step, target.breaker, target.news)
    if target.requests is not None:
        step = limit_rate(step, target.requests, section, lambda _: 1.0)
    if target.tokens is not None:
        step = limit_tokens(step, target.tokens, section)
    if target.bulkhead is not None:
        step = limit_concurrency(step, target.bulkhead, section)
    return step


def _call(step: Step, operation: Operation, target: Target) -> Method:
    async def call(*args: Any, **kwargs: Any) -> Any:
        this = target.begin(operation, args[0] if args else None)
        try:
            result = await step(this, args, kwargs)
        except BaseException as error:
            target.fail(this, error)
            raise
        target.finish(this, result)
        return result

    return call


def _stream(step: Step, operation: Operation, target: Target) -> Method:
    async def stream(*args: Any, **kwargs: Any) -> AsyncGenerator[Any]:
        this = target.begin(operation, args[0] if args else None)
        last = None
        try:
            source, item = await step(this, args, kwargs)
            this.first_item = this.clock() - this.started
            async with aclosing(source):
                while item is not _END:
                    last = item
                    if type(item) in TELLING:
                        _listen(item, this)
                    if this.items is not None:
                        this.items.append(item)
                    yield item
                    item = await _next(source, this, target)
        except GeneratorExit as left:
            _end(this, left, last)
            target.finish(this, last)
            raise
        except BaseException as error:
            _end(this, error, last)
            target.fail(this, error)
            raise
        _end(this, None, last)
        target.finish(this, last)

    return stream


def _listen(item: Any, call: Call) -> None:
    """Enter what *item* tells of tokens."""
    if isinstance(item, UsageSoFar):
        call.usage = item.usage
    elif item.reply is not None:
        so_far = call.batched = call.batched or {}
        model = item.reply.model
        so_far[model] = so_far.get(model, UNUSED) + item.reply.usage


def _end(call: Call, error: BaseException | None, last: Any) -> None:
    """Give back what the guards lent to a stream, which ended with *error* or None."""
    while call.at_end:
        call.at_end.pop()(error, last)


def _open(method: Method) -> Method:
    """Return a call that opens the stream as far as its first item."""

    async def first(*args: Any, **kwargs: Any) -> tuple[AsyncGenerator[Any], Any]:
        source = method(*args, **kwargs)
        try:
            return source, await anext(source, _END)
        except BaseException:
            await source.aclose()
            raise

    return first


async def _next(source: AsyncGenerator[Any], call: Call, target: Target) -> Any:
    try:
        end = min(call.ends_at, call.clock() + target.policy.idle_timeout)
        return await until(end, call, target, anext, (source, _END), {})
    except CallError as error:
        error.in_stream = True
        raise
