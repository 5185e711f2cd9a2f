"""Answers of the Messages API as our replies. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pegboard import Part, Reasoning, Reply, Source, Text, ToolCall, Usage
from pegboard.errors import InvalidReply

from ._blocks import PROVIDER

if TYPE_CHECKING:
    from pegboard.contracts.chat import FinishReason

Json = Mapping[str, Any]

PAUSED = "pause_turn"
FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    PAUSED: "length",
    "refusal": "content_filter",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
}
PLAIN_CALL = frozenset({"type", "id", "name", "input"})
"""The fields of a tool call that our own has, too."""


def reply_of(answers: Sequence[Json]) -> Reply:
    """Return *answers*, each of which goes on where the one before paused, as one."""
    last = answers[-1]
    return Reply(
        parts=tuple(part_of(one) for answer in answers for one in answer["content"]),
        finish_reason=finish_reason(last["stop_reason"]),
        usage=sum((usage_of(answer["usage"]) for answer in answers), Usage()),
        model=last["model"],
        provider_metadata={PROVIDER: metadata(last)},
    )


def part_of(block: Json) -> Part:
    """Return *block* as a part; what is not ours to understand goes back as it came."""
    kind = block["type"]
    if kind == "text":
        return _text(block)
    if kind == "tool_use":
        return _call(block)
    shown = block.get("thinking") or ""
    return Reasoning(shown, provider_metadata={PROVIDER: {"block": block}})


def finish_reason(stop_reason: str | None) -> FinishReason:
    """Return why the reply ended; reasons that are new are good ones."""
    return FINISH_REASONS.get(stop_reason or "", "stop")


def usage_of(usage: Json) -> Usage:
    """Return the tokens of a call in buckets that do not overlap."""
    details = usage.get("output_tokens_details") or {}
    thought = details.get("thinking_tokens") or 0
    return Usage(
        input=usage.get("input_tokens") or 0,
        cache_read=usage.get("cache_read_input_tokens") or 0,
        cache_write=usage.get("cache_creation_input_tokens") or 0,
        output=max(0, (usage.get("output_tokens") or 0) - thought),
        reasoning=thought,
    )


def metadata(answer: Json) -> dict[str, Any]:
    """Return what else *answer* says that programs may want to know."""
    usage = answer.get("usage") or {}
    found = {
        "id": answer.get("id"),
        "stop_details": answer.get("stop_details"),
        "stop_sequence": answer.get("stop_sequence"),
        "container": answer.get("container"),
        "service_tier": usage.get("service_tier"),
        "cache_creation": usage.get("cache_creation"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _text(block: Json) -> Text:
    citations = block.get("citations")
    if not citations:
        return Text(block["text"])
    sources = tuple(dict.fromkeys(_source(one) for one in citations if one.get("url")))
    own = {PROVIDER: {"block": block}}
    return Text(block["text"], sources=sources, provider_metadata=own)


def _source(citation: Json) -> Source:
    title, quote = citation.get("title"), citation.get("cited_text")
    return Source(citation["url"], title or "", quote or "")


def _call(block: Json) -> ToolCall:
    name, arguments = block["name"], block["input"]
    if not isinstance(arguments, dict):
        msg = f"The model's arguments for the tool {name!r} are not a JSON object."
        raise InvalidReply(msg)
    more = {key: block[key] for key in block.keys() - PLAIN_CALL if block[key]}
    own = {PROVIDER: more} if more else {}
    return ToolCall(block["id"], name, arguments, provider_metadata=own)
