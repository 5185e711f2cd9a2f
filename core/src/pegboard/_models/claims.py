"""What a request takes, held against what the provider claims."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pegboard.errors import Unsupported

from .prompt import DROPPABLE, needs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pegboard.contracts.chat import ChatRequest

    from .abilities import Model


def honoured(request: ChatRequest, model: Model) -> tuple[ChatRequest, tuple[str, ...]]:
    """
    Return *request* as *model* can honour it, and the names of what is left out.

    Raises:
        Unsupported: It needs more than is claimed, and that may not be left out.

    """
    needs = dict(needs_of(request))
    lacking = [n for n, need in needs.items() if need not in model.capabilities]
    dropped = tuple(n for n in lacking if n in DROPPABLE)
    if model.drops_unsupported and len(dropped) == len(lacking):
        return replace(request, **{n: DROPPABLE[n] for n in dropped}), dropped
    if lacking:
        raise Unsupported(_refusal(model, lacking, needs))
    return request, ()


def _refusal(model: Model, lacking: Iterable[str], needs: Mapping[str, str]) -> str:
    able = ", ".join(sorted(model.capabilities)) or "none of the optional parameters"
    hint = (
        f' Leave it out, or set on_unsupported = "drop" in [{model.address}].'
        if all(name in DROPPABLE for name in lacking)
        else " Use another provider."
    )
    names = ", ".join(
        name if name == needs[name] else f"{name} ({needs[name]})" for name in lacking
    )
    return (
        f"{model.provider} does not support {names} with these settings. "
        f"It supports {able}.{hint}"
    )
