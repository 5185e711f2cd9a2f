"""Requests of the Chat Completions API: our values as its JSON. Nothing does I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pegboard import (
    ChatRequest,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from pegboard.errors import Unsupported

from ._chat_reply import REPLAYED, ChatReader, chat_reply
from ._convert import (
    CACHE_BREAKPOINT,
    address_of,
    cache_fields,
    is_id,
    is_strict,
    kept,
    result_text,
    schema_name,
    without_none,
)

if TYPE_CHECKING:
    from pegboard import Reply

    from .options import ModelOptions
    from .services import Service


class ChatApi:
    """Requests and replies of one service."""

    path = "/chat/completions"

    def __init__(self, service: Service, options: ModelOptions) -> None:
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
            tools=[*map(_tool, request.tools), *self._search(request)] or None,
            tool_choice=_tool_choice(request),
            store=self._options.store or None,
            **cache_fields(self._options),
            **{self._service.max_tokens: request.max_tokens},
        )

    def stream_fields(self) -> dict[str, Any]:
        """Return what a request for a stream has besides the body."""
        options = {"stream_options": {"include_usage": True}}
        return {"stream": True, **(options if self._service.has_stream_options else {})}

    def reply(self, answer: Any) -> Reply:
        """Return the API's *answer* as a reply."""
        return chat_reply(answer, self._service.name)

    def reader(self) -> ChatReader:
        """Return what makes events of the chunks of one stream."""
        return ChatReader(self._service.name)

    def _search(self, request: ChatRequest) -> Iterator[dict[str, Any]]:
        if request.web_search:
            yield {"type": self._service.searches["chat"]}

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
            content=self._content(message.parts),
            tool_calls=calls or None,
            **(self._thoughts(message.parts) if calls else {}),
        )

    def _content(self, parts: Iterable[Part]) -> str | list[dict[str, Any]] | None:
        """Return words as plain text, which every service knows, else a list."""
        texts: list[str] = []
        is_plain = True
        for part in parts:
            if isinstance(part, Text) and not self._marks(part):
                texts.append(part.text)
            elif isinstance(part, Text | Image | File):
                is_plain = False
        if is_plain:
            return "".join(texts) or None
        return [*self._content_parts(parts)]

    def _content_parts(self, parts: Iterable[Part]) -> Iterator[dict[str, Any]]:
        for part in parts:
            if isinstance(part, Text):
                yield {"type": "text", "text": part.text, **self._marks(part)}
            elif isinstance(part, Image | File):
                yield _content_part(part)

    def _marks(self, part: Text) -> Mapping[str, Any]:
        own = part.provider_metadata.get(self._service.name)
        return kept((CACHE_BREAKPOINT,), own) if own else {}

    def _thoughts(self, parts: Iterable[Part]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for part in parts:
            if isinstance(part, Reasoning):
                found.update(part.provider_metadata.get(self._service.name, {}))
        return {name: found.get(name) for name in REPLAYED}


def _content_part(part: Image | File) -> dict[str, Any]:
    if is_id(part) and isinstance(part, File):
        return {"type": "file", "file": {"file_id": part.source}}
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
