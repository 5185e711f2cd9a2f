from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = Path(__file__).with_name("broken_notions.py")
WORKSPACES = {
    workspace.__name__: workspace
    for workspace in runpy.run_path(str(MODULE))["WORKSPACES"]
}
SOUND = WORKSPACES.pop("Sound")
BROKEN = {
    name: workspace.caught_by
    for name, workspace in WORKSPACES.items()
    if workspace.caught_by is not SOUND.caught_by
}


@pytest.fixture(scope="module")
def failures():
    """
    Return what fails, as "workspace::test".

    A sound workspace is run through all tests, a broken one through those which have
    to notice.
    """
    tests = [
        f"{workspace}::{test}"
        for workspace, caught in BROKEN.items()
        for test in caught
    ]
    selected = [f"{MODULE}::Test{test}" for test in ("Sound", *tests)]
    command = [sys.executable, "-m", "pytest", *selected, "-q", "-rf", "--tb=no"]
    run = subprocess.run(
        command, cwd=MODULE.parents[3], capture_output=True, text=True, check=False
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    return set(re.findall(r"^FAILED \S+?::Test(\w+::\w+)", run.stdout, re.MULTILINE))


def test_a_sound_workspace_passes(failures):
    """The kit finds nothing wrong with a workspace that keeps every promise."""
    found = {test for test in failures if test.startswith("Sound::")}

    assert found == {f"Sound::{test}" for test in SOUND.caught_by}


@pytest.mark.parametrize("workspace", BROKEN)
def test_a_broken_workspace_is_rejected(workspace, failures):
    """Each of the tests that stand for the broken promise fails."""
    assert {f"{workspace}::{test}" for test in BROKEN[workspace]} <= failures
