"""Messages as SQS has them, and as pegboard does: pure functions."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from pegboard import Delivery, Published
from pegboard.contracts.queue_rules import MOST_BYTES, Packed
from pegboard.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MOST_AT_ONCE = 10
LONGEST_DELAY = 900
LONGEST_HIDDEN = 43_200
KIND = "String"
ALONE = "pegboard-alone-"
"""What groups begin with that we make for messages which have none."""


def entry_of(message: Packed) -> dict[str, Any]:
    """Return *message* as it is sent."""
    said = {
        name: {"DataType": KIND, "StringValue": text}
        for name, text in message.attributes.items()
    }
    entry: dict[str, Any] = {"MessageBody": message.body}
    return {**entry, "MessageAttributes": said} if said else entry


def batches(
    messages: Iterable[tuple[Packed, dict[str, Any]]],
) -> Iterator[list[dict[str, Any]]]:
    """Give the entries of *messages*, as many at once as may be sent together."""
    batch: list[dict[str, Any]] = []
    held = 0
    for message, entry in messages:
        size = _size(message)
        if len(batch) == MOST_AT_ONCE or held + size > MOST_BYTES:
            yield batch
            batch, held = [], 0
        batch.append({**entry, "Id": str(len(batch))})
        held += size
    if batch:
        yield batch


def results_of(told: Mapping[str, Any], count: int) -> list[Published]:
    """Return what became of each message of a batch."""
    lost = Published(error="SQS did not say what became of it.")
    results = dict.fromkeys(map(str, range(count)), lost)
    for one in told.get("Successful") or ():
        results[one["Id"]] = Published(id=one["MessageId"])
    for one in told.get("Failed") or ():
        error = f"{one['Code']}: {one.get('Message') or 'no reason given'}"
        results[one["Id"]] = Published(
            error=error, retryable=not one.get("SenderFault")
        )
    return list(results.values())


def delivery_of(told: Mapping[str, Any]) -> Delivery:
    """Return the message that SQS *told* of."""
    system = told.get("Attributes", {})
    group = system.get("MessageGroupId")
    said = told.get("MessageAttributes", {})
    return Delivery(
        id=told["MessageId"],
        body=body_of(told["Body"]),
        receipt=told["ReceiptHandle"],
        deliveries=int(system.get("ApproximateReceiveCount", 1)),
        published=int(system.get("SentTimestamp", 0)) / 1000,
        attributes={
            name: one["StringValue"]
            for name, one in said.items()
            if one.get("StringValue") is not None
        },
        group=None if group and group.startswith(ALONE) else group,
    )


def delivery_of_event(record: Mapping[str, Any]) -> Delivery:
    """Return the message that Lambda tells of, which spells SQS in its own way."""
    return delivery_of(
        {
            "MessageId": record["messageId"],
            "ReceiptHandle": record["receiptHandle"],
            "Body": record["body"],
            "Attributes": record.get("attributes", {}),
            "MessageAttributes": {
                name: {"StringValue": one.get("stringValue")}
                for name, one in record.get("messageAttributes", {}).items()
            },
        }
    )


def body_of(text: str) -> Any:
    """Return what *text* says as JSON; what others put in may be any text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def whole_seconds(name: str, seconds: float, most: int) -> int:
    """Return *seconds* as SQS takes them: whole ones, not too many."""
    if seconds > most:
        msg = f"{name} is {seconds:g} seconds; SQS takes up to {most}."
        raise InvalidRequest(msg, request_sent="no")
    return math.ceil(seconds)


def _size(message: Packed) -> int:
    attributes = message.attributes.items()
    said = sum(len(n) + len(KIND) + len(text.encode()) for n, text in attributes)
    return len(message.body) + said
