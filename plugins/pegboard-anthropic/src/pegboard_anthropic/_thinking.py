"""How hard a model shall think, in the words of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pegboard.errors import InvalidRequest

from .profiles import profile_of

if TYPE_CHECKING:
    from pegboard import ChatRequest

    from .options import AnthropicOptions

EFFORTS: Mapping[str, str] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
BUDGETS: Mapping[str, int] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16_384,
    "xhigh": 32_768,
    "max": 65_536,
}
"""Tokens to think with, for models that have to be given a number."""
LEAST_BUDGET = 1024
"""Fewer tokens the API does not take."""


def thinking_fields(
    request: ChatRequest, body: Mapping[str, Any], options: AnthropicOptions
) -> dict[str, Any]:
    """
    Return the fields that say how hard to think.

    Raises:
        InvalidRequest: There is no such effort, or no room for it.

    """
    effort, display = request.reasoning_effort, options.thinking_display
    if effort is None:
        return {}
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    _check(effort)
    shown = {"display": display} if display else {}
    if profile_of(body["model"]).thinking == "budget":
        budget = _budget(effort, body["max_tokens"])
        return {"thinking": {"type": "enabled", "budget_tokens": budget, **shown}}
    return {
        "thinking": {"type": "adaptive", **shown},
        "output_config": {"effort": EFFORTS[effort]},
    }


def _check(effort: str) -> None:
    if effort not in EFFORTS:
        known = ", ".join(["none", *EFFORTS])
        msg = f"There is no reasoning_effort {effort!r}. Known: {known}."
        raise InvalidRequest(msg, request_sent="no")


def _budget(effort: str, max_tokens: int) -> int:
    """Return the tokens for *effort*, of which there must be more in the reply."""
    if max_tokens <= LEAST_BUDGET:
        msg = (
            f"max_tokens is {max_tokens}: this model thinks with {LEAST_BUDGET} tokens "
            "or more. Raise max_tokens, or leave out reasoning_effort."
        )
        raise InvalidRequest(msg, request_sent="no")
    return max(LEAST_BUDGET, min(BUDGETS[effort], max_tokens // 2))
