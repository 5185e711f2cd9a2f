"""Answers of the Responses API: its JSON as our values. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
)
from pegboard.errors import ConnectionFailed, InvalidReply

from ._convert import arguments_of, kept, sources_of, usage_of, with_cost
from ._errors import reported

if TYPE_CHECKING:
    from pegboard.contracts.chat import FinishReason

Item = Mapping[str, Any]

INCOMPLETE: Mapping[str, FinishReason] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}
WORDS = frozenset({"response.output_text.delta", "response.refusal.delta"})
THOUGHTS = frozenset(
    {"response.reasoning_summary_text.delta", "response.reasoning_text.delta"}
)
KEPT = ("id", "service_tier", "content_filters")
"""What else of an answer is told; the last one is Azure's, of what it filters."""
TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})


def responses_reply(answer: Any, service: str) -> Reply:
    """
    Return the *answer* of *service* as a reply.

    Raises:
        CallError: The answer says that it failed.

    """
    finish_reason = _finish_reason(answer, service)
    return Reply(
        parts=tuple(_parts(answer["output"], service)),
        finish_reason=finish_reason,
        usage=_usage(answer, service) or Usage(estimated=True),
        model=answer["model"],
        provider_metadata={service: kept(KEPT, answer)},
    )


class ResponsesReader:
    """Makes events of the chunks of one stream."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._calls: dict[str, Item] = {}
        self._answer: Item | None = None
        self._open = ""

    def read(self, chunk: Any) -> Iterable[StreamEvent]:
        """
        Return what *chunk* brings; nothing if its type is not known.

        Raises:
            CallError: The chunk says that the request failed.

        """
        kind = chunk.get("type", "error")
        if kind in WORDS:
            return (TextDelta(chunk["delta"]),)
        if kind in THOUGHTS:
            return (ReasoningDelta(chunk["delta"]),)
        return self._read(kind, chunk)

    def _read(self, kind: str, chunk: Item) -> Iterator[StreamEvent]:
        if kind.startswith("response.output_item."):
            yield from self._item(chunk["item"], is_done=kind.endswith("done"))
        elif kind == "response.function_call_arguments.delta":
            call = self._calls[chunk["item_id"]]
            yield ToolCallDelta(call["call_id"], call["name"], chunk["delta"])
        elif kind in TERMINAL:
            self._answer = chunk["response"]
        elif kind == "error":
            raise reported(chunk, self._service)

    def finish(self) -> Iterator[StreamEvent]:
        """
        Yield the last event of the stream.

        Raises:
            ConnectionFailed: The stream ended before the reply did.
            CallError: The answer says that it failed.

        """
        if self._answer is None:
            msg = "The stream ended before the reply did."
            raise ConnectionFailed(msg)
        yield Finished(
            finish_reason=_finish_reason(self._answer, self._service),
            model=self._answer["model"],
            usage=_usage(self._answer, self._service),
            provider_metadata={self._service: kept(KEPT, self._answer)},
        )

    def _item(self, item: Item, *, is_done: bool) -> Iterator[StreamEvent]:
        kind = item["type"]
        if is_done and kind == "message":
            yield from self._message(item)
        elif is_done:
            self._open = ""
            yield PartDone(_part(item, self._service))
        elif kind == "function_call":
            self._calls[item["id"]] = item
            yield ToolCallDelta(item["call_id"], item["name"], "")

    def _message(self, item: Item) -> Iterator[StreamEvent]:
        """Yield the words of *item* as a part, if there is more to say of them."""
        texts = [*_texts(item, self._service)]
        text = self._open + "".join(one.text for one in texts)
        sources = tuple(dict.fromkeys(one for text in texts for one in text.sources))
        metadata = _phase(item, self._service)
        is_told = not (sources or metadata)
        self._open = text if is_told else ""
        if not is_told:
            yield PartDone(Text(text, sources=sources, provider_metadata=metadata))


def _parts(output: Iterable[Item], service: str) -> Iterator[Part]:
    for item in output:
        if item["type"] == "message":
            yield from _texts(item, service)
        else:
            yield _part(item, service)


def _texts(message: Item, service: str) -> Iterator[Text]:
    metadata = _phase(message, service)
    for content in message["content"]:
        text = content["refusal" if content["type"] == "refusal" else "text"]
        sources = sources_of(content.get("annotations"))
        yield Text(text, sources=sources, provider_metadata=metadata)


def _phase(message: Item, service: str) -> dict[str, dict[str, Any]]:
    phase = kept(("phase",), message)
    return {service: phase} if phase else {}


def _part(item: Item, service: str) -> Reasoning | ToolCall:
    """Return *item* as a part; what the service has done by itself goes back as is."""
    if item["type"] == "function_call":
        return _call(item)
    if item["type"] == "reasoning":
        return _reasoning(item, service)
    return Reasoning("", provider_metadata={service: {"item": item}})


def _reasoning(item: Item, service: str) -> Reasoning:
    shown = [*(item.get("summary") or ()), *(item.get("content") or ())]
    text = "\n".join(piece["text"] for piece in shown)
    return Reasoning(text, provider_metadata={service: {"item": item}})


def _call(item: Item) -> ToolCall:
    name = item["name"]
    return ToolCall(item["call_id"], name, arguments_of(name, item["arguments"]))


def _finish_reason(answer: Item, service: str) -> FinishReason:
    status = answer["status"]
    if status == "incomplete":
        details = answer.get("incomplete_details") or {}
        return INCOMPLETE.get(details.get("reason", ""), "stop")
    if status == "failed":
        raise reported(answer.get("error") or {}, service)
    if status != "completed":
        msg = f"The response is {status!r} and brings no reply."
        raise InvalidReply(msg)
    return _completed(answer["output"])


def _completed(output: Iterable[Item]) -> FinishReason:
    items = list(output)
    if any(item["type"] == "function_call" for item in items):
        return "tool_calls"
    contents = [part for item in items for part in item.get("content") or ()]
    refused = any(part["type"] == "refusal" for part in contents)
    return "content_filter" if refused else "stop"


def _usage(answer: Item, service: str) -> Usage | None:
    usage = answer.get("usage")
    if not usage:
        return None
    counted = usage_of(
        usage["input_tokens"],
        usage["output_tokens"],
        usage.get("total_tokens") or 0,
        usage.get("input_tokens_details") or {},
        usage.get("output_tokens_details") or {},
    )
    return with_cost(counted, usage, service)
