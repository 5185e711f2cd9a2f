"""The Responses API: our values to and from its JSON. Nothing here does I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pegboard import (
    ChatRequest,
    File,
    Finished,
    Image,
    Message,
    Part,
    PartDone,
    Reasoning,
    ReasoningDelta,
    Reply,
    StreamEvent,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from pegboard.errors import ConnectionFailed, InvalidReply

from ._convert import (
    address_of,
    arguments_of,
    is_strict,
    result_text,
    schema_name,
    usage_of,
    without_none,
)
from ._errors import reported

if TYPE_CHECKING:
    from pegboard.contracts.chat import FinishReason

    from .options import OpenAIOptions
    from .services import Service

Item = Mapping[str, Any]

INCOMPLETE: Mapping[str, FinishReason] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}
WORDS = frozenset({"response.output_text.delta", "response.refusal.delta"})
THOUGHTS = frozenset(
    {"response.reasoning_summary_text.delta", "response.reasoning_text.delta"}
)
TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})


class ResponsesApi:
    """Requests and replies of one service."""

    path = "/responses"

    def __init__(self, service: Service, options: OpenAIOptions) -> None:
        self._service = service
        self._options = options

    def body(self, request: ChatRequest) -> dict[str, Any]:
        """Return *request* as the API wants it."""
        effort = request.reasoning_effort
        return without_none(
            model=request.model or self._options.model,
            input=[*self._items(request.messages)],
            max_output_tokens=request.max_tokens,
            temperature=request.temperature,
            top_p=request.top_p,
            reasoning={"effort": effort} if effort else None,
            text=_text_format(request.schema),
            tools=[_tool(tool) for tool in request.tools] or None,
            tool_choice=_tool_choice(request),
            store=self._options.store,
        )

    def stream_fields(self) -> dict[str, Any]:
        """Return what a request for a stream has besides the body."""
        return {"stream": True}

    def reply(self, answer: Any) -> Reply:
        """
        Return the API's *answer* as a reply.

        Raises:
            CallError: The answer says that it failed.

        """
        finish_reason = _finish_reason(answer, self._service)
        return Reply(
            parts=tuple(self._parts(answer["output"])),
            finish_reason=finish_reason,
            usage=_usage(answer) or Usage(estimated=True),
            model=answer["model"],
            provider_metadata={self._service.name: _metadata(answer)},
        )

    def reader(self) -> ResponsesReader:
        """Return what makes events of the chunks of one stream."""
        return ResponsesReader(self._service)

    def _items(self, messages: Iterable[Message]) -> Iterator[Item]:
        for message in messages:
            shown: list[dict[str, Any]] = []
            for part in message.parts:
                if isinstance(part, Text | Image | File):
                    shown.append(_content_part(part, message.role))
                    continue
                yield from _message(message, shown)
                shown = []
                yield from self._item(part)
            yield from _message(message, shown)

    def _item(self, part: Reasoning | ToolCall | ToolResult) -> Iterator[Item]:
        if isinstance(part, ToolCall):
            yield {
                "type": "function_call",
                "call_id": part.id,
                "name": part.name,
                "arguments": json.dumps(dict(part.arguments)),
            }
        elif isinstance(part, ToolResult):
            yield {
                "type": "function_call_output",
                "call_id": part.call_id,
                "output": result_text(part),
            }
        elif item := part.provider_metadata.get(self._service.name, {}).get("item"):
            yield without_none(**item)

    def _parts(self, output: Iterable[Item]) -> Iterator[Part]:
        for item in output:
            kind = item["type"]
            if kind == "message":
                yield from _texts(item)
            elif kind in DONE:
                yield DONE[kind](item, self._service)


class ResponsesReader:
    """Makes events of the chunks of one stream."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._calls: dict[str, Item] = {}
        self._answer: Item | None = None

    def read(self, chunk: Any) -> Iterator[StreamEvent]:
        """
        Yield what *chunk* brings; nothing if its type is not known.

        Raises:
            CallError: The chunk says that the request failed.

        """
        kind = chunk["type"]
        if kind in WORDS:
            yield TextDelta(chunk["delta"])
        elif kind in THOUGHTS:
            yield ReasoningDelta(chunk["delta"])
        elif kind.startswith("response.output_item."):
            yield from self._item(chunk["item"], is_done=kind.endswith("done"))
        elif kind == "response.function_call_arguments.delta":
            call = self._calls[chunk["item_id"]]
            yield ToolCallDelta(call["call_id"], call["name"], chunk["delta"])
        elif kind in TERMINAL:
            self._answer = chunk["response"]
        elif kind == "error":
            raise reported(chunk, self._service.name)

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
            usage=_usage(self._answer),
            provider_metadata={self._service.name: _metadata(self._answer)},
        )

    def _item(self, item: Item, *, is_done: bool) -> Iterator[StreamEvent]:
        kind = item["type"]
        if is_done and kind in DONE:
            yield PartDone(DONE[kind](item, self._service))
        elif kind == "function_call":
            self._calls[item["id"]] = item
            yield ToolCallDelta(item["call_id"], item["name"], "")


def _message(message: Message, content: list[dict[str, Any]]) -> Iterator[Item]:
    if content:
        yield {"type": "message", "role": message.role, "content": content}


def _content_part(part: Text | Image | File, role: str) -> dict[str, Any]:
    if isinstance(part, Text):
        kind = "output_text" if role == "assistant" else "input_text"
        return {"type": kind, "text": part.text}
    if isinstance(part, Image):
        return {"type": "input_image", "image_url": address_of(part)}
    if isinstance(part.source, str):
        return {"type": "input_file", "file_url": part.source}
    return {
        "type": "input_file",
        "filename": part.name,
        "file_data": address_of(part),
    }


def _texts(message: Item) -> Iterator[Text]:
    for content in message["content"]:
        yield Text(content["refusal" if content["type"] == "refusal" else "text"])


def _reasoning(item: Item, service: Service) -> Reasoning:
    shown = [*(item.get("summary") or ()), *(item.get("content") or ())]
    text = "\n".join(piece["text"] for piece in shown)
    return Reasoning(text, provider_metadata={service.name: {"item": item}})


def _call(item: Item, _service: Service) -> ToolCall:
    name = item["name"]
    return ToolCall(item["call_id"], name, arguments_of(name, item["arguments"]))


DONE: Mapping[str, Callable[[Item, Service], Reasoning | ToolCall]] = {
    "reasoning": _reasoning,
    "function_call": _call,
}
"""The items, other than messages, that become parts of a reply."""


def _tool(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": is_strict(tool.parameters),
    }


def _tool_choice(request: ChatRequest) -> str | dict[str, Any] | None:
    choice = request.tool_choice
    if choice == "auto" or not request.tools:
        return None
    if choice in {"required", "none"}:
        return choice
    return {"type": "function", "name": choice}


def _text_format(schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if schema is None:
        return None
    return {
        "format": {
            "type": "json_schema",
            "name": schema_name(schema),
            "schema": schema,
            "strict": is_strict(schema),
        }
    }


def _finish_reason(answer: Item, service: Service) -> FinishReason:
    status = answer["status"]
    if status == "incomplete":
        details = answer.get("incomplete_details") or {}
        return INCOMPLETE.get(details.get("reason", ""), "stop")
    if status == "failed":
        raise reported(answer.get("error") or {}, service.name)
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


def _metadata(answer: Item) -> dict[str, Any]:
    return without_none(id=answer.get("id"), service_tier=answer.get("service_tier"))


def _usage(answer: Item) -> Usage | None:
    usage = answer.get("usage")
    return usage and usage_of(
        usage["input_tokens"],
        usage["output_tokens"],
        usage.get("total_tokens") or 0,
        usage.get("input_tokens_details") or {},
        usage.get("output_tokens_details") or {},
    )
