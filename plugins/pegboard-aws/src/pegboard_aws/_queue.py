"""A queue of Amazon SQS."""

from __future__ import annotations

import asyncio
import math
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from pegboard import NewMessage, Published, QueueCounts, time_left
from pegboard.contracts.queue_rules import (
    all_packed,
    checked_number,
    checked_receipt,
    checked_seconds,
    checked_visibility,
    packed,
)
from pegboard.errors import (
    CallError,
    InvalidRequest,
    NotFound,
    Overloaded,
    PermissionDenied,
    Unsupported,
)

from ._messages import (
    ALONE,
    LONGEST_DELAY,
    LONGEST_HIDDEN,
    MOST_AT_ONCE,
    batches,
    delivery_of,
    entry_of,
    results_of,
    whole_seconds,
)
from .connection import Connection, Service

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pegboard import Context, Delivery
    from pegboard.contracts.queue_rules import Packed

    from .options import SQSOptions

MISSING = "Create the queue, or check url and whose keys these are."
SERVICE = Service(
    "sqs",
    target="AmazonSQS",
    kinds={
        "OverLimit": Overloaded,
        "QueueDoesNotExist": NotFound,
        "AWS.SimpleQueueService.NonExistentQueue": NotFound,
    },
    hints={
        "OverLimit": "Too many messages are with somebody: acknowledge them sooner.",
        "QueueDoesNotExist": MISSING,
        "AWS.SimpleQueueService.NonExistentQueue": MISSING,
    },
)
GONE = frozenset(
    ("InvalidParameterValue", "MessageNotInflight", "ReceiptHandleIsInvalid")
)
"""What is answered about a message that is no longer the receiver's."""
RECEIPT = re.compile(r"[\w/+=.~-]{20,}", re.ASCII)
REGION = re.compile(r"(?:^|\.)sqs(?:-fips)?\.([a-z0-9-]+)\.")
LONGEST_POLL = 20
MOST_GIVEN_BACK = 10_000
SPARE = 1.0
"""Seconds before the deadline in which no answer is waited for: it would be lost."""
COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
)


class SQSQueue:
    """A queue; of groups, if its name ends with ``.fifo``."""

    def __init__(self, options: SQSOptions, context: Context) -> None:
        self._url = options.url
        self._visibility = options.visibility
        self._is_fifo = options.url.endswith(".fifo")
        self._names_copies = self._is_fifo and not options.content_deduplication
        self._given_back: dict[str, None] = {}
        self._connection = Connection(_placed(options), context, SERVICE)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._connection.aclose()

    async def ping(self) -> str | None:
        """Ask for its name, so that it is there and the keys are known."""
        try:
            await self._call("GetQueueAttributes", AttributeNames=["QueueArn"])
        except PermissionDenied:
            return "answers, but may not be looked at"
        return None

    async def publish(
        self,
        body: Any,
        *,
        attributes: Mapping[str, str] | None = None,
        delay: float = 0.0,
        group: str | None = None,
    ) -> str:
        """Put a message into the queue and return its id."""
        message = NewMessage(body=body, attributes=attributes, delay=delay, group=group)
        told = await self._call("SendMessage", **self._entry(packed(message)))
        return str(told["MessageId"])

    async def publish_many(self, messages: Sequence[NewMessage]) -> Sequence[Published]:
        """
        Put *messages* into the queue, ten at once.

        Where such a call fails, those that would follow are not sent.
        """
        every = all_packed(messages)
        done: list[Published] = []
        for batch in batches((one, self._entry(one)) for one in every):
            try:
                told = await self._call("SendMessageBatch", Entries=batch)
            except CallError as error:
                if not done:
                    raise
                unknown = Published(error=str(error), retryable=_is_unsent(error))
                done += [unknown] * len(batch)
                break
            done += results_of(told, len(batch))
        unsent = Published(error="It was not sent, as one before it.", retryable=True)
        return done + [unsent] * (len(every) - len(done))

    async def receive(
        self, *, limit: int = 1, wait: float = 0.0, visibility: float | None = None
    ) -> Sequence[Delivery]:
        """Take up to *limit* messages, and up to ten; wait for whole seconds."""
        number = min(checked_number(limit), MOST_AT_ONCE)
        hidden = checked_visibility(visibility, self._visibility)
        asked = {
            "MaxNumberOfMessages": number,
            "VisibilityTimeout": whole_seconds("visibility", hidden, LONGEST_HIDDEN),
            "MessageAttributeNames": ["All"],
            "MessageSystemAttributeNames": ["All"],
        }
        clock = asyncio.get_running_loop().time
        ends = clock() + checked_seconds("wait", wait)
        while True:
            poll = _poll(ends - clock())
            told = await self._call("ReceiveMessage", WaitTimeSeconds=poll, **asked)
            found = [delivery_of(one) for one in told.get("Messages") or ()]
            if found or not poll or clock() >= ends:
                return found

    async def ack(self, receipt: str) -> bool:
        """Remove a message. Of one that was removed, SQS says the same."""
        return await self._settle("DeleteMessage", receipt)

    async def nack(self, receipt: str, *, delay: float = 0.0) -> bool:
        """Give a message back, for whole seconds."""
        seconds = checked_seconds("delay", delay)
        hidden = whole_seconds("delay", seconds, LONGEST_HIDDEN)
        was_there = await self._hide(receipt, hidden)
        # Until it is delivered anew, SQS would take the receipt for another's work.
        self._given_back[receipt] = None
        if len(self._given_back) > MOST_GIVEN_BACK:
            del self._given_back[next(iter(self._given_back))]
        return was_there

    async def extend(self, receipt: str, *, visibility: float | None = None) -> bool:
        """Keep a message, for whole seconds."""
        seconds = checked_visibility(visibility, self._visibility)
        hidden = whole_seconds("visibility", seconds, LONGEST_HIDDEN)
        return await self._hide(receipt, hidden)

    async def count(self) -> QueueCounts:
        """Return how many messages there are, roughly."""
        told = await self._call("GetQueueAttributes", AttributeNames=COUNTS)
        return QueueCounts(*(int(told["Attributes"][name]) for name in COUNTS))

    async def _hide(self, receipt: str, seconds: int) -> bool:
        return await self._settle(
            "ChangeMessageVisibility", receipt, VisibilityTimeout=seconds
        )

    async def _settle(self, action: str, receipt: str, **fields: Any) -> bool:
        """Return whether the message of *receipt* was there to be settled."""
        handle = checked_receipt(receipt)
        if not RECEIPT.fullmatch(handle):
            msg = f"{receipt!r} is no receipt of SQS. Pass it on as it came."
            raise InvalidRequest(msg, request_sent="no")
        if handle in self._given_back:
            return False
        try:
            await self._call(action, ReceiptHandle=handle, **fields)
        except CallError as error:
            if error.code not in GONE:
                raise
            return False
        return True

    async def _call(self, action: str, **fields: Any) -> dict[str, Any]:
        asked = {"QueueUrl": self._url, **fields}
        return await self._connection.call(action, asked)

    def _entry(self, message: Packed) -> dict[str, Any]:
        entry = entry_of(message)
        if not self._is_fifo:
            self._refuse(message.group, "Messages have groups", "is not")
            delay = whole_seconds("delay", message.delay, LONGEST_DELAY)
            return {**entry, "DelaySeconds": delay}
        self._refuse(message.delay, "A single message has no delay", "is")
        entry["MessageGroupId"] = message.group or f"{ALONE}{uuid4()}"
        if self._names_copies:
            entry["MessageDeduplicationId"] = str(uuid4())
        return entry

    def _refuse(self, wanted: object, rule: str, state: str) -> None:
        if wanted:
            name = self._url.rpartition("/")[2]
            msg = (
                f"{rule} in queues whose names end with .fifo, which {name!r} {state}."
            )
            raise Unsupported(msg)


def _placed(options: SQSOptions) -> SQSOptions:
    """Return *options* that say where the queue is, as its address does."""
    place = urlsplit(options.url)
    found = REGION.search(place.hostname or "")
    return options.model_copy(
        update={
            "endpoint": options.endpoint or f"{place.scheme}://{place.netloc}",
            "region": found[1] if found else options.region,
        }
    )


def _poll(seconds: float) -> int:
    """Return for how long one request may wait, of *seconds* that are left."""
    left = time_left()
    most = LONGEST_POLL if left is None else min(LONGEST_POLL, int(left - SPARE))
    return max(0, min(most, math.ceil(min(seconds, LONGEST_POLL))))


def _is_unsent(error: CallError) -> bool:
    return error.retryable and error.request_sent == "no"
