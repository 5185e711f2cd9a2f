"""Nested settings in which every value knows where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

DEFAULT = "default of "
"""How the origin of a provider's own values begins."""
FAMILIES = ("llm", "storage", "integrations")


class Setting(NamedTuple):
    """A value and its origin."""

    value: Any
    origin: str


Tree = dict[str, "Setting | Tree"]


def grow(values: Mapping[str, Any], origin: str) -> Tree:
    """Return *values* as a tree, all from *origin*."""
    return {
        str(key): grow(value, origin)
        if isinstance(value, Mapping)
        else Setting(value, origin)
        for key, value in values.items()
    }


def plant(tree: Tree, path: Sequence[str], setting: Setting) -> None:
    """Put *setting* at *path*; a table in its value becomes a branch."""
    *branches, leaf = path
    for name in branches:
        node = tree.setdefault(name, {})
        if isinstance(node, Setting):
            node = tree[name] = {}
        tree = node
    value, origin = setting
    tree[leaf] = grow(value, origin) if isinstance(value, Mapping) else setting


def layered(lower: Tree, upper: Tree) -> Tree:
    """
    Return *lower* overlaid with *upper*.

    Where *upper* names another provider for an instance, the options that *lower* has
    for it belong to the old provider, so the instance begins anew.
    """
    result = overlaid(lower, upper)
    for family in FAMILIES:
        below, above = lower.get(family), upper.get(family)
        if isinstance(below, dict) and isinstance(above, dict):
            result[family] = overlaid(
                {n: s for n, s in below.items() if not _switches(s, above.get(n))},
                above,
            )
    return result


def overlaid(lower: Tree, upper: Tree) -> Tree:
    """Return *lower* with what *upper* says put over it, branch by branch."""
    result = dict(lower)
    for key, above in upper.items():
        below = result.get(key)
        both = isinstance(below, dict) and isinstance(above, dict)
        result[key] = overlaid(below, above) if both else above  # type: ignore[arg-type]  # both are branches
    return result


def plain(tree: Tree) -> dict[str, Any]:
    """Return the values of *tree* without their origins."""
    return {
        key: plain(node) if isinstance(node, dict) else node.value
        for key, node in tree.items()
    }


def origin_at(tree: Tree, path: Sequence[str | int]) -> str | None:
    """Return where the value at *path*, or the nearest one around it, came from."""
    node: Setting | Tree | None = tree
    for key in path:
        if not isinstance(node, dict):
            break
        node = node.get(str(key))
    return node.origin if isinstance(node, Setting) else None


def is_default(node: Setting | Tree) -> bool:
    """Return whether *node* is a value that the provider brings."""
    return isinstance(node, Setting) and node.origin.startswith(DEFAULT)


def leaves(tree: Tree, prefix: str = "") -> list[tuple[str, Setting]]:
    """Return every value of *tree* by its dotted key."""
    found: list[tuple[str, Setting]] = []
    for key, node in tree.items():
        if isinstance(node, dict):
            found += leaves(node, f"{prefix}{key}.")
        else:
            found.append((f"{prefix}{key}", node))
    return found


def _switches(below: Setting | Tree, above: Setting | Tree | None) -> bool:
    if not isinstance(below, dict) or not isinstance(above, dict):
        return False
    old, new = below.get("provider"), above.get("provider")
    if not isinstance(old, Setting) or not isinstance(new, Setting):
        return False
    return bool(old.value != new.value)
