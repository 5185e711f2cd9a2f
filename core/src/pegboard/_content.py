"""What was asked and said, in the shape that the conventions have for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .contracts.chat import (
    ChatRequest,
    File,
    Image,
    Reasoning,
    Reply,
    Text,
    ToolCall,
    ToolResult,
)
from .draft import Draft

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .contracts.chat import Message, Part, Tool
    from .observers import Call

FINISH_REASONS = {"tool_calls": "tool_call"}
"""Where messages have another word than we do."""


def conversation(request: ChatRequest) -> str:
    """Return what *request* says, turn by turn."""
    return _text([_turn(one) for one in request.messages])


def offered(request: ChatRequest) -> str:
    """Return the tools that *request* offers."""
    return _text([_tool(one) for one in request.tools])


def words(reply: Reply) -> str:
    """Return the words and calls of *reply*."""
    reason = FINISH_REASONS.get(reply.finish_reason, reply.finish_reason)
    return _text([_turn(reply.message) | {"finish_reason": reason}])


def reply_of(call: Call, result: object) -> Reply | None:
    """Return the whole reply of *call*, also where it came in pieces."""
    if isinstance(result, Reply):
        return result
    if not call.items or not isinstance(call.request, ChatRequest):
        return None
    draft = Draft(call.request)
    for item in call.items:
        draft.add(item)
    return draft.reply()


def _turn(message: Message) -> dict[str, Any]:
    return {"role": message.role, "parts": [_part(part) for part in message.parts]}


def _part(part: Part) -> Mapping[str, Any]:
    match part:
        case Text(text):
            return {"type": "text", "content": text}
        case Reasoning(text):
            return {"type": "reasoning", "content": text}
        case ToolCall(id, name, arguments):
            call = {"id": id, "name": name, "arguments": arguments}
            return {"type": "tool_call", **call}
        case ToolResult(call_id, _, content):
            shown = {"media": [*map(_part, part.media)]} if part.media else {}
            told = {"id": call_id, "response": content, **shown}
            return {"type": "tool_call_response", **told}
        case Image(source, media_type):
            return _medium("image", source, media_type)
        case File(source, media_type):
            return _medium("file", source, media_type)


def _medium(modality: str, source: bytes | str, media_type: str) -> Mapping[str, Any]:
    """Return what stands for a medium; bytes are too many for a span."""
    known = {"modality": modality, "mime_type": media_type}
    if isinstance(source, str):
        return {"type": "uri", **known, "uri": source}
    return {"type": "blob", **known, "size": len(source)}


def _tool(tool: Tool) -> Mapping[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
