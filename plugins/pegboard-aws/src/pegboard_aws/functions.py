"""
Functions on AWS Lambda: what is called with an event, made of what handles it.

    async def receive(board: Pegboard, request: Request) -> Answer: ...

    async def work(board: Pegboard, job: Delivery) -> None: ...

    take = webhook(receive)  # the handlers that Lambda is told to call
    process = worker(work)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._http_event import Answer, Request
from ._logs import log_as_json
from ._webhook import WebhookFunction
from ._worker import WorkerFunction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pegboard import Delivery, Pegboard

__all__ = ["Answer", "Request", "log_as_json", "webhook", "worker"]


def webhook(
    handler: Callable[[Pegboard, Request], Awaitable[Answer]],
    *,
    board: Callable[[], Pegboard] | None = None,
) -> WebhookFunction:
    """
    Return what Lambda calls for HTTP requests.

    Args:
        handler: An async function of the board and a ``Request``.
        board: What makes the board. Default: ``Pegboard``, which reads settings.

    """
    return WebhookFunction(handler, board)


def worker(
    handler: Callable[[Pegboard, Delivery], Awaitable[object]],
    *,
    board: Callable[[], Pegboard] | None = None,
    concurrency: int = 10,
) -> WorkerFunction:
    """
    Return what Lambda calls for messages of SQS.

    Args:
        handler: An async function of the board and a ``Delivery``. What it raises
            means that the message shall come again.
        board: What makes the board. Default: ``Pegboard``, which reads settings.
        concurrency: Most messages that are worked at at once.

    """
    return WorkerFunction(handler, board, concurrency)
