"""A reply that is being written: the events of a stream, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contracts.chat import (
    Finished,
    PartDone,
    Reply,
    Text,
    TextDelta,
    Usage,
    UsageSoFar,
)

if TYPE_CHECKING:
    from .contracts.chat import ChatRequest, Part, StreamEvent

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English text, used only where a service does not count."""


class Draft:
    """What has arrived of a reply."""

    def __init__(self, request: ChatRequest, dropped: tuple[str, ...] = ()) -> None:
        self._request = request
        self._dropped = dropped
        self._parts: list[Part | list[str]] = []
        self._usage: Usage | None = None
        self._finished: Finished | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the last event has arrived."""
        return self._finished is not None

    def add(self, event: StreamEvent) -> None:
        """Take in the next event."""
        if isinstance(event, TextDelta):
            self._add_text(event.text)
        elif isinstance(event, PartDone):
            self._add_part(event.part)
        elif isinstance(event, UsageSoFar):
            self._usage = event.usage
        elif isinstance(event, Finished):
            self._finished = event
            self._usage = event.usage or self._usage

    def reply(self) -> Reply:
        """Return the reply as far as it has arrived."""
        end = self._finished
        parts = tuple(
            Text("".join(part)) if isinstance(part, list) else part
            for part in self._parts
        )
        return Reply(
            parts=parts,
            finish_reason=end.finish_reason if end else "cut",
            usage=self._usage or estimated_usage(self._request, parts),
            model=end.model if end else self._request.model or "",
            provider_metadata=end.provider_metadata if end else {},
            dropped=self._dropped,
        )

    def _add_part(self, part: Part) -> None:
        if isinstance(part, Text) and self._parts and isinstance(self._parts[-1], list):
            self._parts.pop()
        self._parts.append(part)

    def _add_text(self, text: str) -> None:
        last = self._parts[-1] if self._parts else None
        if isinstance(last, list):
            last.append(text)
        else:
            self._parts.append([text])


def estimated_usage(request: ChatRequest, parts: tuple[Part, ...]) -> Usage:
    """Return about how many tokens *request* and the *parts* of its reply have."""
    read = sum(len(message.text) for message in request.messages)
    written = sum(len(part.text) for part in parts if isinstance(part, Text))
    return Usage(input=_tokens(read), output=_tokens(written), estimated=True)


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)
