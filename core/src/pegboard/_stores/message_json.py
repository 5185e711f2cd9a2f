"""Messages as JSON, from which they come back exactly as they were."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pegboard.contracts.chat import (
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
)
from pegboard.errors import InvalidReply

KINDS: Mapping[str, type[Any]] = {
    "text": Text,
    "image": Image,
    "file": File,
    "reasoning": Reasoning,
    "tool_call": ToolCall,
    "tool_result": ToolResult,
}
INNER: Mapping[str, type[Any]] = {**KINDS, "source": Source}
"""What else stands within parts."""
NAMES = {kind: name for name, kind in INNER.items()}


def packed(message: Message) -> dict[str, Any]:
    """Return *message* as JSON."""
    return {"role": message.role, "parts": [_part(part) for part in message.parts]}


def unpacked(kept: Any) -> Message:
    """
    Return the message of which *kept* is the JSON.

    Raises:
        InvalidReply: It is none, or one of a newer pegboard.

    """
    try:
        return Message(kept["role"], tuple(map(_unpacked_part, kept["parts"])))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = (
            f"What is stored is no message: {type(error).__name__}: {error}. Something "
            "else wrote it, or a newer pegboard; upgrade, or clear the conversation."
        )
        raise InvalidReply(msg) from error


def _part(part: Part | Source) -> dict[str, Any]:
    values = {field.name: _value(getattr(part, field.name)) for field in fields(part)}
    return {"type": NAMES[type(part)], **values}


def _unpacked_part(kept: Mapping[str, Any]) -> Part:
    values = {name: _unpacked_value(value) for name, value in kept.items()}
    part: Part = INNER[values.pop("type")](**values)
    return part


def _value(value: Any) -> Any:
    """Return *value* as JSON; what JSON lacks is an object with one name of ours."""
    if isinstance(value, bytes):
        return {"$bytes": b64encode(value).decode()}
    if type(value) in NAMES:
        return {"$part": _part(value)}
    if isinstance(value, tuple):
        return {"$tuple": [_value(one) for one in value]}
    if isinstance(value, list):
        return [_value(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    values = {name: _value(one) for name, one in value.items()}
    is_like_ours = any(str(name).startswith("$") for name in values)
    return {"$object": values} if is_like_ours else values


def _unpacked_value(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpacked_value(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "$bytes" in value:
        return b64decode(value["$bytes"])
    if "$part" in value:
        return _unpacked_part(value["$part"])
    if "$tuple" in value:
        return tuple(_unpacked_value(one) for one in value["$tuple"])
    values = value.get("$object", value)
    return {name: _unpacked_value(one) for name, one in values.items()}
