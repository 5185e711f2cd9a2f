"""
What the conventions call things, by the version that settings ask for.

https://opentelemetry.io/docs/specs/semconv/gen-ai/ is not stable yet. 1.36 is what most
tools understood for long; 1.41 is the last version before the conventions for
generative AI moved to a place of their own, where nothing has been released so far.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegboard.contracts.chat import ChatRequest, Finished, Reply, Usage

if TYPE_CHECKING:
    from pegboard._settings.settings import ConventionsVersion
    from pegboard.observers import Call

Attributes = dict[str, Any]

CHAT = "chat"
NOT_COUNTED = Usage(estimated=True)


class Conventions:
    """One version of the conventions."""

    def __init__(self, version: ConventionsVersion) -> None:
        self.is_new = version != "1.36"
        self.provider = "gen_ai.provider.name" if self.is_new else "gen_ai.system"
        self.schema_url = f"https://opentelemetry.io/schemas/{version}.0"


def span_name(call: Call) -> str:
    """Return what the span of *call* is called: a small set of names."""
    if not isinstance(call.request, ChatRequest):
        return f"{call.operation} {call.address}"
    return f"{CHAT} {_model(call, call.request) or call.address}"


def place_attributes(call: Call) -> Attributes:
    """Return which instance *call* goes to."""
    return {
        "pegboard.address": call.address,
        "pegboard.operation": call.operation,
        "pegboard.provider": call.provider,
    }


def request_attributes(
    call: Call, request: ChatRequest, conventions: Conventions
) -> Attributes:
    """Return what *call* asks for, its words aside."""
    asked = {
        "gen_ai.operation.name": CHAT,
        conventions.provider: call.provider,
        "gen_ai.request.model": _model(call, request),
        "gen_ai.output.type": "json" if request.schema is not None else None,
        "gen_ai.request.max_tokens": request.max_tokens,
        "gen_ai.request.temperature": request.temperature,
        "gen_ai.request.top_p": request.top_p,
        "gen_ai.request.seed": request.seed,
        "gen_ai.request.stop_sequences": request.stop or None,
    }
    if conventions.is_new:
        asked["gen_ai.request.stream"] = call.streams or None
    return {name: value for name, value in asked.items() if value is not None}


def answer_attributes(call: Call, result: Any, conventions: Conventions) -> Attributes:
    """Return how *call* went, with *result* if it has one."""
    answer: Attributes = {"pegboard.attempts": call.attempts}
    if not isinstance(call.request, ChatRequest):
        return answer
    if conventions.is_new and call.first_item is not None:
        answer["gen_ai.response.time_to_first_chunk"] = call.first_item
    if isinstance(result, Reply | Finished):
        answer["gen_ai.response.finish_reasons"] = (result.finish_reason,)
        if result.model:
            answer["gen_ai.response.model"] = result.model
    usage = usage_of(call, result)
    return answer | _usage_attributes(usage, conventions) if usage else answer


def metric_attributes(
    call: Call, request: ChatRequest, answer: Attributes, conventions: Conventions
) -> Attributes:
    """Return what measurements of *call* are told apart by: few values each."""
    known = {
        "gen_ai.operation.name": CHAT,
        conventions.provider: call.provider,
        "gen_ai.request.model": _model(call, request),
        "gen_ai.response.model": answer.get("gen_ai.response.model"),
        "error.type": answer.get("error.type"),
        "pegboard.address": call.address,
    }
    return {name: value for name, value in known.items() if value is not None}


def usage_of(call: Call, result: Any) -> Usage | None:
    """Return the tokens that *result* says *call* used, or its stream before it."""
    told = result.usage if isinstance(result, Reply | Finished) else None
    usage = told or call.usage
    return None if usage == NOT_COUNTED else usage


def read(usage: Usage) -> int:
    """Return all tokens that were read: the conventions count cached ones in."""
    return usage.input + usage.cache_read + usage.cache_write


def written(usage: Usage) -> int:
    """Return all tokens that were written, reasoning included."""
    return usage.output + usage.reasoning


def _usage_attributes(usage: Usage, conventions: Conventions) -> Attributes:
    all_versions = {
        "gen_ai.usage.input_tokens": read(usage),
        "gen_ai.usage.output_tokens": written(usage),
    }
    if not conventions.is_new:
        return all_versions
    parts = {
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning,
    }
    return all_versions | {name: tokens for name, tokens in parts.items() if tokens}


def _model(call: Call, request: ChatRequest) -> str | None:
    return request.model or call.model
