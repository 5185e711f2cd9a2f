"""A function that answers HTTP requests."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from loguru import logger

from ._http_event import Answer, Request, request_of, told
from ._invocations import Invocations
from ._logs import LOG, names, request_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from pegboard import Pegboard

FAILED = Answer("The request could not be handled.", 500)
LATE = Answer("The request could not be handled in time.", 503)


class WebhookFunction:
    """
    Answers requests of a function URL, an API Gateway or a load balancer.

    The board is opened at the first request and stays open. A handler that raises is
    logged, and answered with status 500.
    """

    def __init__(
        self,
        handler: Callable[[Pegboard, Request], Awaitable[Answer]],
        make_board: Callable[[], Pegboard] | None,
    ) -> None:
        self._handler = handler
        self._invocations = Invocations(make_board)

    def __call__(self, event: Mapping[str, Any], context: Any = None) -> dict[str, Any]:
        """Answer the request that *event* tells of."""
        request = request_of(event, otherwise=request_id(context))
        begun = time.monotonic()
        with logger.contextualize(**names(context, request.correlation_id)):
            answer = self._answered(request, context)
            LOG.bind(
                method=request.method,
                path=request.path,
                status=answer.status,
                seconds=round(time.monotonic() - begun, 3),
            ).info("Answered a request.")
        return told(answer, request)

    def close(self) -> None:
        """Close the board. Lambda never does; tests do."""
        self._invocations.close()

    def _answered(self, request: Request, context: Any) -> Answer:
        try:
            return self._invocations.run(
                lambda board, ends: self._handled(board, request, ends), context
            )
        except TimeoutError:
            LOG.exception("A request was not handled in time.")
            return LATE
        except Exception:  # noqa: BLE001 - it is the program's own
            LOG.exception("A request could not be handled.")
            return FAILED

    async def _handled(self, board: Pegboard, request: Request, ends: float) -> Answer:
        async with asyncio.timeout_at(ends):
            answer = await self._handler(board, request)
        if isinstance(answer, Answer):
            return answer
        msg = f"The handler returned {type(answer).__name__}. Return an Answer."
        raise TypeError(msg)
