"""Messages as OpenInference has them: lists are flattened into numbered names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Turn = Mapping[str, Any]
Part = Mapping[str, Any]
Named = Iterator[tuple[str, Any]]


def messages(turns: Sequence[Turn], prefix: str) -> Named:
    """Yield the messages that *turns* are, under names that begin with *prefix*."""
    flat = [message for turn in turns for message in _separate(turn)]
    for number, turn in enumerate(flat):
        yield from _message(turn, f"{prefix}.{number}.message")


def texts(turns: Sequence[Turn]) -> str:
    """Return the words of the last of *turns*, with what else is in it named."""
    parts = turns[-1]["parts"] if turns else []
    return "\n".join(_shown(part) for part in parts)


def tools(definitions: Sequence[Mapping[str, Any]]) -> Named:
    """Yield the tools that were on offer."""
    for number, one in enumerate(definitions):
        prefix = f"llm.tools.{number}.tool"
        yield f"{prefix}.name", one["name"]
        yield f"{prefix}.description", one["description"]
        yield f"{prefix}.json_schema", json.dumps({"type": "function", "function": one})


def _separate(turn: Turn) -> Iterator[Turn]:
    """Yield *turn* with each answer of a tool in a message of its own."""
    answers = [one for one in turn["parts"] if one["type"] == "tool_call_response"]
    others = [one for one in turn["parts"] if one["type"] != "tool_call_response"]
    for answer in answers:
        yield {"role": "tool", "parts": [answer]}
    if others or not answers:
        yield {**turn, "parts": others}


def _message(turn: Turn, prefix: str) -> Named:
    yield f"{prefix}.role", turn["role"]
    parts: Sequence[Part] = turn["parts"]
    calls = [one for one in parts if one["type"] == "tool_call"]
    content = [one for one in parts if one["type"] != "tool_call"]
    for number, call in enumerate(calls):
        yield from _call(call, f"{prefix}.tool_calls.{number}.tool_call")
    if content and content[0]["type"] == "tool_call_response":
        yield f"{prefix}.tool_call_id", content[0]["id"]
        yield f"{prefix}.content", _text(content[0]["response"])
    elif content and all(one["type"] == "text" for one in content):
        yield f"{prefix}.content", "".join(one["content"] for one in content)
    else:
        for number, one in enumerate(content):
            yield from _item(one, f"{prefix}.contents.{number}.message_content")


def _call(call: Part, prefix: str) -> Named:
    yield f"{prefix}.id", call["id"]
    yield f"{prefix}.function.name", call["name"]
    yield f"{prefix}.function.arguments", json.dumps(call["arguments"])


def _item(part: Part, prefix: str) -> Named:
    """Yield a piece of content; of a medium as bytes what stands for it."""
    if part["type"] == "uri" and part["modality"] == "image":
        yield f"{prefix}.type", "image"
        yield f"{prefix}.image.image.url", part["uri"]
        return
    kind = "reasoning" if part["type"] == "reasoning" else "text"
    yield f"{prefix}.type", kind
    yield f"{prefix}.text", _shown(part)


def _shown(part: Part) -> str:
    match part["type"]:
        case "text" | "reasoning":
            return str(part["content"])
        case "tool_call":
            return f"{part['name']}({json.dumps(part['arguments'])})"
        case "tool_call_response":
            return _text(part["response"])
        case "uri":
            return f"[{part['modality']} {part['uri']}]"
        case _:
            known = ("modality", "mime_type", "size")
            return f"[{' '.join(str(part[name]) for name in known if name in part)}]"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
