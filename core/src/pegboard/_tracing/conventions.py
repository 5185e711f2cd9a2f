"""
What the conventions call things, by the version that settings ask for.

https://opentelemetry.io/docs/specs/semconv/gen-ai/ is not stable yet. 1.36 is what most
tools understood for long; 1.41 is the last version before the conventions for
generative AI moved to a place of their own, where nothing has been released so far.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegboard.observers import asked_model_of, usage_of

if TYPE_CHECKING:
    from pegboard._settings.settings import ConventionsVersion
    from pegboard.contracts.chat import Usage
    from pegboard.observers import Call

Attributes = dict[str, Any]

KINDS = {
    "complete": "chat",
    "stream": "chat",
    "embed": "embeddings",
    "generate_images": "generate_content",
    "speak": "generate_content",
    "transcribe": "generate_content",
}
"""What the conventions call the operations in which a model works."""
OUTPUTS = {"generate_images": "image", "speak": "speech"}


class Conventions:
    """One version of the conventions."""

    def __init__(self, version: ConventionsVersion) -> None:
        self.is_new = version != "1.36"
        self.provider = "gen_ai.provider.name" if self.is_new else "gen_ai.system"
        self.schema_url = f"https://opentelemetry.io/schemas/{version}.0"


def kind_of(call: Call) -> str | None:
    """
    Return what the conventions call *call*; None if they know nothing of it.

    A model that is made of others asks them: tokens and words are those of their
    calls, and would count twice if they were its own as well.
    """
    is_model = call.address.startswith("llm.") and not call.is_composite
    return KINDS.get(call.operation) if is_model else None


def span_name(call: Call) -> str:
    """Return what the span of *call* is called: a small set of names."""
    kind = kind_of(call)
    if kind is None:
        return f"{call.operation} {call.address}"
    return f"{kind} {asked_model_of(call) or call.address}"


def place_attributes(call: Call) -> Attributes:
    """Return which instance *call* goes to."""
    return {
        "pegboard.address": call.address,
        "pegboard.operation": call.operation,
        "pegboard.provider": call.provider,
    }


def request_attributes(call: Call, kind: str, conventions: Conventions) -> Attributes:
    """Return what *call* asks for, its words aside."""
    asked = {
        "gen_ai.operation.name": kind,
        conventions.provider: call.telemetry_name,
        "gen_ai.request.model": asked_model_of(call),
        "gen_ai.output.type": _output(call),
        "gen_ai.request.max_tokens": _asked(call, "max_tokens"),
        "gen_ai.request.temperature": _asked(call, "temperature"),
        "gen_ai.request.top_p": _asked(call, "top_p"),
        "gen_ai.request.seed": _asked(call, "seed"),
        "gen_ai.request.stop_sequences": _asked(call, "stop") or None,
    }
    if conventions.is_new:
        asked["gen_ai.request.stream"] = call.streams or None
        asked["gen_ai.embeddings.dimension.count"] = _asked(call, "dimensions")
    return {name: value for name, value in asked.items() if value is not None}


def answer_attributes(call: Call, result: Any, conventions: Conventions) -> Attributes:
    """Return how *call* went, with *result* if it has one."""
    answer: Attributes = {"pegboard.attempts": call.attempts}
    if kind_of(call) is None:
        return answer
    if conventions.is_new and call.first_item is not None:
        answer["gen_ai.response.time_to_first_chunk"] = call.first_item
    if reason := getattr(result, "finish_reason", None):
        answer["gen_ai.response.finish_reasons"] = (reason,)
    if model := getattr(result, "model", None):
        answer["gen_ai.response.model"] = model
    usage = usage_of(call, result)
    return answer | _usage_attributes(usage, conventions) if usage else answer


def metric_attributes(
    call: Call, kind: str, answer: Attributes, conventions: Conventions
) -> Attributes:
    """Return what measurements of *call* are told apart by: few values each."""
    known = {
        "gen_ai.operation.name": kind,
        conventions.provider: call.telemetry_name,
        "gen_ai.request.model": asked_model_of(call),
        "gen_ai.response.model": answer.get("gen_ai.response.model"),
        "error.type": answer.get("error.type"),
        "pegboard.address": call.address,
    }
    return {name: value for name, value in known.items() if value is not None}


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


def _asked(call: Call, name: str) -> Any:
    """Return what the request says, where it is of a kind that says such a thing."""
    return getattr(call.request, name, None)


def _output(call: Call) -> str | None:
    return "json" if _asked(call, "schema") is not None else OUTPUTS.get(call.operation)
