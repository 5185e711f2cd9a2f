from __future__ import annotations

import ast
import inspect
import subprocess
import sys

import pytest
from pegboard import testing


@pytest.mark.parametrize("name", testing.__all__)
def test_every_name_leads_to_something(name: str) -> None:
    """What is on the list can be imported."""
    assert getattr(testing, name).__name__ == name


def test_type_checkers_see_the_same_names() -> None:
    """The imports for type checkers and the list agree."""
    tree = ast.parse(inspect.getsource(testing))
    imported = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }

    assert imported == set(testing.__all__) == set(dir(testing))


def test_an_unknown_name_is_an_error() -> None:
    """A misspelt name fails as in any module."""
    with pytest.raises(AttributeError, match="no attribute 'FaultServr'"):
        _ = testing.FaultServr


def test_only_the_kits_need_pytest() -> None:
    """Programs can use the clock and the failing server without it."""
    code = (
        "import sys, pegboard.testing as t\n"
        "t.ManualClock, t.run_virtual, t.FaultServer, t.no_leaks\n"
        "t.cancel_at_every_await, t.StandardTests\n"
        "print({'pytest', '_pytest', 'hypothesis'} & sys.modules.keys())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert run.stdout == "set()\n"
