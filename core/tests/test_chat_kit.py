from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MODULE = HERE / "broken_chats.py"
EXPECTED = dict(
    re.findall(
        r'^class (\w+)\(Sound\):.*?caught_by = "(\w+)"',
        MODULE.read_text(),
        re.MULTILINE | re.DOTALL,
    )
)

Failures = Mapping[str, set[str]]


@pytest.fixture(scope="module")
def failures() -> Failures:
    """Return the tests that failed, by model: all kits are run once."""
    command = [sys.executable, "-m", "pytest", str(MODULE), "-q", "-rfE", "--tb=no"]
    run = subprocess.run(
        command, cwd=HERE.parents[1], capture_output=True, text=True, check=False
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    found = defaultdict(set)
    for model, test in re.findall(
        r"^(?:FAILED|ERROR) \S+::Test(\w+)::(\w+)", run.stdout, re.MULTILINE
    ):
        found[model].add(test)
    return found


def test_a_sound_model_passes(failures: Failures) -> None:
    """The kits find nothing wrong with a model that keeps every promise."""
    assert failures.get("Sound") is None


@pytest.mark.parametrize("model", EXPECTED)
def test_a_broken_model_is_rejected(model: str, failures: Failures) -> None:
    """The test that stands for the broken promise fails."""
    assert EXPECTED[model] in failures[model]


def test_every_promise_has_its_test(failures: Failures) -> None:
    """No model is broken in a way that nothing notices."""
    assert failures.keys() == EXPECTED.keys()
