"""What an instance is, and where each of its values came from."""

from __future__ import annotations

from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING

from pydantic import BaseModel

from ._plan import RESERVED
from ._settings.tree import leaves, origin_at
from .options import secret_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._plan import Plan
    from ._settings.tree import Tree

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Value:
    """A key with what it is set to, by whom."""

    key: str
    shown: str
    """The value as text; of a secret only whether it is set."""
    origin: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an instance is."""

    address: str
    provider: str
    distribution: str
    version: str
    contracts: tuple[str, ...]
    capabilities: tuple[str, ...]
    external: bool
    """Whether its calls go through the policy."""
    options: tuple[Value, ...]
    policy: tuple[Value, ...]


def explain(plan: Plan) -> Explanation:
    """Return the explanation of the instance that *plan* describes."""
    entry = plan.offer.plugin.entry
    return Explanation(
        address=plan.address,
        provider=plan.offer.provider.name,
        distribution=entry.distribution,
        version=entry.version,
        contracts=tuple(f"{n} {v}" for n, v in plan.offer.provider.contracts.items()),
        capabilities=tuple(sorted(plan.capabilities)),
        external=plan.external,
        options=(*_beside(plan), *_options(plan)),
        policy=tuple(_values(plan.policy, plan.policy_tree)),
    )


def _beside(plan: Plan) -> Iterator[Value]:
    """Yield what was said beside the options, the policy aside."""
    for key, setting in leaves(plan.section):
        if key in RESERVED:
            yield Value(key, _shown(setting.value), setting.origin)


def _options(plan: Plan) -> Iterator[Value]:
    secret = secret_fields(type(plan.options))
    for value in _values(plan.options, plan.section):
        is_set = bool(getattr(plan.options, value.key, None))
        shown = ("set" if is_set else "not set") if value.key in secret else value.shown
        yield Value(value.key, shown, value.origin)


def _values(model: BaseModel, tree: Tree, prefix: str = "") -> Iterator[Value]:
    for key in type(model).model_fields:
        value, node = getattr(model, key), tree.get(key)
        if isinstance(value, BaseModel):
            inner = node if isinstance(node, dict) else {}
            yield from _values(value, inner, f"{prefix}{key}.")
            continue
        origin = origin_at(tree, [key])
        if origin is None and isinstance(node, dict):
            origin = ", ".join(sorted({s.origin for _, s in leaves(node)}))
        yield Value(f"{prefix}{key}", _shown(value), origin or DEFAULT)


def _shown(value: object) -> str:
    if isinstance(value, (set, frozenset)):  # whose order no two processes share
        value = sorted(value, key=str)
    if isinstance(value, FunctionType):
        return f"{value.__module__}:{value.__qualname__}"
    return str(value)
