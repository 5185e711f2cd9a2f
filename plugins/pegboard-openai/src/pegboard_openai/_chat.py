"""The Chat Completions API: our values to and from its JSON. Nothing here does I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
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
    UsageSoFar,
)
from pegboard.errors import ConnectionFailed, Unsupported

from ._convert import (
    address_of,
    arguments_of,
    is_strict,
    result_text,
    schema_name,
    usage_of,
    without_none,
)

if TYPE_CHECKING:
    from pegboard.contracts.chat import FinishReason

    from .options import OpenAIOptions
    from .services import Service

FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
REPLAYED = ("reasoning_content", "reasoning_details")
"""What services that think want back with the calls that they thought of."""


class ChatApi:
    """Requests and replies of one service."""

    path = "/chat/completions"

    def __init__(self, service: Service, options: OpenAIOptions) -> None:
        self._service = service
        self._options = options

    def body(self, request: ChatRequest) -> dict[str, Any]:
        """Return *request* as the API wants it."""
        return without_none(
            model=request.model or self._options.model,
            messages=[*self._messages(request.messages)],
            temperature=request.temperature,
            top_p=request.top_p,
            seed=request.seed,
            stop=list(request.stop) or None,
            reasoning_effort=request.reasoning_effort,
            response_format=_response_format(request.schema),
            tools=[_tool(tool) for tool in request.tools] or None,
            tool_choice=_tool_choice(request),
            store=self._options.store or None,
            **{self._service.max_tokens: request.max_tokens},
        )

    def stream_fields(self) -> dict[str, Any]:
        """Return what a request for a stream has besides the body."""
        options = {"stream_options": {"include_usage": True}}
        return {"stream": True, **(options if self._service.has_stream_options else {})}

    def reply(self, answer: Any) -> Reply:
        """Return the API's *answer* as a reply."""
        choice = answer["choices"][0]
        message = choice["message"]
        usage = answer.get("usage")
        return Reply(
            parts=tuple(self._parts(message)),
            finish_reason=_finish_reason(choice["finish_reason"], message),
            usage=_usage(usage) if usage else Usage(estimated=True),
            model=answer["model"],
            provider_metadata={self._service.name: _metadata(answer)},
        )

    def reader(self) -> ChatReader:
        """Return what makes events of the chunks of one stream."""
        return ChatReader(self._service)

    def _messages(self, messages: Iterable[Message]) -> Iterator[dict[str, Any]]:
        for message in messages:
            results = [part for part in message.parts if isinstance(part, ToolResult)]
            yield from map(_result, results)
            if len(results) < len(message.parts) or not message.parts:
                yield self._message(message)

    def _message(self, message: Message) -> dict[str, Any]:
        calls = [_call(part) for part in message.parts if isinstance(part, ToolCall)]
        return without_none(
            role=message.role,
            content=_content(message.parts),
            tool_calls=calls or None,
            **(self._thoughts(message.parts) if calls else {}),
        )

    def _thoughts(self, parts: Iterable[Part]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for part in parts:
            if isinstance(part, Reasoning):
                found.update(part.provider_metadata.get(self._service.name, {}))
        return {name: found.get(name) for name in REPLAYED}

    def _parts(self, message: Mapping[str, Any]) -> Iterator[Part]:
        if thoughts := _reasoning(self._service, message):
            yield thoughts
        if text := message.get("content") or message.get("refusal"):
            yield Text(text)
        for call in message.get("tool_calls") or ():
            function = call["function"]
            name = function["name"]
            yield ToolCall(call["id"], name, arguments_of(name, function["arguments"]))


class ChatReader:
    """Makes events of the chunks of one stream."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._model = ""
        self._finish_reason: str | None = None
        self._refusal = ""
        self._usage: Usage | None = None
        self._metadata: Mapping[str, Any] = {}
        self._thoughts: dict[str, Any] = {}
        self._calls: dict[int, dict[str, str]] = {}

    def read(self, chunk: Any) -> Iterator[StreamEvent]:
        """Yield what *chunk* brings."""
        self._model = chunk.get("model") or self._model
        self._metadata = {**self._metadata, **_metadata(chunk)}
        choices = chunk.get("choices") or ()
        if usage := chunk.get("usage"):
            self._usage = _usage(usage)
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
            provider_metadata={self._service.name: self._metadata},
        )

    def _delta(self, delta: Mapping[str, Any]) -> Iterator[StreamEvent]:
        if thoughts := _reasoning_text(delta):
            yield ReasoningDelta(thoughts)
        self._keep_thoughts(delta)
        if words := delta.get("content"):
            yield TextDelta(words)
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


def _content(parts: Iterable[Part]) -> str | list[dict[str, Any]] | None:
    """Return words as plain text, which every service knows, else a list."""
    shown = [part for part in parts if isinstance(part, Text | Image | File)]
    if all(isinstance(part, Text) for part in shown):
        return "".join(part.text for part in shown if isinstance(part, Text)) or None
    return [_content_part(part) for part in shown]


def _content_part(part: Text | Image | File) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Image):
        return {"type": "image_url", "image_url": {"url": address_of(part)}}
    if isinstance(part.source, str):
        msg = (
            "The chat API takes no file by its address. "
            "Pass the bytes of the file, or set api = 'responses'."
        )
        raise Unsupported(msg)
    file = {"filename": part.name, "file_data": address_of(part)}
    return {"type": "file", "file": file}


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(dict(call.arguments))}
    return {"id": call.id, "type": "function", "function": function}


def _result(result: ToolResult) -> dict[str, Any]:
    text = result_text(result)
    return {"role": "tool", "tool_call_id": result.call_id, "content": text}


def _tool(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    strict = {"strict": True} if is_strict(tool.parameters) else {}
    return {"type": "function", "function": {**function, **strict}}


def _tool_choice(request: ChatRequest) -> str | dict[str, Any] | None:
    choice = request.tool_choice
    if choice == "auto" or not request.tools:
        return None
    if choice in {"required", "none"}:
        return choice
    return {"type": "function", "function": {"name": choice}}


def _response_format(schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if schema is None:
        return None
    named = {"name": schema_name(schema), "schema": schema, "strict": is_strict(schema)}
    return {"type": "json_schema", "json_schema": named}


def _finish_reason(reason: str, message: Mapping[str, Any]) -> FinishReason:
    """Return why the reply ended; some services say ``stop`` to everything."""
    if message.get("refusal"):
        return "content_filter"
    known = FINISH_REASONS.get(reason, "stop")
    return "tool_calls" if known == "stop" and message.get("tool_calls") else known


def _reasoning_text(message: Mapping[str, Any]) -> str:
    """Return the thoughts in *message*; services name the field in two ways."""
    return message.get("reasoning_content") or message.get("reasoning") or ""


def _reasoning(service: Service, message: Mapping[str, Any]) -> Reasoning | None:
    kept = {name: message[name] for name in REPLAYED if message.get(name)}
    text = _reasoning_text(message)
    if not text and not kept:
        return None
    return Reasoning(text, provider_metadata={service.name: kept})


def _metadata(answer: Mapping[str, Any]) -> dict[str, Any]:
    return without_none(id=answer.get("id"), service_tier=answer.get("service_tier"))


def _usage(usage: Mapping[str, Any]) -> Usage:
    return usage_of(
        usage["prompt_tokens"],
        usage.get("completion_tokens") or 0,
        usage.get("total_tokens") or 0,
        usage.get("prompt_tokens_details") or {},
        usage.get("completion_tokens_details") or {},
    )
