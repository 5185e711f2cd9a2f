"""What the service says of its models, as ours. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pegboard import ModelEntry

from ._blocks import PROVIDER
from .profiles import profile_of

Json = Mapping[str, Any]

ALWAYS = frozenset({"stop", "tools"})
SAMPLING = frozenset({"temperature", "top_p"})
CAPABILITIES: Mapping[str, str] = {
    "image_input": "images",
    "pdf_input": "files",
    "structured_outputs": "json_schema",
    "thinking": "reasoning_effort",
}
"""The service's words for what a model can do, and ours."""


def entry_of(model: Json) -> ModelEntry:
    """Return what is said of *model*."""
    lifecycle = model.get("lifecycle")
    return ModelEntry(
        id=model["id"],
        name=model.get("display_name"),
        context_window=model.get("max_input_tokens"),
        max_output=model.get("max_tokens"),
        capabilities=_capabilities(model),
        deprecated_at=_moment(model.get("deprecated_at")),
        retires_at=_moment(model.get("retires_at")),
        provider_metadata={PROVIDER: {"lifecycle": lifecycle}} if lifecycle else {},
    )


def _capabilities(model: Json) -> frozenset[str] | None:
    told = model.get("capabilities")
    if told is None:
        return None
    found = {ours for name, ours in CAPABILITIES.items() if _is_supported(told, name)}
    if _is_supported(told.get("server_tools") or {}, "web_search"):
        found.add("web_search")
    if "images" in found:
        found.add("tool_media")
    sampling = SAMPLING if profile_of(model["id"]).sampling else frozenset()
    return ALWAYS | sampling | found


def _is_supported(told: Json, name: str) -> bool:
    return bool((told.get(name) or {}).get("supported"))


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
