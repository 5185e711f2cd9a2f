"""Messages to people: the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .declare import contract, operation


@dataclass(frozen=True, slots=True)
class Posted:
    """A message that was delivered."""

    channel: str
    id: str
    """Names the message within its channel."""


@contract(family="integrations", version=1, embedded="console")
class Messenger(Protocol):
    """
    Something that shows messages to people.

    Nothing in a text is obeyed: it calls nobody, and hides no address behind words. A
    channel that does not exist is ``NotFound``, which names it.
    """

    @operation(repeatable=False)
    async def post_message(self, channel: str, text: str) -> Posted:
        """Show *text* in *channel*."""
        ...
