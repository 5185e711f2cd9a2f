"""Streams: the pieces of a reply as events. Nothing here does I/O."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pegboard import (
    Finished,
    PartDone,
    Reasoning,
    ReasoningDelta,
    StreamEvent,
    Text,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageSoFar,
)
from pegboard.errors import ConnectionFailed

from ._replies import (
    call_of,
    check,
    finish_reason_of,
    metadata_of,
    opaque,
    sources_of,
    usage_of,
    wire_parts,
)
from ._requests import OWN

Json = Mapping[str, Any]


class StreamReader:
    """Makes events of the chunks of one stream."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._finish_reason: str | None = None
        self._thoughts: list[str] = []
        self._usage: Usage | None = None
        self._metadata: dict[str, Any] = {}
        self._has_calls = False
        self._words: list[str] = []

    def read(self, chunk: Json) -> Iterator[StreamEvent]:
        """Yield what *chunk* brings."""
        check(chunk)
        self._model = chunk.get("modelVersion") or self._model
        for candidate in (chunk.get("candidates") or ())[:1]:
            self._metadata |= metadata_of(chunk, candidate)
            self._finish_reason = candidate.get("finishReason") or self._finish_reason
            for part in wire_parts(candidate):
                for event in self._part(part):
                    self._follow(event)
                    yield event
        usage = chunk.get("usageMetadata")
        if usage and (so_far := usage_of(usage)) != self._usage:
            self._usage = so_far
            yield UsageSoFar(so_far)

    def finish(self) -> Iterator[StreamEvent]:
        """
        Yield what is complete only at the end of the stream.

        Raises:
            ConnectionFailed: The stream ended before the reply did.

        """
        if self._finish_reason is None:
            msg = "The stream ended before the reply did."
            raise ConnectionFailed(msg)
        finish_reason = finish_reason_of(self._finish_reason, has_calls=self._has_calls)
        yield from self._thought()
        if sources := sources_of(self._metadata):
            yield PartDone(Text("".join(self._words), sources=sources))
        yield Finished(
            finish_reason=finish_reason,
            model=self._model,
            usage=self._usage,
            provider_metadata={OWN: self._metadata},
        )

    def _part(self, part: Json) -> Iterator[StreamEvent]:
        text = part.get("text")
        if part.get("thought") and "thoughtSignature" not in part:
            self._thoughts.append(text or "")
            yield ReasoningDelta(text or "")
            return
        yield from self._thought()
        if part.get("thought"):
            yield ReasoningDelta(text or "")
            yield PartDone(opaque(part))
        elif text is not None:
            yield from _words(part)
        elif "functionCall" in part:
            self._has_calls = True
            yield from _called(part)
        else:
            yield PartDone(opaque(part))

    def _follow(self, event: StreamEvent) -> None:
        """Keep the words since the last part."""
        if isinstance(event, TextDelta):
            self._words.append(event.text)
        elif isinstance(event, PartDone):
            self._words = []

    def _thought(self) -> Iterator[StreamEvent]:
        """Yield the thoughts so far as one part; only a signature keeps them apart."""
        if self._thoughts:
            yield PartDone(Reasoning("".join(self._thoughts)))
            self._thoughts = []


def _words(part: Json) -> Iterator[StreamEvent]:
    """Yield text, and its signature after it, for which events of text have no room."""
    if part["text"]:
        yield TextDelta(part["text"])
    if "thoughtSignature" in part:
        yield PartDone(Reasoning("", provider_metadata={OWN: {"part": part}}))


def _called(part: Json) -> Iterator[StreamEvent]:
    call = call_of(part)
    yield ToolCallDelta(call.id, call.name, json.dumps(call.arguments))
    yield PartDone(call)
