"""Batches: handing them in, watching them, and reading what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from pegboard._log import logger_of
from pegboard.contracts.batches import Batch, BatchItem, BatchResult
from pegboard.errors import CallError, InvalidRequest

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pegboard.contracts.chat import ChatRequest

    from .abilities import Model
    from .prompt import Parameters, Prompt

SUBMIT = "submit_batch"


class Batches:
    """
    Requests that are handed in together and answered within hours, for less.

    A batch is known by its id, which outlives the program: keep it, and ``watch`` and
    ``results`` go on after a new start.
    """

    def __init__(
        self,
        model: Model,
        refuse_without: Callable[[str, str], None],
        request_of: Callable[[str, Prompt, Parameters], tuple[ChatRequest, Any]],
    ) -> None:
        self._model = model
        self._refuse_without = refuse_without
        self._request_of = request_of

    async def submit(
        self,
        prompts: Mapping[str, Prompt] | Iterable[Prompt],
        **parameters: Unpack[Parameters],
    ) -> Batch:
        """
        Hand in *prompts*: by ids of your own, or numbered from ``"0"``.

        Raises:
            Unsupported: The provider takes no batches, or cannot honour a parameter.
            CallError: The call failed.

        """
        self._check(SUBMIT)
        by_id = prompts if isinstance(prompts, Mapping) else _numbered(prompts)
        items = tuple(
            BatchItem(name, self._request_of(SUBMIT, prompt, parameters)[0])
            for name, prompt in by_id.items()
        )
        if not items:
            msg = "The batch is empty. Pass at least one prompt."
            error = InvalidRequest(msg, request_sent="no")
            error.address, error.operation = self._model.address, SUBMIT
            raise error
        batch: Batch = await self._model.handle.submit_batch(items)
        return batch

    async def get(self, batch_id: str) -> Batch:
        """
        Return how far the batch is.

        Raises:
            NotFound: The service knows no such batch.
            CallError: The call failed.

        """
        self._check("get_batch")
        batch: Batch = await self._model.handle.get_batch(batch_id)
        return batch

    async def cancel(self, batch_id: str) -> Batch:
        """
        Ask for an early end; results that are there can still be read.

        Raises:
            NotFound: The service knows no such batch.
            CallError: The call failed.

        """
        self._check("cancel_batch")
        batch: Batch = await self._model.handle.cancel_batch(batch_id)
        return batch

    async def watch(
        self, batch_id: str, *, every: float = 60.0
    ) -> AsyncGenerator[Batch]:
        """
        Yield how far the batch is, at first and whenever that has changed.

        The service is asked *every* so many seconds, also after it could not be
        reached: a batch outlasts outages. Ends with the batch.

        Raises:
            NotFound: The service knows no such batch.
            CallError: A call failed that makes no sense to repeat.

        """
        batch = await self.get(batch_id)
        yield batch
        while not batch.has_ended:
            await asyncio.sleep(every)
            before, batch = batch, await self._get_or_keep(batch)
            if batch != before:
                yield batch

    async def results(self, batch_id: str) -> AsyncGenerator[BatchResult]:
        """
        Yield what became of each request, in any order; know them by their ids.

        Raises:
            NotFound: The service knows no such batch, or has no results of it yet.
            CallError: The call failed.

        """
        self._check("batch_results")
        async with aclosing(self._model.handle.batch_results(batch_id)) as results:
            async for result in results:
                yield self._placed(result)

    def _check(self, operation: str) -> None:
        self._refuse_without("batches", operation)

    async def _get_or_keep(self, batch: Batch) -> Batch:
        try:
            return await self.get(batch.id)
        except CallError as error:
            if not error.retryable:
                raise
            logger_of(self._model.address).warning("{} Asking again later.", error)
            return batch

    def _placed(self, result: BatchResult) -> BatchResult:
        if result.error is not None:
            result.error.address = self._model.address
            result.error.operation = SUBMIT
        return result


def _numbered(prompts: Iterable[Prompt]) -> Mapping[str, Prompt]:
    return {str(number): prompt for number, prompt in enumerate(prompts)}
