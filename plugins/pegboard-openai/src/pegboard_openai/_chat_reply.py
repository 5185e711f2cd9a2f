"""Answers of the Chat Completions API: its JSON as our values. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pegboard import (
    Finished,
    Part,
    PartDone,
    Reasoning,
    ReasoningDelta,
    Reply,
    StreamEvent,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageSoFar,
)
from pegboard.errors import ConnectionFailed

from ._convert import arguments_of, kept, sources_of, usage_of, with_cost
from ._errors import reported

if TYPE_CHECKING:
    from pegboard.contracts.chat import FinishReason

FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
REPLAYED = ("reasoning_content", "reasoning_details")
"""What services that think want back with the calls that they thought of."""
WORDS = frozenset({"content"})
"""The fields of a delta that brings words and nothing else."""
KEPT = ("id", "service_tier", "prompt_filter_results", "content_filter_results")
"""What else of an answer is told; the last two are Azure's, of what it filters."""


def chat_reply(answer: Any, service: str) -> Reply:
    """Return the *answer* of *service* as a reply."""
    choice = answer["choices"][0]
    message = choice["message"]
    usage = answer.get("usage")
    return Reply(
        parts=tuple(_parts(message, service)),
        finish_reason=_finish_reason(choice["finish_reason"], message),
        usage=_usage(usage, service) if usage else Usage(estimated=True),
        model=answer["model"],
        provider_metadata={service: kept(KEPT, answer, choice)},
    )


class ChatReader:
    """Makes events of the chunks of one stream."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._model = ""
        self._finish_reason: str | None = None
        self._refusal = ""
        self._usage: Usage | None = None
        self._metadata: dict[str, Any] = {}
        self._thoughts: dict[str, Any] = {}
        self._calls: dict[int, dict[str, str]] = {}
        self._words: list[str] = []
        self._annotations: list[Mapping[str, Any]] = []

    def read(self, chunk: Any) -> Iterable[StreamEvent]:
        """
        Return what *chunk* brings.

        Raises:
            CallError: The chunk says that the request failed.

        """
        choices = chunk.get("choices") or ()
        if choices and not chunk.get("usage"):
            choice = choices[0]
            delta = choice.get("delta")
            # Nearly all chunks are so.
            if delta and delta.keys() == WORDS and not choice.get("finish_reason"):
                return self._told(delta["content"])
        return self._read(chunk, choices)

    def _told(self, words: str) -> Iterable[StreamEvent]:
        if not words:
            return ()
        self._words.append(words)
        return (TextDelta(words),)

    def _read(self, chunk: Any, choices: Sequence[Any]) -> Iterator[StreamEvent]:
        if error := chunk.get("error"):
            told = error if isinstance(error, Mapping) else {"message": error}
            raise reported(told, self._service)
        self._model = chunk.get("model") or self._model
        self._metadata.update(kept(KEPT, chunk, *choices[:1]))
        if usage := chunk.get("usage"):
            self._usage = _usage(usage, self._service)
            if choices:
                yield UsageSoFar(self._usage)
        for choice in choices:
            yield from self._delta(choice.get("delta") or {})
            self._finish_reason = choice.get("finish_reason") or self._finish_reason

    def finish(self) -> Iterator[StreamEvent]:
        """
        Yield what is complete only at the end of the stream.

        Raises:
            ConnectionFailed: The stream ended before the reply did.

        """
        if self._finish_reason is None:
            msg = "The stream ended before the reply did."
            raise ConnectionFailed(msg)
        if sources := sources_of(self._annotations):
            yield PartDone(Text("".join(self._words), sources=sources))
        if thoughts := _reasoning(self._service, self._thoughts):
            yield PartDone(thoughts)
        for call in self._calls.values():
            arguments = arguments_of(call["name"], call["arguments"])
            yield PartDone(ToolCall(call["id"], call["name"], arguments))
        message = {"refusal": self._refusal, "tool_calls": self._calls}
        yield Finished(
            finish_reason=_finish_reason(self._finish_reason, message),
            model=self._model,
            usage=self._usage,
            provider_metadata={self._service: self._metadata},
        )

    def _delta(self, delta: Mapping[str, Any]) -> Iterator[StreamEvent]:
        if thoughts := _reasoning_text(delta):
            yield ReasoningDelta(thoughts)
        self._keep_thoughts(delta)
        yield from self._told(delta.get("content") or "")
        self._annotations += delta.get("annotations") or ()
        if refusal := delta.get("refusal"):
            self._refusal += refusal
            yield TextDelta(refusal)
        for piece in delta.get("tool_calls") or ():
            yield self._call_piece(piece)

    def _keep_thoughts(self, delta: Mapping[str, Any]) -> None:
        for name in ("reasoning", *REPLAYED):
            if more := delta.get(name):
                so_far = self._thoughts.get(name)
                self._thoughts[name] = more if so_far is None else so_far + more

    def _call_piece(self, piece: Mapping[str, Any]) -> ToolCallDelta:
        """Join *piece* to its call: only the first one has an id and a name."""
        function = piece.get("function") or {}
        empty = {"id": "", "name": "", "arguments": ""}
        call = self._calls.setdefault(piece.get("index") or 0, empty)
        call["id"] = piece.get("id") or call["id"]
        call["name"] = function.get("name") or call["name"]
        arguments = function.get("arguments") or ""
        call["arguments"] += arguments
        return ToolCallDelta(call["id"], call["name"], arguments)


def _parts(message: Mapping[str, Any], service: str) -> Iterator[Part]:
    if thoughts := _reasoning(service, message):
        yield thoughts
    if text := message.get("content") or message.get("refusal"):
        yield Text(text, sources=sources_of(message.get("annotations")))
    for call in message.get("tool_calls") or ():
        function = call["function"]
        name = function["name"]
        yield ToolCall(call["id"], name, arguments_of(name, function["arguments"]))


def _finish_reason(reason: str, message: Mapping[str, Any]) -> FinishReason:
    """Return why the reply ended; some services say ``stop`` to everything."""
    if message.get("refusal"):
        return "content_filter"
    known = FINISH_REASONS.get(reason, "stop")
    return "tool_calls" if known == "stop" and message.get("tool_calls") else known


def _reasoning_text(message: Mapping[str, Any]) -> str:
    """Return the thoughts in *message*; services name the field in two ways."""
    return message.get("reasoning_content") or message.get("reasoning") or ""


def _reasoning(service: str, message: Mapping[str, Any]) -> Reasoning | None:
    kept = {name: message[name] for name in REPLAYED if message.get(name)}
    text = _reasoning_text(message)
    if not text and not kept:
        return None
    return Reasoning(text, provider_metadata={service: kept})


def _usage(usage: Mapping[str, Any], service: str) -> Usage:
    counted = usage_of(
        usage["prompt_tokens"],
        usage.get("completion_tokens") or 0,
        usage.get("total_tokens") or 0,
        usage.get("prompt_tokens_details") or {},
        usage.get("completion_tokens_details") or {},
    )
    return with_cost(counted, usage, service)
