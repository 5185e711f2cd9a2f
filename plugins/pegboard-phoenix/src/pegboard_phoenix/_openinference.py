"""
From the words of OpenTelemetry to those of OpenInference, which Phoenix understands.

https://arize-ai.github.io/openinference/spec/attributes/semantic-conventions.html.
Pure functions from attributes to further ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ._messages import messages, texts, tools

Attributes = Mapping[str, Any]

KIND = "openinference.span.kind"
KINDS: Attributes = {
    "chat": "LLM",
    "generate_content": "LLM",
    "embeddings": "EMBEDDING",
    "invoke_agent": "AGENT",
    "execute_tool": "TOOL",
}
OTHER_KIND = "CHAIN"
"""Of what no model is asked in."""
TOKENS: Attributes = {
    "gen_ai.usage.input_tokens": "llm.token_count.prompt",
    "gen_ai.usage.output_tokens": "llm.token_count.completion",
    "gen_ai.usage.cache_read.input_tokens": (
        "llm.token_count.prompt_details.cache_read"
    ),
    "gen_ai.usage.cache_creation.input_tokens": (
        "llm.token_count.prompt_details.cache_write"
    ),
    "gen_ai.usage.reasoning.output_tokens": (
        "llm.token_count.completion_details.reasoning"
    ),
}
PARAMETERS = ("max_tokens", "temperature", "top_p", "seed", "stop_sequences")
INPUT, OUTPUT = "gen_ai.input.messages", "gen_ai.output.messages"
TOOLS = "gen_ai.tool.definitions"
SAID_ANEW = frozenset({INPUT, OUTPUT, TOOLS})
"""What would be twice as long if it stayed as well."""


def translated(known: Attributes) -> Attributes:
    """Return what a span is to say that OpenTelemetry *known* of it."""
    if "pegboard.address" not in known:
        return {KIND: OTHER_KIND, **known}  # the program's, which may know better
    kept = {name: value for name, value in known.items() if name not in SAID_ANEW}
    return {**kept, **dict(_openinference(known))}


def _openinference(known: Attributes) -> Iterator[tuple[str, Any]]:
    kind = KINDS.get(known.get("gen_ai.operation.name", ""), OTHER_KIND)
    yield KIND, kind
    if kind == "LLM":
        yield from _model(known)
        yield from _words(known)
    elif kind == "EMBEDDING":
        yield from _embedding(known)
    elif kind == "TOOL":
        yield "tool.name", known["gen_ai.tool.name"]
    elif kind == "AGENT":
        yield "agent.name", known["gen_ai.agent.name"]


def _model(known: Attributes) -> Iterator[tuple[str, Any]]:
    if name := _model_name(known):
        yield "llm.model_name", name
    if provider := known.get("gen_ai.provider.name") or known.get("gen_ai.system"):
        yield "llm.provider", provider
        yield "llm.system", provider
    asked = {one: known.get(f"gen_ai.request.{one}") for one in PARAMETERS}
    given = {name: value for name, value in asked.items() if value is not None}
    yield "llm.invocation_parameters", json.dumps(given)
    yield from _tokens(known)


def _embedding(known: Attributes) -> Iterator[tuple[str, Any]]:
    if name := _model_name(known):
        yield "embedding.model_name", name
    yield from _tokens(known)


def _model_name(known: Attributes) -> str | None:
    answered = known.get("gen_ai.response.model")
    return answered or known.get("gen_ai.request.model")


def _tokens(known: Attributes) -> Iterator[tuple[str, int]]:
    found = {name: known[told] for told, name in TOKENS.items() if told in known}
    yield from found.items()
    if found:
        total = (
            found.get("llm.token_count.prompt", 0),
            found.get("llm.token_count.completion", 0),
        )
        yield "llm.token_count.total", sum(total)


def _words(known: Attributes) -> Iterator[tuple[str, Any]]:
    """Yield what was asked and said, if the settings have it captured."""
    for told, prefix, value in (
        (INPUT, "llm.input_messages", "input"),
        (OUTPUT, "llm.output_messages", "output"),
    ):
        if told in known:
            turns = json.loads(known[told])
            yield from messages(turns, prefix)
            yield f"{value}.value", texts(turns)
            yield f"{value}.mime_type", "text/plain"
    if TOOLS in known:
        yield from tools(json.loads(known[TOOLS]))
