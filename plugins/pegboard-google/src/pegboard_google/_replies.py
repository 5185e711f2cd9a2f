"""Replies: the JSON of the API to our values. Nothing here does I/O."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pegboard import (
    File,
    Image,
    Part,
    Reasoning,
    Reply,
    Source,
    Text,
    ToolCall,
    Usage,
)
from pegboard.errors import (
    CallError,
    ContentFiltered,
    InvalidReply,
    InvalidRequest,
    PermissionDenied,
)

from ._errors import reported
from ._requests import OWN, without_none

if TYPE_CHECKING:
    from pegboard.contracts.chat import FinishReason

FINISH_REASONS: Mapping[str, FinishReason] = {
    "FINISH_REASON_UNSPECIFIED": "stop",
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "OTHER": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "ESCALATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "IMAGE_OTHER": "content_filter",
    "NO_IMAGE": "stop",
}
"""Why a reply ended. What is withheld for no told reason counts as filtered."""
FAILURES: Mapping[str, tuple[type[CallError], bool, str]] = {
    "MALFORMED_FUNCTION_CALL": (
        InvalidReply,
        True,
        "The model wrote a call that cannot be read.",
    ),
    "MALFORMED_RESPONSE": (
        InvalidReply,
        True,
        "The model wrote what cannot be read.",
    ),
    "UNEXPECTED_TOOL_CALL": (
        InvalidReply,
        True,
        "The model called a tool that it was not given.",
    ),
    "TOO_MANY_TOOL_CALLS": (
        InvalidReply,
        False,
        "The model called too many tools of the service in a row.",
    ),
    "MISSING_THOUGHT_SIGNATURE": (
        InvalidRequest,
        False,
        "The thoughts of an earlier reply are missing. Send back its whole message.",
    ),
    "PUP_LIMITED_DISABLED": (
        PermissionDenied,
        False,
        "The account is limited or disabled because of what it was used for.",
    ),
}
"""Ends that are no reply: the error, whether to try again, and what it says."""

Json = Mapping[str, Any]


def reply_of(answer: Json, model: str) -> Reply:
    """
    Return the API's *answer* of *model* as a reply.

    Raises:
        ContentFiltered: The prompt is refused.
        CallError: It ended in a way that is no reply.

    """
    check(answer)
    candidate = answer["candidates"][0]
    parts = _based_on(sources_of(candidate), map(_part, wire_parts(candidate)))
    has_calls = any(isinstance(part, ToolCall) for part in parts)
    usage = answer.get("usageMetadata")
    return Reply(
        parts=parts,
        finish_reason=finish_reason_of(
            candidate.get("finishReason"), has_calls=has_calls
        ),
        usage=usage_of(usage) if usage else Usage(estimated=True),
        model=answer.get("modelVersion") or model,
        provider_metadata={OWN: metadata_of(answer, candidate)},
    )


def wire_parts(candidate: Json) -> list[Json]:
    """Return the parts of *candidate*, which has none if it was filtered."""
    content = candidate.get("content") or {}
    return list(content.get("parts") or ())


def metadata_of(answer: Json, candidate: Json) -> dict[str, Any]:
    """Return what else was said: grounding, citations, safety ratings."""
    more = {k: v for k, v in candidate.items() if k not in {"content", "index"}}
    return without_none(responseId=answer.get("responseId"), **more)


def sources_of(candidate: Json) -> tuple[Source, ...]:
    """Return the pages of the web that *candidate* rests on."""
    grounding = candidate.get("groundingMetadata") or {}
    found = (chunk.get("web") or {} for chunk in grounding.get("groundingChunks") or ())
    told = (Source(one["uri"], one.get("title") or "") for one in found if one)
    return tuple(dict.fromkeys(told))


def _based_on(sources: tuple[Source, ...], parts: Iterable[Part]) -> tuple[Part, ...]:
    """Return *parts*, the last words of which have the *sources*, told of them all."""
    told = [*parts]
    for place in reversed(range(len(told) if sources else 0)):
        part = told[place]
        if isinstance(part, Text):
            told[place] = replace(part, sources=sources)
            break
    return tuple(told)


def usage_of(usage: Json) -> Usage:
    """Return the tokens of a call in buckets that do not overlap."""
    cached = usage.get("cachedContentTokenCount") or 0
    prompt = usage.get("promptTokenCount") or 0
    of_tools = usage.get("toolUsePromptTokenCount") or 0
    return Usage(
        input=max(0, prompt + of_tools - cached),
        cache_read=cached,
        output=usage.get("candidatesTokenCount") or 0,
        reasoning=usage.get("thoughtsTokenCount") or 0,
    )


def _part(part: Json) -> Part:
    if part.get("thought"):
        return _thoughts(part)
    if "text" in part:
        return Text(part["text"], provider_metadata=_signature(part))
    if "functionCall" in part:
        return call_of(part)
    if "inlineData" in part:
        return _media(part["inlineData"])
    return opaque(part)


def _thoughts(part: Json) -> Reasoning:
    """Return thoughts; only those that are signed are wanted back."""
    return opaque(part) if "thoughtSignature" in part else Reasoning(part["text"])


def opaque(part: Json) -> Reasoning:
    """Return a part that goes back as it came, whatever it is."""
    text = part.get("text", "") if part.get("thought") else ""
    return Reasoning(text, provider_metadata={OWN: {"part": part}})


def _media(inline: Json) -> Image | File:
    """Return what was painted or read aloud."""
    content, media_type = b64decode(inline["data"]), inline["mimeType"]
    if media_type.startswith("image/"):
        return Image(content, media_type)
    return File(content, media_type)


def call_of(part: Json) -> ToolCall:
    """Return the call in *part*, with an id of ours if the service gives none."""
    call = part["functionCall"]
    own = without_none(id=call.get("id"), thoughtSignature=part.get("thoughtSignature"))
    made = call.get("id") or f"call-{uuid4().hex}"
    arguments = dict(call.get("args") or {})
    return ToolCall(made, call["name"], arguments, provider_metadata={OWN: own})


def _signature(part: Json) -> dict[str, dict[str, str]]:
    if "thoughtSignature" not in part:
        return {}
    return {OWN: {"thoughtSignature": part["thoughtSignature"]}}


def check(answer: Json) -> None:
    """
    Refuse an *answer* that cannot have a reply in it.

    Raises:
        CallError: It is an error.
        ContentFiltered: The prompt is refused.

    """
    if "error" in answer:
        raise reported(answer)
    reason = (answer.get("promptFeedback") or {}).get("blockReason")
    if reason and not answer.get("candidates"):
        msg = f"gemini refuses the prompt: {reason}."
        raise ContentFiltered(msg, request_sent="yes", code=reason)


def finish_reason_of(reason: str | None, *, has_calls: bool) -> FinishReason:
    """
    Return why the reply ended.

    Raises:
        CallError: It ended in a way that is no reply.

    """
    reason = reason or ""
    if reason in FAILURES:
        kind, retryable, msg = FAILURES[reason]
        raise kind(msg, retryable=retryable, request_sent="yes", code=reason)
    known = FINISH_REASONS.get(reason, "stop")
    return "tool_calls" if known == "stop" and has_calls else known
