"""Secrets as references: to a variable, to a file, to a secret store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .tree import Setting, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .environment import Environment

    Fetched = Mapping[str, "str | UnresolvedError"]


class UnresolvedError(Exception):
    """A reference leads to nothing; says why, never what was there."""


def secret_store_references(tree: Tree) -> set[str]:
    """Return the ``secret:`` references anywhere in *tree*."""
    found = set()
    for node in tree.values():
        if isinstance(node, dict):
            found |= secret_store_references(node)
        elif isinstance(node.value, str) and node.value.startswith("secret:"):
            found.add(node.value)
    return found


def resolve(value: Any, environment: Environment, fetched: Fetched) -> Any:
    """
    Return what *value* refers to, or itself if it is a literal; a list item by item.

    Raises:
        UnresolvedError: A reference leads to nothing.

    """
    if isinstance(value, list):
        return [resolve(item, environment, fetched) for item in value]
    if not isinstance(value, str):
        return value
    scheme, colon, target = value.partition(":")
    find: Mapping[str, Callable[[], str]] = {
        "env": lambda: _variable(target, environment),
        "file": lambda: _file(target),
        "secret": lambda: _fetched(value, fetched),
    }
    return find[scheme]() if colon and scheme in find else value


def field_of(secret: str, field: str) -> str:
    """
    Return *field* of a *secret* that is a JSON object; all of it for no field.

    Raises:
        UnresolvedError: There is no such field.

    """
    if not field:
        return secret
    try:
        value = json.loads(secret)[field]
    except (ValueError, KeyError, TypeError):
        msg = f"the secret is not a JSON object with a field {field!r}"
        raise UnresolvedError(msg) from None
    return str(value)


def parts_of(reference: str) -> tuple[str, str, str]:
    """
    Return instance, name and field of a ``secret:`` *reference*.

    Raises:
        UnresolvedError: It is not spelled ``secret:INSTANCE/NAME#field``.

    """
    instance, slash, rest = reference.removeprefix("secret:").partition("/")
    name, _, field = rest.partition("#")
    if not (instance and slash and name):
        msg = f"{reference!r} is not spelled secret:INSTANCE/NAME or with #field"
        raise UnresolvedError(msg)
    return instance, name, field


def _variable(name: str, environment: Environment) -> str:
    found = environment.find(name)
    if isinstance(found, Setting):
        return str(found.value)
    msg = f"the variable {name!r} is not set, neither in the environment nor in .env"
    raise UnresolvedError(msg)


def _file(path: str) -> str:
    try:
        return Path(path).expanduser().read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        msg = f"the file {path!r} cannot be read: {reason}"
        raise UnresolvedError(msg) from None


def _fetched(reference: str, fetched: Fetched) -> str:
    if found := fetched.get(reference):
        if isinstance(found, UnresolvedError):
            raise found
        return found
    parts_of(reference)
    msg = (
        f"{reference!r} is fetched when the board is opened: use "
        "'async with Pegboard() as board'"
    )
    raise UnresolvedError(msg)
