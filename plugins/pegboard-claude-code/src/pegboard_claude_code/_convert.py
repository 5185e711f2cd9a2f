"""Our values to and from those of Claude Code. Nothing here does I/O."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from claude_agent_sdk import (
    AssistantMessage,
    RateLimitEvent,
    ResultMessage,
    StreamEvent,
    ThinkingBlock,
    UserMessage,
)
from pegboard import (
    File,
    Finished,
    Image,
    PartDone,
    Reasoning,
    ReasoningDelta,
    Source,
    Text,
    TextDelta,
    Usage,
    UsageSoFar,
)
from pegboard.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from claude_agent_sdk import Message as SdkMessage
    from pegboard import Message, Part
    from pegboard import StreamEvent as Event
    from pegboard.contracts.chat import FinishReason

PROVIDER = "claude-code"
FULL = "max_tokens"
CUT: Mapping[str, FinishReason] = {
    FULL: "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
"""Reasons to stop before the end, after which Claude Code asks for more."""
DIGITS = 12
"""Of costs: what is lost when the sum so far is taken away is noise."""
BETWEEN = "\n\n"
"""What stands between the words before a tool was used and those after."""


def conversation(messages: Iterable[Message]) -> tuple[Message, ...]:
    """
    Return *messages* without the instructions before them.

    Raises:
        InvalidRequest: Claude Code cannot be told them in their order.

    """
    turns = list(messages)
    while turns and turns[0].role == "system":
        del turns[0]
    if any(message.role == "system" for message in turns):
        msg = "Claude Code takes instructions before the first message only."
        raise InvalidRequest(msg, request_sent="no")
    if not turns or turns[-1].role != "user":
        msg = "Claude Code answers users: the last message must be of the role 'user'."
        raise InvalidRequest(msg, request_sent="no")
    return tuple(turns)


def turn(message: Message) -> dict[str, Any]:
    """Return *message* as a line of the input of Claude Code."""
    content = [block for part in message.parts for block in _blocks(part)]
    said = {"role": message.role, "content": content}
    return {"type": message.role, "message": said, "parent_tool_use_id": None}


def _blocks(part: Part) -> Iterator[dict[str, Any]]:
    """Yield *part* as a block; what Claude thought is not told to it again."""
    if isinstance(part, Text):
        yield {"type": "text", "text": part.text}
    elif isinstance(part, Image):
        yield {"type": "image", "source": _source(part)}
    elif isinstance(part, File):
        yield {"type": "document", "title": part.name, "source": _source(part)}


def _source(part: Image | File) -> dict[str, Any]:
    source = part.source
    if isinstance(source, str):
        return {"type": "url", "url": source}
    if part.media_type == "text/plain":
        words = _decoded(source)
        return {"type": "text", "media_type": part.media_type, "data": words}
    encoded = base64.b64encode(source).decode()
    return {"type": "base64", "media_type": part.media_type, "data": encoded}


def _decoded(source: bytes) -> str:
    try:
        return source.decode()
    except UnicodeDecodeError as error:
        msg = "A file of the type text/plain is not UTF-8. Give it its real type."
        raise InvalidRequest(msg, request_sent="no") from error


class Reading:
    """Makes events of what Claude Code says in answer to one question."""

    def __init__(self, *, structured: bool, bounded: bool) -> None:
        """
        Take the answer from a tool call if it is *structured*, else from words.

        If it is *bounded*, what was cut at the bound does not go on.
        """
        self._structured = structured
        self._bounded = bounded
        self._usage = Usage()
        self._before = Usage()
        self._model = ""
        self._stop_reason: str | None = None
        self._has_words = False
        self._is_new = False
        self._words: list[str] = []
        self._sources: dict[Source, None] = {}
        self.result: ResultMessage | None = None
        """The last message, once it has come."""
        self.error: str | None = None
        """What kind of error Claude Code names, if there is one."""
        self.resets_at: int | None = None
        """When a limit that was hit is lifted, in seconds since 1970."""

    @property
    def has_begun(self) -> bool:
        """Whether the model has said anything."""
        return bool(self._model)

    @property
    def is_short(self) -> bool:
        """Whether the model has stopped before its end."""
        return self._stop_reason in CUT

    @property
    def is_cut(self) -> bool:
        """Whether no more may come, although Claude Code would ask for more."""
        goes_on = self._stop_reason == FULL and not self._bounded
        return self.is_short and not goes_on

    @property
    def lacks_structure(self) -> bool:
        """Whether it has ended in words where JSON was asked for."""
        result = self.result if self._structured else None
        return result is not None and result.structured_output is None

    def events(self, message: SdkMessage) -> Iterator[Event]:
        """Yield what *message* brings."""
        for event in self._brought(message):
            if isinstance(event, TextDelta):
                self._words.append(event.text)
            elif isinstance(event, PartDone):
                self._words = []
            yield event

    def found(self) -> Iterator[Event]:
        """Yield the last words once more, with the pages that searches have found."""
        if self._sources:
            words = "".join(self._words)
            yield PartDone(Text(words, sources=tuple(self._sources)))

    def _brought(self, message: SdkMessage) -> Iterator[Event]:
        if isinstance(message, StreamEvent):
            if message.parent_tool_use_id is None:
                yield from self._raw(message.event)
        elif isinstance(message, UserMessage):
            self._sources |= dict.fromkeys(_pages(message.tool_use_result))
        elif isinstance(message, AssistantMessage):
            self.error = message.error or self.error
            yield from _thoughts(message)
        elif isinstance(message, ResultMessage):
            self.result = message
            if self._structured and message.structured_output is not None:
                yield TextDelta(json.dumps(message.structured_output))
        elif isinstance(message, RateLimitEvent):
            info = message.rate_limit_info
            self.resets_at = info.resets_at if info.status == "rejected" else None

    def finished(self, cost_before: float) -> Finished:
        """Return the last event; *cost_before* is what the session had cost."""
        return Finished(
            finish_reason=CUT.get(self._stop_reason or "", "stop"),
            model=self._model,
            usage=self._final_usage(_cost(self.result, cost_before)),
            provider_metadata={PROVIDER: _metadata(self.result, cost_before)},
        )

    def _raw(self, event: Mapping[str, Any]) -> Iterator[Event]:
        kind = event.get("type")
        if kind == "message_start":
            self._begin(event["message"])
            yield UsageSoFar(self._usage)
        elif kind == "content_block_delta":
            yield from self._delta(event["delta"])
        elif kind == "message_delta":
            self._stop_reason = event["delta"].get("stop_reason")
            self._usage = self._before + usage_of(event.get("usage") or {})
            yield UsageSoFar(self._usage)

    def _begin(self, message: Mapping[str, Any]) -> None:
        self._model = message.get("model") or self._model
        self._before = self._usage
        self._usage = self._before + usage_of(message.get("usage") or {})
        self._is_new = self._stop_reason != FULL

    def _delta(self, delta: Mapping[str, Any]) -> Iterator[Event]:
        if thought := delta.get("thinking"):
            yield ReasoningDelta(thought)
        words = delta.get("text")
        if words and not self._structured:
            between = BETWEEN if self._is_new and self._has_words else ""
            self._has_words, self._is_new = True, False
            yield TextDelta(between + words)

    def _final_usage(self, cost: float | None) -> Usage | None:
        told = self.result.usage if self.result else None
        usage = usage_of(told) if told else self._usage
        return replace(usage, cost=cost) if usage.total else None


def usage_of(told: Mapping[str, Any]) -> Usage:
    """Return the tokens that the API tells, in buckets that do not overlap."""
    details = told.get("output_tokens_details") or {}
    written = told.get("output_tokens") or 0
    reasoning = min(written, details.get("thinking_tokens") or 0)
    return Usage(
        input=told.get("input_tokens") or 0,
        cache_read=told.get("cache_read_input_tokens") or 0,
        cache_write=told.get("cache_creation_input_tokens") or 0,
        output=written - reasoning,
        reasoning=reasoning,
    )


def _pages(result: object) -> Iterator[Source]:
    """Yield the pages in the *result* of a tool, if it is one that searches."""
    searches = result.get("results") if isinstance(result, dict) else None
    for search in searches if isinstance(searches, list) else ():
        pages = search.get("content") if isinstance(search, dict) else None
        for page in pages if isinstance(pages, list) else ():
            if isinstance(page, dict) and page.get("url"):
                yield Source(page["url"], page.get("title") or "")


def _thoughts(message: AssistantMessage) -> Iterator[PartDone]:
    if message.parent_tool_use_id is None:
        for block in message.content:
            if isinstance(block, ThinkingBlock):
                yield PartDone(Reasoning(block.thinking))


def _metadata(result: ResultMessage | None, cost_before: float) -> dict[str, Any]:
    """Return what only Claude Code tells; a cut answer has no result."""
    if result is None:
        return {}
    return {
        "session_id": result.session_id,
        "turns": result.num_turns,
        "cost_usd": _cost(result, cost_before),
        "permission_denials": _denied(result.permission_denials or ()),
    }


def _cost(result: ResultMessage | None, before: float) -> float | None:
    """Return what the answer cost; a session tells all that it has cost so far."""
    told = result.total_cost_usd if result else None
    return None if told is None else max(0.0, round(told - before, DIGITS))


def _denied(denials: Sequence[Any]) -> list[str]:
    return [str(one.get("tool_name")) for one in denials if isinstance(one, dict)]
