"""How many tokens a call to a model will take, and took."""

from __future__ import annotations

from typing import Any

from pegboard.contracts.chat import ChatRequest
from pegboard.draft import CHARACTERS_PER_TOKEN


def expected_tokens(request: Any) -> float:
    """Return about how many tokens *request* and its reply have; 0 if it is no chat."""
    if not isinstance(request, ChatRequest):
        return 0.0
    characters = sum(len(message.text) for message in request.messages)
    return characters / CHARACTERS_PER_TOKEN + (request.max_tokens or 0)


def spent_tokens(result: Any) -> int | None:
    """Return how many tokens *result* says that it took, or None if it does not."""
    total = getattr(getattr(result, "usage", None), "total", None)
    return total if isinstance(total, int) else None
