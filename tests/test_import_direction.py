"""Imports go one way, as docs/architecture.md draws it."""

import ast
import re
from pathlib import Path

import pegboard
import pytest

ROOT = Path(__file__).parents[1]
SOURCE = Path(pegboard.__file__).parent
STAGES = {
    "errors": ["errors"],
    "contracts": ["contracts"],
    "policy": ["policy", "_policy", "deadline", "observers"],
    "settings": ["_settings", "options"],
    "plugins": ["_plugins", "descriptors", "hooks"],
    "factory": ["_plan", "_factory"],
    "board": ["_board", "_explain", "_llm"],
    "sync": ["sync"],
    "cli": ["cli"],
}
"""The modules of each stage. Those that stand in none may be imported by all."""
STAGE_OF = {module: stage for stage, names in STAGES.items() for module in names}


def line():
    """Return the stages in the order that the page draws."""
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    return re.split(r" ← |, ", re.search(r"^errors ← .*$", page, re.MULTILINE)[0])


def imported(file):
    """Yield the modules of pegboard that *file* imports."""
    package = ["pegboard", *file.relative_to(SOURCE).parent.parts]
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            path = [*base, *(node.module or "").split(".")]
            names = [alias.name for alias in node.names]
            if path[0] == "pegboard":
                inner = [part for part in path[1:] if part]
                yield from inner[:1] or names


def test_every_stage_is_drawn():
    """The page and this test know the same stages."""
    assert line() == list(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_stage_imports_only_what_is_left_of_it(stage):
    """No module knows of those that use it."""
    allowed = {*line()[: line().index(stage) + 1], None}
    files = [
        file
        for module in STAGES[stage]
        for file in [SOURCE / f"{module}.py", *SOURCE.glob(f"{module}/**/*.py")]
        if file.exists()
    ]

    assert files
    for file in files:
        for module in imported(file):
            assert STAGE_OF.get(module) in allowed, f"{file} imports {module}"
