"""What the server tells of its models: what they are able to do, and read at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import httpx
from pegboard.errors import Unsupported

if TYPE_CHECKING:
    from ._client import Client

USES: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], object]]] = {
    "tools": ("tools", lambda body: body.get("tools")),
    "vision": ("images", lambda body: any(map(_has_images, body["messages"]))),
    "thinking": ("reasoning_effort", lambda body: body.get("think")),
}
"""By Ollama's word: ours for it, and whether a request takes it."""
CHAT = "completion"
OF_ALL = frozenset({"temperature", "top_p", "seed", "stop", "json_schema"})
"""What every model takes that chats."""


class Told:
    """
    What is known of models, asked for when a request takes what not all can do.

    Before a request is refused, the server is asked again: its models can change.
    """

    def __init__(self) -> None:
        self._by_model: dict[str, frozenset[str]] = {}

    async def check(self, client: Client, body: Mapping[str, Any]) -> None:
        """
        Check that the model of *body* can do what it takes, if the server tells that.

        Raises:
            Unsupported: It cannot; the message says what it can do.

        """
        needs = {word for word, (_, is_used) in USES.items() if is_used(body)}
        model = body["model"]
        if needs <= self._by_model.get(model, frozenset()):
            return
        told = (await shown(client, model)).get("capabilities")
        if told is None:  # an older server, or none of Ollama's own
            return
        self._by_model[model] = frozenset(told)
        lacking = sorted({*needs, CHAT}.difference(told))
        if lacking:
            raise _refusal(model, lacking[0], told)


async def shown(client: Client, model: str) -> Mapping[str, Any]:
    """Return what the server tells of *model*; nothing if it does not."""
    try:
        answer = await client.post("/api/show", {"model": model})
    except httpx.HTTPStatusError:
        return {}
    return answer if isinstance(answer, Mapping) else {}


def capabilities_of(told: Mapping[str, Any]) -> frozenset[str] | None:
    """Return in our words what a model can do of which this is *told*."""
    words = told.get("capabilities")
    if words is None:
        return None
    of_chat = OF_ALL if CHAT in words else frozenset()
    return of_chat | {ours for word, (ours, _) in USES.items() if word in words}


def context_window_of(told: Mapping[str, Any]) -> int | None:
    """Return how many tokens a model reads at once of which this is *told*."""
    known = told.get("model_info") or {}
    found = known.get(f"{known.get('general.architecture')}.context_length")
    return found if isinstance(found, int) else None


def _has_images(message: Mapping[str, Any]) -> bool:
    return bool(message.get("images"))


def _refusal(model: str, lacking: str, told: list[str]) -> Unsupported:
    ours = USES[lacking][0] if lacking in USES else "chat"
    known = ", ".join(sorted(told)) or "nothing"
    msg = (
        f"The model {model!r} does not support {ours}. Ollama tells of it: {known}. "
        "Use another model; 'ollama show' tells what one can do."
    )
    return Unsupported(msg, request_sent="no")
