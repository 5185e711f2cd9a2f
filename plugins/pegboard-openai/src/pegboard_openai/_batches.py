"""Batches: a file of requests goes up, files of answers and errors come down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pegboard import Batch, BatchResult
from pegboard.errors import CallError, NotFound

from ._convert import kept
from ._errors import answered, reported

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pegboard.contracts.batches import BatchState

    from ._chat import ChatApi
    from ._connection import Connection
    from ._responses import ResponsesApi
    from .services import Service

STATES: Mapping[str, BatchState] = {
    "validating": "running",
    "in_progress": "running",
    "finalizing": "running",
    "cancelling": "cancelling",
    "completed": "done",
    "failed": "failed",
    "cancelled": "cancelled",
    "expired": "expired",
}
KEPT = ("input_file_id", "output_file_id", "error_file_id", "endpoint", "usage")
"""What else of a batch is told."""
SUCCESSES = range(200, 300)
FILES = ("output_file_id", "error_file_id")


class BatchApi:
    """Hands in chat requests of one service and fetches their replies."""

    def __init__(
        self, service: Service, api: ChatApi | ResponsesApi, connection: Connection
    ) -> None:
        self._service = service
        self._api = api
        self._connection = connection

    async def submit(self, bodies: Mapping[str, Mapping[str, Any]]) -> Batch:
        """Hand in *bodies* by their ids."""
        lines = (self._line(name, body) for name, body in bodies.items())
        file = ("batch.jsonl", "\n".join(lines).encode(), "application/jsonl")
        with self._connection.translation:
            sent = await self._connection.upload(
                "/files", {"purpose": "batch"}, [("file", file)]
            )
            batch = {
                "input_file_id": sent["id"],
                "endpoint": self._endpoint,
                "completion_window": "24h",
            }
            return self._batch(await self._connection.post("/batches", batch))

    async def get(self, batch_id: str) -> Batch:
        """Return how far it is."""
        with self._connection.translation:
            return self._batch(await self._connection.get(_path(batch_id)))

    async def cancel(self, batch_id: str) -> Batch:
        """Ask for an early end."""
        path = f"{_path(batch_id)}/cancel"
        with self._connection.translation:
            return self._batch(await self._connection.post(path, {}))

    async def results(self, batch_id: str) -> AsyncGenerator[BatchResult, None]:
        """
        Yield what there is.

        Raises:
            NotFound: There are none yet.

        """
        batch = await self.get(batch_id)
        if not batch.has_ended:
            msg = f"The batch {batch_id} is {batch.state}. Wait until it has ended."
            raise NotFound(msg, request_sent="yes")
        told = batch.provider_metadata[self._service.name]
        for file_id in (told[name] for name in FILES if name in told):
            async with aclosing(self._lines(file_id)) as lines:
                async for line in lines:
                    yield self._result(line)

    async def _lines(self, file_id: str) -> AsyncGenerator[Any, None]:
        with self._connection.translation:
            source = self._connection.lines(f"/files/{file_id}/content")
            async with aclosing(source) as arrivals:
                async for together in arrivals:
                    for line in together:
                        yield line

    @property
    def _endpoint(self) -> str:
        return self._service.batch_prefix + self._api.path

    def _line(self, name: str, body: Mapping[str, Any]) -> str:
        line = {"custom_id": name, "method": "POST", "url": self._endpoint}
        return json.dumps({**line, "body": body})

    def _batch(self, answer: Mapping[str, Any]) -> Batch:
        counts = answer.get("request_counts") or {}
        return Batch(
            id=answer["id"],
            state=STATES[answer["status"]],
            total=counts.get("total", 0),
            succeeded=counts.get("completed", 0),
            failed=counts.get("failed", 0),
            reason=_reason(answer.get("errors") or {}),
            provider_metadata={self._service.name: kept(KEPT, answer)},
        )

    def _result(self, told: Mapping[str, Any]) -> BatchResult:
        with self._connection.translation:
            name = told["custom_id"]
        try:
            with self._connection.translation:
                return BatchResult(name, reply=self._api.reply(self._answer(told)))
        except CallError as error:
            return BatchResult(name, error=error)

    def _answer(self, told: Mapping[str, Any]) -> Any:
        """
        Return the answer that is *told*.

        Raises:
            CallError: There is none, but an error.

        """
        if error := told.get("error"):
            raise reported(error, self._service.name)
        response = told["response"]
        if response["status_code"] in SUCCESSES:
            return response["body"]
        raise answered(response["status_code"], response["body"], self._service.name)


def _path(batch_id: str) -> str:
    return f"/batches/{quote(batch_id, safe='')}"


def _reason(errors: Mapping[str, Any]) -> str:
    return " ".join(one.get("message") or "" for one in errors.get("data") or ())
