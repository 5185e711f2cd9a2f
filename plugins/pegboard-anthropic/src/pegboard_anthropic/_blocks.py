"""Parts of our messages as blocks of the Messages API. Nothing here does I/O."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pegboard import File, Image, Part, Reasoning, Text, ToolCall, ToolResult
from pegboard.errors import Unsupported

Block = dict[str, Any]

PROVIDER = "anthropic"
NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")


def blocks_of(parts: Iterable[Part]) -> Iterator[Block]:
    """Yield *parts* as blocks, results of tools first, as the API demands."""
    ordered = sorted(parts, key=lambda part: not isinstance(part, ToolResult))
    for part in ordered:
        block = BLOCKS[type(part)](part)
        if block:
            yield block


def _text(part: Text) -> Block | None:
    """Return words; the API refuses blocks without any."""
    plain = {"type": "text", "text": part.text} if part.text else None
    block: Block | None = _own(part).get("block", plain)
    return block


def _image(part: Image) -> Block:
    return {"type": "image", "source": _source(part)}


def _file(part: File) -> Block:
    document = {"type": "document", "title": part.name}
    if part.media_type.startswith("text/") and isinstance(part.source, bytes):
        words = part.source.decode(errors="replace")
        source = {"type": "text", "media_type": "text/plain", "data": words}
        return {**document, "source": source}
    if part.media_type == "application/pdf" or _is_id(part):
        return {**document, "source": _source(part)}
    msg = (
        f"The API takes no file of the type {part.media_type!r}. "
        "It takes application/pdf, and the bytes of text."
    )
    raise Unsupported(msg)


def _is_id(part: Image | File) -> bool:
    """Return whether *part* is named by the id of what was uploaded before."""
    return isinstance(part.source, str) and not NOT_IN_IDS.search(part.source)


def _source(part: Image | File) -> Block:
    if _is_id(part):
        return {"type": "file", "file_id": part.source}
    if isinstance(part.source, str):
        return {"type": "url", "url": part.source}
    text = b64encode(part.source).decode()
    return {"type": "base64", "media_type": part.media_type, "data": text}


def _thought(part: Reasoning) -> Block | None:
    """Return the block as it came; thoughts of others have no signature."""
    block: Block | None = _own(part).get("block")
    return block


def _call(part: ToolCall) -> Block:
    call = {"type": "tool_use", "id": _call_id(part.id), "name": part.name}
    return {**call, "input": dict(part.arguments), **_own(part)}


def _result(part: ToolResult) -> Block:
    result = {"type": "tool_result", "tool_use_id": _call_id(part.call_id)}
    failed = {"is_error": True} if part.is_error else {}
    return {**result, "content": _answer(part), **failed}


def _answer(part: ToolResult) -> str | list[Block]:
    """Return words as they are, which is shorter, unless there is more to show."""
    if not part.media:
        return part.content
    words = [{"type": "text", "text": part.content}] if part.content else []
    return [*words, *blocks_of(part.media)]


def _call_id(name: str) -> str:
    """Return *name* as the API takes it; another service may have given it."""
    return NOT_IN_IDS.sub("_", name)


BLOCKS: Mapping[type, Callable[[Any], Block | None]] = {
    Text: _text,
    Image: _image,
    File: _file,
    Reasoning: _thought,
    ToolCall: _call,
    ToolResult: _result,
}


def _own(part: Text | Reasoning | ToolCall) -> Any:
    return part.provider_metadata.get(PROVIDER, {})
