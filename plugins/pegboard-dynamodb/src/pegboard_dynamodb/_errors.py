"""What DynamoDB refuses, in pegboard's terms: one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegboard import errors
from pegboard_aws.connection import ServiceAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pegboard.errors import CallError

CONDITION_FAILED = "ConditionalCheckFailedException"
CANCELED = "TransactionCanceledException"
MISSING = "ResourceNotFoundException"
IN_USE = "ResourceInUseException"
BUSY_ITEM = "TransactionConflictException"
BUSY = "TransactionConflict"
"""Others are changing the same items, of one request and as a transaction's reason."""

KINDS: Mapping[str, type[CallError]] = {
    CONDITION_FAILED: errors.Conflict,
    CANCELED: errors.Conflict,
    IN_USE: errors.Conflict,
    "ReplicatedWriteConflictException": errors.Overloaded,
    BUSY_ITEM: errors.Overloaded,
    "TransactionInProgressException": errors.Unavailable,
}
"""By the code of an answer, beside those that all services have."""
REASONS: Mapping[str, type[CallError]] = {
    "ItemCollectionSizeLimitExceeded": errors.InvalidRequest,
    "ProvisionedThroughputExceeded": errors.RateLimited,
    "ThrottlingError": errors.RateLimited,
    BUSY: errors.Overloaded,
    "ValidationError": errors.InvalidRequest,
}
"""By the reason for which a transaction was given up."""
UNMET = "ConditionalCheckFailed"


class NotMetError(Exception):
    """A condition does not hold, so nothing was changed."""

    def __init__(self, item: Mapping[str, Any] | None = None) -> None:
        super().__init__(item)
        self.item = item
        """What stands there instead, if anything; of a transaction it is not known."""


def answered(error: CallError) -> Mapping[str, Any]:
    """Return what DynamoDB said when it refused; nothing if it said nothing."""
    cause = error.__cause__
    return cause.body if isinstance(cause, ServiceAnswer) else {}


def given_up(error: CallError) -> Exception:
    """Return why a transaction was given up, or *error* itself if it does not say."""
    told = [
        (reason.get("Code", "None"), reason.get("Message", ""))
        for reason in answered(error).get("CancellationReasons", ())
    ]
    for code, kind in REASONS.items():
        for found, message in told:
            if found == code:
                text = f"dynamodb gave up a transaction: {code}. {message}".rstrip()
                return kind(text, status=error.status, code=code)
    return NotMetError() if any(code == UNMET for code, _ in told) else error


def missing_table(error: CallError, table: str) -> CallError:
    """Return the error of a table that is not there."""
    msg = (
        f"There is no table {table!r} in this account and region. Make it with the "
        "partition key pk and the sort key sk, both text, or set create_table = true."
    )
    return errors.NotFound(msg, request_sent="no", status=error.status, code=error.code)
