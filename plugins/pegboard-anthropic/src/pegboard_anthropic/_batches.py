"""Batches of the service, as ours. Nothing here does I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pegboard import Batch, BatchItem, BatchResult
from pegboard.errors import CallError, InvalidRequest, Unavailable

from ._blocks import PROVIDER
from ._errors import reported
from ._reply import reply_of
from ._request import body_of

if TYPE_CHECKING:
    from pegboard.contracts.batches import BatchState

    from .options import AnthropicOptions

Json = Mapping[str, Any]

BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
STATES: Mapping[str, BatchState] = {
    "in_progress": "running",
    "canceling": "cancelling",
}
UNANSWERED: Mapping[str, str] = {
    "canceled": "The request was cancelled before it was answered.",
    "expired": "The request was not answered in the time that a batch has.",
}


def requests_of(
    items: Iterable[BatchItem], options: AnthropicOptions
) -> list[dict[str, Any]]:
    """
    Return *items* as the API wants them.

    Raises:
        InvalidRequest: An id is not one for the API.

    """
    return [
        {"custom_id": _checked(item.id), "params": body_of(item.request, options)}
        for item in items
    ]


def batch_of(answer: Json) -> Batch:
    """Return the batch that *answer* describes."""
    counts = answer["request_counts"]
    lost = counts["errored"] + counts["canceled"] + counts["expired"]
    return Batch(
        id=answer["id"],
        state=STATES.get(answer["processing_status"]) or _ended(counts),
        total=sum(counts.values()),
        succeeded=counts["succeeded"],
        failed=lost,
        provider_metadata={PROVIDER: {"expires_at": answer.get("expires_at")}},
    )


def result_of(told: Json) -> BatchResult:
    """Return the result that the service *told*."""
    name, result = told["custom_id"], told["result"]
    kind = result["type"]
    if kind == "succeeded":
        return _answered(name, result["message"])
    if kind in UNANSWERED:
        error = Unavailable(UNANSWERED[kind], request_sent="no", code=kind)
        return BatchResult(name, error=error)
    return BatchResult(name, error=reported(result.get("error")))


def _answered(name: str, message: Json) -> BatchResult:
    """Return the result that *message* is; if it is of no use, the others may be."""
    try:
        return BatchResult(name, reply=reply_of([message]))
    except CallError as error:
        return BatchResult(name, error=error)


def _ended(counts: Mapping[str, int]) -> BatchState:
    """Return how a batch ended of which nothing is left to do."""
    answered = counts["succeeded"] + counts["errored"]
    if answered or not any(counts.values()):
        return "done"
    return "cancelled" if counts["canceled"] else "expired"


def _checked(name: str) -> str:
    if BATCH_ID.fullmatch(name):
        return name
    msg = (
        f"{name!r} cannot be the id of a request in a batch. "
        "Use 1 to 64 letters, digits, hyphens or underscores."
    )
    raise InvalidRequest(msg, request_sent="no")
