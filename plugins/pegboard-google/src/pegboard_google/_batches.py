"""Batches: our values to and from the JSON of the API. Nothing here does I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pegboard import Batch, BatchItem, BatchResult
from pegboard.errors import CallError, InvalidReply, InvalidRequest, NotFound

from ._calls import checked_model
from ._errors import reported
from ._replies import reply_of
from ._requests import OWN, body_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pegboard.contracts.batches import BatchState

    from .options import GeminiOptions

STATES: Mapping[str, BatchState] = {
    "SUCCEEDED": "done",
    "PARTIALLY_SUCCEEDED": "done",
    "FAILED": "failed",
    "CANCELLING": "cancelling",
    "CANCELLED": "cancelled",
    "EXPIRED": "expired",
}
"""What ends a batch; all other states are before that."""
ID = re.compile(r"batches/[^/?&]+")
KEY = "key"
"""What of its metadata tells a request from the others."""

Json = Mapping[str, Any]


def batch_model(items: Sequence[BatchItem], options: GeminiOptions) -> str:
    """
    Return the model that is asked by all of *items*.

    Raises:
        InvalidRequest: They ask several.

    """
    models = {checked_model(item.request.model or options.model) for item in items}
    if len(models) > 1:
        msg = f"A batch asks one model, not {', '.join(sorted(models))}."
        raise InvalidRequest(msg, request_sent="no")
    return models.pop()


def batch_body(
    items: Sequence[BatchItem], model: str, options: GeminiOptions
) -> dict[str, Any]:
    """Return *items* as the API wants them."""
    requests = [
        {
            "request": body_of(item.request, model, options),
            "metadata": {KEY: item.id},
        }
        for item in items
    ]
    config = {"requests": {"requests": requests}}
    return {"batch": {"displayName": "pegboard", "inputConfig": config}}


def checked_id(batch_id: str) -> str:
    """
    Return *batch_id* if it can be one.

    Raises:
        NotFound: The service gives no such ids.

    """
    if ID.fullmatch(batch_id):
        return batch_id
    msg = f"There is no batch {batch_id!r}. Their ids look like 'batches/abc'."
    raise NotFound(msg, request_sent="no")


def batch_of(job: Json) -> Batch:
    """Return the API's *job* as a batch."""
    told = job["metadata"]
    stats = told.get("batchStats") or {}
    failure = job.get("error") or {}
    return Batch(
        id=job["name"],
        state=STATES.get(told["state"].rpartition("STATE_")[2], "running"),
        total=int(stats.get("requestCount", 0)),
        succeeded=int(stats.get("successfulRequestCount", 0)),
        failed=int(stats.get("failedRequestCount", 0)),
        reason=failure.get("message", ""),
        provider_metadata={OWN: {"state": told["state"]}},
    )


def results_of(job: Json) -> list[BatchResult]:
    """
    Return what became of the requests of *job*.

    Raises:
        NotFound: There are no results yet, or none at all.
        InvalidReply: They are in a file, as of batches that somebody else handed in.

    """
    told = job["metadata"]
    output = told.get("output") or job.get("response") or {}
    if "responsesFile" in output:
        msg = f"The results are in {output['responsesFile']}. Fetch it with the SDK."
        raise InvalidReply(msg, request_sent="yes")
    if "inlinedResponses" not in output:
        msg = f"{job['name']} has no results: it is {told['state']}."
        raise NotFound(msg, request_sent="yes")
    model = told.get("model", "").removeprefix("models/")
    answers = output["inlinedResponses"]["inlinedResponses"]
    return [_result(answer, model) for answer in answers]


def _result(told: Json, model: str) -> BatchResult:
    key = told["metadata"][KEY]
    try:
        if "error" in told:
            raise reported(told)
        return BatchResult(key, reply=reply_of(told["response"], model))
    except CallError as error:
        return BatchResult(key, error=error)
