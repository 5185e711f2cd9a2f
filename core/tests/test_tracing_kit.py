from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = Path(__file__).with_name("broken_tracings.py")
DESTINATIONS = {
    destination.__name__: destination
    for destination in runpy.run_path(str(MODULE))["DESTINATIONS"]
}
SOUND = DESTINATIONS.pop("Sound")
BROKEN = {
    name: destination.caught_by
    for name, destination in DESTINATIONS.items()
    if destination.caught_by is not SOUND.caught_by
}


@pytest.fixture(scope="module")
def failures():
    """
    Return what fails, as "destination::test".

    A sound destination is run through all tests, a broken one through those which have
    to notice.
    """
    tests = [
        f"{destination}::{test}"
        for destination, caught in BROKEN.items()
        for test in caught
    ]
    selected = [f"{MODULE}::Test{test}" for test in ("Sound", *tests)]
    command = [sys.executable, "-m", "pytest", *selected, "-q", "-rf", "--tb=no"]
    run = subprocess.run(
        command, cwd=MODULE.parents[2], capture_output=True, text=True, check=False
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    return set(re.findall(r"^FAILED \S+?::Test(\w+::\w+)", run.stdout, re.MULTILINE))


def test_a_sound_destination_passes(failures):
    """The kit finds nothing wrong with a destination that keeps every promise."""
    found = {test for test in failures if test.startswith("Sound::")}

    assert found == {f"Sound::{test}" for test in SOUND.caught_by}


@pytest.mark.parametrize("destination", BROKEN)
def test_a_broken_destination_is_rejected(destination, failures):
    """Each of the tests that stand for the broken promise fails."""
    assert {f"{destination}::{test}" for test in BROKEN[destination]} <= failures
