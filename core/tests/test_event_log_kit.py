from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = Path(__file__).with_name("broken_event_logs.py")
LOGS = {log.__name__: log for log in runpy.run_path(str(MODULE))["LOGS"]}
SOUND = LOGS.pop("Sound")
BROKEN = {
    name: log.caught_by
    for name, log in LOGS.items()
    if log.caught_by is not SOUND.caught_by
}


@pytest.fixture(scope="module")
def failures():
    """
    Return what fails, as "log::test".

    A sound log is run through all tests, a broken one through those which have to
    notice.
    """
    tests = [f"{log}::{test}" for log, caught in BROKEN.items() for test in caught]
    selected = [f"{MODULE}::Test{test}" for test in ("Sound", *tests)]
    command = [sys.executable, "-m", "pytest", *selected, "-q", "-rf", "--tb=no"]
    run = subprocess.run(
        command, cwd=MODULE.parents[2], capture_output=True, text=True, check=False
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    return set(re.findall(r"^FAILED \S+?::Test(\w+::\w+)", run.stdout, re.MULTILINE))


def test_a_sound_log_passes(failures):
    """The kit finds nothing wrong with a log that keeps every promise it makes."""
    found = {test for test in failures if test.startswith("Sound::")}

    assert found == {f"Sound::{test}" for test in SOUND.caught_by}


@pytest.mark.parametrize("log", BROKEN)
def test_a_broken_log_is_rejected(log, failures):
    """Each of the tests that stand for the broken promise fails."""
    assert {f"{log}::{test}" for test in BROKEN[log]} <= failures
