"""The kit of faults finds each mistake, and none where there is none."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = Path(__file__).parent / "broken_services.py"
BROKEN = dict(
    re.findall(
        r'^class (\w+)\(Sound\):\n(?: {4}""".*\n\n)? {4}caught_by = "(\w+)"',
        MODULE.read_text(),
        re.MULTILINE,
    )
)


@pytest.fixture(scope="module")
def failures():
    """Return what fails of a sound model, and of each broken one's own test."""
    tests = [f"{model}::{test}" for model, test in BROKEN.items()]
    selected = [f"{MODULE}::Test{test}" for test in ("Sound", *tests)]
    command = [sys.executable, "-m", "pytest", *selected, "-q", "-rfE", "--tb=short"]
    run = subprocess.run(
        command, cwd=MODULE.parents[2], capture_output=True, text=True, check=False
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    return set(
        re.findall(r"^(?:FAILED|ERROR) \S+?::Test([^\s\[]+)", run.stdout, re.MULTILINE)
    )


def test_a_sound_model_passes(failures):
    """The kit finds nothing wrong with a model that keeps every promise."""
    assert not [test for test in failures if test.startswith("Sound::")]


@pytest.mark.parametrize("model", BROKEN)
def test_a_broken_model_is_rejected(model, failures):
    """The test that stands for the broken promise fails."""
    assert f"{model}::{BROKEN[model]}" in failures


def test_every_broken_model_is_looked_at():
    """None is left out of the table above."""
    assert len(BROKEN) == MODULE.read_text().count("(Sound):")
