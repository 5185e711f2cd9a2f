"""A function that works on messages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loguru import logger
from pegboard.errors import InvalidRequest

from ._invocations import Invocations
from ._logs import CORRELATION, LOG, names, request_id
from ._messages import delivery_of_event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pegboard import Delivery, Pegboard


class WorkerFunction:
    """
    Works on messages that SQS sends, and tells which ones failed.

    Only these come again, where the event source mapping has
    ``ReportBatchItemFailures``. Of a queue of groups, none is begun after one that
    failed, and all that follow come again, so that their order stays.
    """

    def __init__(
        self,
        handler: Callable[[Pegboard, Delivery], Awaitable[object]],
        make_board: Callable[[], Pegboard] | None,
        concurrency: int,
    ) -> None:
        self._handler = handler
        self._concurrency = concurrency
        self._invocations = Invocations(make_board)

    def __call__(self, event: Mapping[str, Any], context: Any = None) -> dict[str, Any]:
        """Return which of the messages in *event* failed."""
        records = _records(event)
        with logger.contextualize(**names(context, request_id(context))):
            failed = self._invocations.run(
                lambda board, ends: self._failed(board, records, ends), context
            )
            LOG.bind(jobs=len(records), failed=len(failed)).info("Worked on jobs.")
        return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}

    def close(self) -> None:
        """Close the board. Lambda never does; tests do."""
        self._invocations.close()

    async def _failed(
        self, board: Pegboard, records: Sequence[Mapping[str, Any]], ends: float
    ) -> list[str]:
        """Return the ids of those that shall come again."""
        ids = [str(record["messageId"]) for record in records]
        if _has_groups(records):
            return ids[await self._in_order(board, records, ends) :]
        turns = asyncio.Semaphore(self._concurrency)

        async def take(record: Mapping[str, Any]) -> bool:
            async with turns:
                return await self._is_done(board, record, ends)

        done = await asyncio.gather(*map(take, records))
        return [name for name, is_done in zip(ids, done, strict=True) if not is_done]

    async def _in_order(
        self, board: Pegboard, records: Sequence[Mapping[str, Any]], ends: float
    ) -> int:
        """Return how many were done until one failed."""
        for number, record in enumerate(records):
            if not await self._is_done(board, record, ends):
                return number
        return len(records)

    async def _is_done(
        self, board: Pegboard, record: Mapping[str, Any], ends: float
    ) -> bool:
        job = delivery_of_event(record)
        named = job.attributes.get(CORRELATION, job.id)
        with logger.contextualize(correlation_id=named, job=job.id):
            try:
                async with asyncio.timeout_at(ends):
                    await self._handler(board, job)
            except Exception:  # noqa: BLE001 - the program's own; the message comes again
                LOG.bind(deliveries=job.deliveries).exception("A job failed.")
                return False
        return True


def _has_groups(records: Sequence[Mapping[str, Any]]) -> bool:
    return any(str(one.get("eventSourceARN")).endswith(".fifo") for one in records)


def _records(event: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    records = event.get("Records")
    if isinstance(records, Sequence) and all(
        isinstance(one, Mapping) and one.get("eventSource") == "aws:sqs"
        for one in records
    ):
        return records
    msg = (
        f"The event with {sorted(event)} is none of SQS. Map a queue to this function; "
        "others have adapters of their own."
    )
    raise InvalidRequest(msg, request_sent="no")
