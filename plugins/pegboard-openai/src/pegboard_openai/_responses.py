"""Requests of the Responses API: our values as its JSON. Nothing here does I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
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
from ._responses_reply import ResponsesReader, responses_reply

if TYPE_CHECKING:
    from pegboard import Reply

    from .options import ModelOptions
    from .services import Service

Item = Mapping[str, Any]


class ResponsesApi:
    """Requests and replies of one service."""

    path = "/responses"

    def __init__(self, service: Service, options: ModelOptions) -> None:
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
            tools=[*map(_tool, request.tools), *self._search(request)] or None,
            tool_choice=_tool_choice(request),
            store=self._options.store,
            **cache_fields(self._options),
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
        return responses_reply(answer, self._service.name)

    def reader(self) -> ResponsesReader:
        """Return what makes events of the chunks of one stream."""
        return ResponsesReader(self._service.name)

    def _search(self, request: ChatRequest) -> Iterator[Item]:
        if request.web_search:
            yield {"type": self._service.searches["responses"]}

    def _items(self, messages: Iterable[Message]) -> Iterator[Item]:
        for message in messages:
            for phase, parts in groupby(message.parts, self._phase):
                if phase is None:
                    for part in parts:
                        yield from self._item(part)
                    continue
                content = [
                    self._content_part(part, message.role)
                    for part in parts
                    if isinstance(part, Text | Image | File)
                ]
                named = {"phase": phase} if phase else {}
                shown = {"role": message.role, "content": content, **named}
                yield {"type": "message", **shown}

    def _phase(self, part: Part) -> str | None:
        """Return the phase of what is shown, often empty; None for all else."""
        if isinstance(part, Text):
            own = part.provider_metadata.get(self._service.name, {})
            return str(own.get("phase", ""))
        return "" if isinstance(part, Image | File) else None

    def _item(self, part: Part) -> Iterator[Item]:
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
                "output": _output(part),
            }
        elif isinstance(part, Reasoning):
            item = part.provider_metadata.get(self._service.name, {}).get("item", {})
            if item and (self._options.store or _is_whole(item)):
                yield without_none(**item)

    def _content_part(self, part: Text | Image | File, role: str) -> dict[str, Any]:
        if isinstance(part, Image | File):
            return _attachment(part)
        own = part.provider_metadata.get(self._service.name, {})
        kind = "output_text" if role == "assistant" else "input_text"
        return {"type": kind, "text": part.text, **kept((CACHE_BREAKPOINT,), own)}


def _output(result: ToolResult) -> str | list[dict[str, Any]]:
    """Return words as they are, unless there is more to show."""
    words = result_text(result)
    if not result.media:
        return words
    said = [{"type": "input_text", "text": words}] if words else []
    return [*said, *map(_attachment, result.media)]


def _is_whole(item: Item) -> bool:
    """Return whether the service knows *item* again that it has not stored."""
    is_thought = item["type"] == "reasoning"
    return not is_thought or bool(item.get("encrypted_content") or item.get("content"))


def _attachment(part: Image | File) -> dict[str, Any]:
    kind = "input_image" if isinstance(part, Image) else "input_file"
    if is_id(part):
        return {"type": kind, "file_id": part.source}
    if isinstance(part, Image):
        return {"type": "input_image", "image_url": address_of(part)}
    if isinstance(part.source, str):
        return {"type": "input_file", "file_url": part.source}
    address = address_of(part)
    return {"type": "input_file", "filename": part.name, "file_data": address}


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
