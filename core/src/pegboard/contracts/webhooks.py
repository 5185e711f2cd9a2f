"""Events for other programs, over HTTP: the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from .declare import contract, operation


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event that its receiver has taken."""

    id: str
    status: int
    """Of HTTP, such as 200."""


@contract(family="integrations", version=1)
class Webhooks(Protocol):
    """
    Somebody who wants to be told of events.

    An event that was sent again, by us or by a program that was started anew, has the
    same id, by which its receiver knows that it is the same one.
    """

    @operation(repeatable=True)
    async def send_event(
        self,
        type: str,  # noqa: A002 - the field's word
        payload: Any,
        *,
        id: str,  # noqa: A002 - the same
        at: float | None = None,
    ) -> SentEvent:
        """
        Tell of an event, and return when its receiver has taken it.

        Args:
            type: What happened, such as ``order.paid``.
            payload: What there is to know of it, as JSON.
            id: Names the event: letters, digits, '-' and '_'. Take what it has in your
                database, or pegboard.webhooks.new_id().
            at: When it happened, in seconds since 1970. Default: now.

        Raises:
            InvalidRequest: It cannot be sent, or the receiver does not want it so.

        """
        ...
