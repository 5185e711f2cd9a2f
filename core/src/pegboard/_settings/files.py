"""The settings files of a project."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pegboard.errors import Problem, SettingsError

from .tree import Tree, grow, layered

FILE = "pegboard.toml"


def project_folder(start: Path) -> Path:
    """Return the nearest folder, from *start* upwards, that has settings."""
    for folder in (start, *start.parents):
        if (folder / FILE).is_file() or _has_tool_table(folder / "pyproject.toml"):
            return folder
    return start


def file_tree(folder: Path, profile: str | None) -> Tree:
    """
    Return what the files in *folder* say, the *profile*'s over the others.

    Raises:
        SettingsError: A file is not TOML, or there is none for the profile.

    """
    tree = _base(folder)
    if profile is None:
        return tree
    overlay = folder / f"pegboard.{profile}.toml"
    if not overlay.is_file():
        raise SettingsError(Problem("profile", _no_profile(folder, profile)))
    return layered(tree, grow(_parse(overlay), overlay.name))


def _base(folder: Path) -> Tree:
    own, shared = folder / FILE, folder / "pyproject.toml"
    if own.is_file():
        return grow(_parse(own), own.name)
    if _has_tool_table(shared):
        return grow(_parse(shared)["tool"]["pegboard"], f"{shared.name} tool.pegboard")
    return {}


def _has_tool_table(file: Path) -> bool:
    return (
        file.is_file()
        and b"[tool.pegboard" in file.read_bytes()
        and "pegboard" in _parse(file).get("tool", {})
    )


def _parse(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"is not valid TOML: {error}. Nothing of it was read."
        raise SettingsError(Problem(str(file), message)) from error


def _no_profile(folder: Path, profile: str) -> str:
    names = sorted(
        file.name.removeprefix("pegboard.").removesuffix(".toml")
        for file in folder.glob("pegboard.*.toml")
    )
    return (
        f"there is no pegboard.{profile}.toml in {folder}. "
        f"Profiles there: {', '.join(names) or 'none'}."
    )
