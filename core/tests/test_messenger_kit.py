from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = Path(__file__).with_name("broken_messengers.py")
MESSENGERS = {
    messenger.__name__: messenger
    for messenger in runpy.run_path(str(MODULE))["MESSENGERS"]
}
SOUND = MESSENGERS.pop("Sound")
BROKEN = {
    name: messenger.caught_by
    for name, messenger in MESSENGERS.items()
    if messenger.caught_by is not SOUND.caught_by
}


@pytest.fixture(scope="module")
def failures():
    """
    Return what fails, as "messenger::test".

    A sound messenger is run through all tests, a broken one through those which have
    to notice.
    """
    tests = [
        f"{messenger}::{test}"
        for messenger, caught in BROKEN.items()
        for test in caught
    ]
    selected = [f"{MODULE}::Test{test}" for test in ("Sound", *tests)]
    command = [sys.executable, "-m", "pytest", *selected, "-q", "-rf", "--tb=no"]
    run = subprocess.run(
        command, cwd=MODULE.parents[2], capture_output=True, text=True, check=False
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    return set(re.findall(r"^FAILED \S+?::Test(\w+::\w+)", run.stdout, re.MULTILINE))


def test_a_sound_messenger_passes(failures):
    """The kit finds nothing wrong with a messenger that keeps every promise."""
    found = {test for test in failures if test.startswith("Sound::")}

    assert found == {f"Sound::{test}" for test in SOUND.caught_by}


@pytest.mark.parametrize("messenger", BROKEN)
def test_a_broken_messenger_is_rejected(messenger, failures):
    """Each of the tests that stand for the broken promise fails."""
    assert {f"{messenger}::{test}" for test in BROKEN[messenger]} <= failures
