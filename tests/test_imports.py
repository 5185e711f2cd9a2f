"""Imports go one way, and importing pegboard brings nothing that is not needed."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from importlib import import_module
from importlib.util import resolve_name
from pathlib import Path

import pegboard
import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = Path(pegboard.__file__).parent
# A module imports from its own row or from rows above. A new one needs a place here.
LINE = (
    {"deadline", "errors", "event_loops", "options", "policy"},
    {"_docstring", "_gather", "_log", "_single_flight", "_suggest", "_waiting"},
    {"signatures"},
    {"contracts"},
    {"webhook_app", "webhooks"},
    {"descriptors", "draft", "http", "observers", "prices", "schema"},
    {"_adapted", "_content", "_replaceable", "hooks", "stats", "tools"},
    {"secret_cache"},
    {"_file_lock"},
    {"_stores"},
    {"_queues"},
    {"_plugins", "_policy", "_settings", "health"},
    {"_observers", "_plan", "_tracing"},
    {"_composition", "_explain", "_factory", "_selection"},
    {"_models"},
    {"_checkup", "_instances", "_observing", "_secrets"},
    {"_keys"},
    {"_operations"},
    {"_board"},
    {"_copying"},
    {"copying"},
    {"sync"},
    {"cli"},
    {"__main__"},
)
OUTSIDE = {"builtin", "testing"}
VENDORS = (
    *("anthropic", "azure", "bedrock", "boto", "deepseek", "gemini", "groq", "notion"),
    *("ollama", "openai", "postgres", "redis", "slack", "vllm", "xllamacpp"),
)
MAY_NAME_VENDORS = re.compile(r"_plugins/first_party\.py|testing/\w+_wire\.py")
SDKS = {"anthropic", "httpx", "httpx2", "openai", "redis", "xllamacpp"}
SLOW = {
    *("asyncio", "click", "importlib.metadata", "inspect", "json", "logging", "loguru"),
    *("opentelemetry", "pluggy", "pydantic", "rich", "ssl", "tenacity"),
}

FILES = sorted(PACKAGE.rglob("*.py"))
parametrize_files = pytest.mark.parametrize(
    "file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix()
)


def place_of(file):
    """Return the module of the first level that *file* belongs to."""
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_by(file):
    """Yield what *file* imports anywhere, as absolute dotted names."""
    package = ".".join(["pegboard", *file.relative_to(PACKAGE).parent.parts])
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{source}.{alias.name}" for alias in node.names)


def first_parts(file):
    """Return the modules of the first level that *file* imports, its own aside."""
    names = [name.split(".") for name in imported_by(file)]
    ours = {name[1] for name in names if name[0] == "pegboard" and len(name) > 1}
    return {name for name in ours - {place_of(file)} if is_module(name)}


def is_module(name):
    """Return whether *name* is a module of pegboard, not one of its public names."""
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists()


def row_of(name):
    """Return how far down the line a module is."""
    return next((n for n, row in enumerate(LINE) if name in row), None)


def loaded_by(code):
    """Return the modules that *code* adds to those of a new process."""
    program = f"import sys; a = set(sys.modules)\n{code}\nb = set(sys.modules) - a"
    printed = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport json; print(json.dumps([*b]))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return set(json.loads(printed))


def test_every_module_has_its_place_on_the_line():
    """A file that fits nowhere is a question to ask before it goes in."""
    assert {place_of(file) for file in FILES} - OUTSIDE - {"__init__"} == {
        name for row in LINE for name in row
    }


def test_architecture_draws_the_same_line():
    """The page for readers names the stages in the order of the rows."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    stages = re.split(r" ← |, ", re.search(r"^errors ← .*$", page, re.MULTILINE)[0])
    rows = [
        row_of(name if row_of(f"_{name}") is None else f"_{name}") for name in stages
    ]

    assert rows == sorted(rows)


@parametrize_files
def test_imports_go_one_way(file):
    """No module imports what is made of it."""
    place = place_of(file)
    if place in OUTSIDE | {"__init__"}:
        assert not first_parts(file) & {"cli", "__main__"}
    else:
        assert {n for n in first_parts(file) if row_of(n) is None} == set()
        assert {n for n in first_parts(file) if row_of(n) > row_of(place)} == set()


def test_rows_hold_no_circles():
    """Within a row, too, nothing is made of what it is made of."""
    for row in LINE:
        for name in row:
            files = [file for file in FILES if place_of(file) == name]
            assert {part for file in files for part in first_parts(file)} & row == set()


@parametrize_files
def test_built_ins_and_kits_use_what_is_public(file):
    """They stand where a third party stands: no machinery for them either."""
    if place_of(file) in OUTSIDE:
        assert not {name for name in first_parts(file) if name.startswith("_")}


@parametrize_files
def test_core_knows_no_vendor(file):
    """What differs between vendors is in plugins; text for readers may name them."""
    if MAY_NAME_VENDORS.fullmatch(file.relative_to(PACKAGE).as_posix()):
        return
    words = {word.lower() for word in words_of(ast.parse(file.read_text()))}

    assert not {v for v in VENDORS if any(v in word for word in words)}


def words_of(tree):
    """Yield the identifiers and the strings of *tree*, docstrings aside."""
    documentation = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)
    }
    for node in ast.walk(tree):
        if id(node) in documentation:
            continue
        for field in ("id", "name", "attr", "arg", "module", "value"):
            word = getattr(node, field, None)
            if isinstance(word, str):
                yield word


def test_importing_pegboard_brings_nothing_slow():
    """A program pays for what it uses, when it uses it."""
    assert loaded_by("import pegboard") & (SLOW | SDKS) == set()


def test_importing_pegboard_brings_nothing_of_ours_but_itself():
    """Every name is fetched when it is asked for."""
    loaded = loaded_by("import pegboard")

    assert {name for name in loaded if name.startswith("pegboard")} == {"pegboard"}


@pytest.mark.parametrize(
    "use",
    [
        "board.llm()",
        "board.storage('notes', KeyValue)",
        "board.storage('file', KeyValue)",
        "board.plugins()",
        "board.check()",
    ],
)
def test_no_sdk_is_imported_unless_it_is_used(use, tmp_path):
    """The plugins are installed here, and their SDKs too; nobody asks for them."""
    settings = {
        "data_folder": str(tmp_path),
        "llm": {"default": {"provider": "fake"}},
        "storage": {
            "notes": {"provider": "memory"},
            "file": {"provider": "sqlite"},
        },
    }
    loaded = loaded_by(
        "from pegboard import KeyValue, Pegboard\n"
        f"board = Pegboard.isolated({settings!r})\n{use}"
    )
    unneeded = {"click", "rich", "tenacity", "pegboard.testing", "pegboard.sync"}

    assert "pegboard._board" in loaded
    assert loaded & (SDKS | unneeded) == set()


def test_public_names_are_the_same_for_people_and_for_type_checkers():
    """What is fetched late is what is declared, from the same place."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    declared = {
        alias.asname: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert declared == pegboard._HOME
    assert set(pegboard.__all__) == {*declared, "__version__"}


@pytest.mark.parametrize("name", pegboard.__all__)
def test_public_name_is_there(name):
    """Each name can be imported, and is the thing that its home has."""
    found = getattr(pegboard, name)

    assert name in dir(pegboard)
    if name != "__version__":
        assert found is getattr(import_module(f"pegboard.{pegboard._HOME[name]}"), name)


def test_unknown_name_is_an_error():
    """A slip is told like in any module."""
    with pytest.raises(AttributeError, match="no attribute 'Pegbord'"):
        _ = pegboard.Pegbord
