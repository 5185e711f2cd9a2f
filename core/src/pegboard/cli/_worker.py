"""``pegboard worker``: work on the messages of a queue."""

from __future__ import annotations

import asyncio
import inspect
import signal
import sys
from functools import partial
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import click

from pegboard import Queue, Worker
from pegboard.errors import hide

if TYPE_CHECKING:
    from collections.abc import Callable

    from pegboard import Delivery, Pegboard

    from ._place import Place

ENDING = (signal.SIGINT, signal.SIGTERM)


def run(
    place: Place, handler: str, *, queue: str, concurrency: int, drain: bool
) -> None:
    """Work until a signal comes, or until the queue gives nothing more."""
    found = _found(handler)
    signals = asyncio.run(_run(place, found, queue, concurrency, drain=drain))
    if signal.SIGINT in signals:
        raise KeyboardInterrupt


async def _run(
    place: Place, handler: Any, queue: str, concurrency: int, *, drain: bool
) -> list[signal.Signals]:
    """Return the signals that ended it, if any did."""
    async with place.board() as board:
        worker = Worker(
            board.integration(queue, Queue),
            _with_board(handler, board),
            concurrency=concurrency,
            on_failure=partial(_tell, board),
        )
        signals: list[signal.Signals] = []
        work = asyncio.ensure_future(worker.drain() if drain else worker.run())
        for one in ENDING:
            asyncio.get_running_loop().add_signal_handler(
                one, _end, worker, work, signals, one
            )
        try:
            await asyncio.wait([work])
        finally:
            work.cancel()
        if not work.cancelled():
            work.result()
    click.echo(f"Done: {worker.done}. Failed: {worker.failed}.", err=True)
    return signals


def _end(
    worker: Worker,
    work: asyncio.Future[None],
    signals: list[signal.Signals],
    signal_: signal.Signals,
) -> None:
    """Finish what is begun; at the second signal, give it back."""
    if signals:
        work.cancel()
    signals.append(signal_)
    worker.stop()


def _found(name: str) -> Callable[..., Any]:
    # Where the program is run is where its modules are, as with python -m.
    sys.path.insert(0, "")
    try:
        found: Callable[..., Any] = resolve_name(name)
    except (ValueError, ImportError, AttributeError) as error:
        msg = f"{name!r} is no function: {error}. Name it as package.module:function."
        raise click.UsageError(msg) from error
    return found


def _with_board(handler: Any, board: Pegboard) -> Any:
    """Return *handler*, which gets the board if it has a parameter of that name."""
    if callable(handler) and "board" in inspect.signature(handler).parameters:
        return partial(handler, board=board)
    return handler


def _tell(board: Pegboard, delivery: Delivery, error: Exception) -> None:
    secrets = board._instances.secrets()  # noqa: SLF001 - the board's own command
    reason = hide(f"{type(error).__name__}: {error}", secrets)
    tries = delivery.deliveries
    click.echo(f"{delivery.id} failed at delivery {tries}: {reason}", err=True)
