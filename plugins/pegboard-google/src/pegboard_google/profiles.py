"""What models can do and how they think, as far as their names tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pegboard.errors import Unsupported

ALWAYS = frozenset(
    {"temperature", "top_p", "seed", "stop", "json_schema", "tools", "images", "files"}
)
BUDGETS: Mapping[str, int] = {"low": 1024, "medium": 8192, "high": 24576}
LEVELS = {level: level.upper() for level in ("low", "medium", "high")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """What a family of models takes for ``reasoning_effort``."""

    prefix: str
    """What the names of its models begin with."""
    field: str = "thinkingBudget"
    """What of the API's ``thinkingConfig`` says how much to think."""
    efforts: Mapping[str, int | str]
    signs_calls: bool = False
    """Whether it refuses calls without a signature."""
    combines: bool = False
    """Whether it takes a search of the web beside functions and schemas."""
    sees_results: bool = False
    """Whether it takes pictures and documents that functions answer with."""


# The first that fits is meant. Budgets are tokens; 0 is not to think at all.
FAMILIES = (
    Thinking(prefix="gemini-2.5-pro", efforts={"minimal": 128, **BUDGETS}),
    Thinking(
        prefix="gemini-2.5-flash-lite", efforts={"none": 0, "minimal": 512, **BUDGETS}
    ),
    Thinking(prefix="gemini-2.5-flash-image", efforts={}),
    Thinking(prefix="gemini-2.5", efforts={"none": 0, "minimal": 128, **BUDGETS}),
    Thinking(prefix="gemini-2", efforts={}),
    Thinking(prefix="gemini-1", efforts={}),
    Thinking(prefix="gemini-embedding", efforts={}),
    Thinking(
        prefix="gemini-",
        field="thinkingLevel",
        efforts={"minimal": "MINIMAL", **LEVELS, "xhigh": "XHIGH"},
        signs_calls=True,
        combines=True,
        sees_results=True,
    ),
)
NONE = Thinking(prefix="", efforts={})


def capabilities_of(model: str) -> frozenset[str]:
    """Return what *model* can be asked for."""
    thinks = {"reasoning_effort"} if thinking_of(model).efforts else set()
    edits = {"image_editing"} if "-image" in model else set()
    searches = {"web_search"} if kind_of(model) in {"chat", "unknown"} else set()
    sees = {"tool_media"} if thinking_of(model).sees_results else set()
    return ALWAYS | thinks | edits | searches | sees


def kind_of(model: str) -> str:
    """Return what *model* is for: ``unknown`` where its name does not tell."""
    name = model.rpartition("/")[2]
    if not name.startswith("gemini-"):
        return "unknown"
    if name.startswith("gemini-embedding"):
        return "embedding"
    marks = ("tts", "image")
    return next((mark for mark in marks if f"-{mark}" in name), "chat")


def thinking_of(model: str) -> Thinking:
    """Return how *model*, whatever stands before its name, thinks."""
    name = model.rpartition("/")[2]
    return next((one for one in FAMILIES if name.startswith(one.prefix)), NONE)


def check_search(model: str, *, tools: bool, schema: bool, on_vertex: bool) -> None:
    """
    Check that *model* may search the web beside the *tools* and the *schema*.

    Raises:
        Unsupported: It takes one or the other.

    """
    combines = thinking_of(model).combines
    if tools and (on_vertex or not combines):
        other = "tools"
    elif schema and not combines:
        other = "a schema"
    else:
        return
    where = " on Vertex AI" if on_vertex else ""
    msg = f"{model} takes no web_search beside {other}{where}. Ask one after the other."
    raise Unsupported(msg, request_sent="no")


def thinking_config(
    model: str, effort: str | None, *, include_thoughts: bool
) -> dict[str, Any]:
    """
    Return the ``thinkingConfig`` that makes *model* think with *effort*.

    Raises:
        Unsupported: The model does not know it.

    """
    thinking = thinking_of(model)
    if effort is not None and effort not in thinking.efforts:
        known = ", ".join(thinking.efforts) or "none: it cannot be told how to think"
        msg = f"{model} does not know reasoning_effort {effort!r}. Known: {known}."
        raise Unsupported(msg)
    amount = {} if effort is None else {thinking.field: thinking.efforts[effort]}
    shown = {"includeThoughts": True} if include_thoughts and thinking.efforts else {}
    return {**amount, **shown}
