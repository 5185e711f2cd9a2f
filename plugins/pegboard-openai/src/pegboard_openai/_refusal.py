"""What a model cannot do is refused before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard import File, Image
from pegboard.errors import Unsupported

from .profiles import SAMPLING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pegboard import ChatRequest

    from .profiles import Profile


def refuse_unsupported(request: ChatRequest, model: str, profile: Profile) -> None:
    """
    Check that *model* can do what *request* asks for, as far as its *profile* tells.

    Raises:
        Unsupported: It cannot; the message says what can be done.

    """
    for reason in _reasons(request, profile):
        msg = f"The model {model!r} {reason}"
        raise Unsupported(msg, request_sent="no")


def _reasons(request: ChatRequest, profile: Profile) -> Iterable[str]:
    asked = {name for name in profile.lacks if _asks(request, name)}
    if asked:
        yield f"does not support {', '.join(sorted(asked))}. Use another model."
    effort = request.reasoning_effort
    if effort and profile.efforts and effort not in profile.efforts:
        known = ", ".join(profile.efforts)
        yield f"does not know reasoning_effort {effort!r}. It knows {known}."
    reasons = (effort or profile.usual_effort) != "none"
    if profile.samples_without_reasoning and reasons:
        for name in sorted(SAMPLING):
            if _asks(request, name):
                yield f"takes {name} only with reasoning_effort = 'none'."


def _asks(request: ChatRequest, capability: str) -> bool:
    if capability in {"images", "files"}:
        kind = Image if capability == "images" else File
        parts = (part for message in request.messages for part in message.parts)
        return any(isinstance(part, kind) for part in parts)
    name = "schema" if capability == "json_schema" else capability
    value = getattr(request, name)
    return value is not None and value is not False and value != ()
