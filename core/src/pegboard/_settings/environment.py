"""Variables: those of the process, and below them those of a ``.env`` file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pegboard._suggest import suggest
from pegboard.errors import Problem, SettingsError

from .tree import Setting, Tree, overlaid, plant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

PREFIX = "PEGBOARD_"
NOT_SETTINGS = frozenset({"PEGBOARD_PROFILE", "PEGBOARD_FOLDER"})
"""These say where the settings are, so they are not among them."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Variables by name. The process's own win; the file never changes them."""

    process: Mapping[str, str] = field(default_factory=dict)
    dotenv: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, process: Mapping[str, str], file: Path) -> Environment:
        """Return the variables of *process* and, below them, those of *file*."""
        return cls(process, _dotenv(file) if file.is_file() else {})

    def find(self, *names: str) -> Setting | None:
        """Return the first of *names* that is set and not empty."""
        for name in names:
            if value := self.process.get(name):
                return Setting(value, f"environment {name}")
            if value := self.dotenv.get(name):
                return Setting(value, f".env {name}")
        return None

    def tree(self, below: Tree, top: Iterable[str]) -> Tree:
        """
        Return the settings that the ``PEGBOARD_`` variables spell.

        ``PEGBOARD_LLM__MY_BOT__MODEL`` is ``llm.my-bot.model`` if *below* knows the
        instance by that name, else ``llm.my_bot.model``.

        Raises:
            SettingsError: A variable begins with none of the *top* keys.

        """
        known = frozenset(top)
        lower = _spelled(self.dotenv, ".env", below, known)
        upper = _spelled(self.process, "environment", below, known)
        return overlaid(lower, upper)


def _dotenv(file: Path) -> dict[str, str]:
    from dotenv import dotenv_values  # noqa: PLC0415 - only where there is a .env

    return {name: value or "" for name, value in dotenv_values(file).items()}


def _spelled(
    variables: Mapping[str, str], place: str, below: Tree, top: frozenset[str]
) -> Tree:
    tree: Tree = {}
    problems = []
    for name, text in sorted(variables.items()):
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        path = name.removeprefix(PREFIX).lower().split("__")
        if path[0] not in top:
            problems.append(Problem(name, _unknown(path[0], top), place))
        else:
            setting = Setting(_value(text), f"{place} {name}")
            plant(tree, _as_spelled_below(path, below), setting)
    if problems:
        raise SettingsError(*problems)
    return tree


def _unknown(key: str, top: frozenset[str]) -> str:
    return f"there is no setting {key!r}. {suggest(key, top)}"


def _value(text: str) -> Any:
    """Return *text*, or what it says if it is a JSON list or object."""
    if text.startswith(("[", "{")):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _as_spelled_below(path: list[str], below: Tree) -> list[str]:
    """Return *path* with the hyphens that variables cannot have."""
    spelled = []
    node: Setting | Tree | None = below
    for key in path:
        names = node if isinstance(node, dict) else {}
        same = (name for name in names if name.replace("-", "_").lower() == key)
        spelled.append(next(same, key))
        node = names.get(spelled[-1])
    return spelled
