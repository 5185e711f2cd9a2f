"""Replies: the JSON of the API to our values. Nothing here does I/O."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pegboard import (
    File,
    Finished,
    Image,
    Part,
    PartDone,
    Reasoning,
    ReasoningDelta,
    Reply,
    StreamEvent,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageSoFar,
)
from pegboard.errors import (
    CallError,
    ConnectionFailed,
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
    candidate = first_candidate(answer)
    parts = tuple(map(_part, wire_parts(candidate)))
    usage = answer.get("usageMetadata")
    return Reply(
        parts=parts,
        finish_reason=_finish_reason(candidate.get("finishReason"), _has_calls(parts)),
        usage=usage_of(usage) if usage else Usage(estimated=True),
        model=answer.get("modelVersion") or model,
        provider_metadata={OWN: metadata_of(answer, candidate)},
    )


def first_candidate(answer: Json) -> Json:
    """
    Return the reply within *answer*.

    Raises:
        CallError: It is an error.
        ContentFiltered: The prompt is refused.

    """
    _check(answer)
    candidate: Json = answer["candidates"][0]
    return candidate


def wire_parts(candidate: Json) -> list[Json]:
    """Return the parts of *candidate*, which has none if it was filtered."""
    content = candidate.get("content") or {}
    return list(content.get("parts") or ())


def metadata_of(answer: Json, candidate: Json) -> dict[str, Any]:
    """Return what else was said: grounding, citations, safety ratings."""
    more = {k: v for k, v in candidate.items() if k not in {"content", "index"}}
    return without_none(responseId=answer.get("responseId"), **more)


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


class StreamReader:
    """Makes events of the chunks of one stream."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._finish_reason: str | None = None
        self._thoughts: list[str] = []
        self._usage: Usage | None = None
        self._metadata: dict[str, Any] = {}
        self._has_calls = False

    def read(self, chunk: Json) -> Iterator[StreamEvent]:
        """Yield what *chunk* brings."""
        _check(chunk)
        self._model = chunk.get("modelVersion") or self._model
        for candidate in chunk.get("candidates") or ():
            self._metadata |= metadata_of(chunk, candidate)
            self._finish_reason = candidate.get("finishReason") or self._finish_reason
            for part in wire_parts(candidate):
                yield from self._part(part)
        usage = chunk.get("usageMetadata")
        if usage and (so_far := usage_of(usage)) != self._usage:
            self._usage = so_far
            yield UsageSoFar(so_far)

    def finish(self) -> Iterator[StreamEvent]:
        """
        Yield what is complete only at the end of the stream.

        Raises:
            ConnectionFailed: The stream ended before the reply did.

        """
        if self._finish_reason is None:
            msg = "The stream ended before the reply did."
            raise ConnectionFailed(msg)
        finish_reason = _finish_reason(self._finish_reason, self._has_calls)
        yield from self._thought()
        yield Finished(
            finish_reason=finish_reason,
            model=self._model,
            usage=self._usage,
            provider_metadata={OWN: self._metadata},
        )

    def _part(self, part: Json) -> Iterator[StreamEvent]:
        text = part.get("text")
        if part.get("thought") and "thoughtSignature" not in part:
            self._thoughts.append(text or "")
            yield ReasoningDelta(text or "")
            return
        yield from self._thought()
        if part.get("thought"):
            yield ReasoningDelta(text or "")
            yield PartDone(_opaque(part))
        elif text is not None:
            yield from _words(part)
        elif "functionCall" in part:
            self._has_calls = True
            yield from _called(part)
        else:
            yield PartDone(_opaque(part))

    def _thought(self) -> Iterator[StreamEvent]:
        """Yield the thoughts so far as one part; only a signature keeps them apart."""
        if self._thoughts:
            yield PartDone(Reasoning("".join(self._thoughts)))
            self._thoughts = []


def _words(part: Json) -> Iterator[StreamEvent]:
    """Yield text, and its signature after it, for which events of text have no room."""
    if part["text"]:
        yield TextDelta(part["text"])
    if "thoughtSignature" in part:
        yield PartDone(Reasoning("", provider_metadata={OWN: {"part": part}}))


def _called(part: Json) -> Iterator[StreamEvent]:
    call = _call(part)
    yield ToolCallDelta(call.id, call.name, json.dumps(call.arguments))
    yield PartDone(call)


def _part(part: Json) -> Part:
    if part.get("thought"):
        return _thoughts(part)
    if "text" in part:
        return Text(part["text"], provider_metadata=_signature(part))
    if "functionCall" in part:
        return _call(part)
    if "inlineData" in part:
        return media_of(part["inlineData"])
    return _opaque(part)


def _thoughts(part: Json) -> Reasoning:
    """Return thoughts; only those that are signed are wanted back."""
    return _opaque(part) if "thoughtSignature" in part else Reasoning(part["text"])


def _opaque(part: Json) -> Reasoning:
    """Return a part that goes back as it came, whatever it is."""
    text = part.get("text", "") if part.get("thought") else ""
    return Reasoning(text, provider_metadata={OWN: {"part": part}})


def media_of(inline: Json) -> Image | File:
    """Return what was painted or read aloud."""
    content, media_type = b64decode(inline["data"]), inline["mimeType"]
    if media_type.startswith("image/"):
        return Image(content, media_type)
    return File(content, media_type)


def _call(part: Json) -> ToolCall:
    call = part["functionCall"]
    own = without_none(id=call.get("id"), thoughtSignature=part.get("thoughtSignature"))
    made = call.get("id") or f"call-{uuid4().hex}"
    arguments = dict(call.get("args") or {})
    return ToolCall(made, call["name"], arguments, provider_metadata={OWN: own})


def _signature(part: Json) -> dict[str, dict[str, str]]:
    if "thoughtSignature" not in part:
        return {}
    return {OWN: {"thoughtSignature": part["thoughtSignature"]}}


def _has_calls(parts: Iterable[Part]) -> bool:
    return any(isinstance(part, ToolCall) for part in parts)


def _check(answer: Json) -> None:
    if "error" in answer:
        raise reported(answer)
    reason = (answer.get("promptFeedback") or {}).get("blockReason")
    if reason and not answer.get("candidates"):
        msg = f"gemini refuses the prompt: {reason}."
        raise ContentFiltered(msg, request_sent="yes", code=reason)


def _finish_reason(reason: str | None, has_calls: bool) -> FinishReason:  # noqa: FBT001 - a fact of the reply
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
