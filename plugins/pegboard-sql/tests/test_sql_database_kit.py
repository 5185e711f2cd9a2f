from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = Path(__file__).with_name("broken_databases.py")
DATABASES = {one.__name__: one for one in runpy.run_path(str(MODULE))["DATABASES"]}
BROKEN = {name: one.caught_by for name, one in DATABASES.items() if one.caught_by}


@pytest.fixture(scope="module")
def failures():
    """
    Return what fails, as "database::test".

    A sound database is run through all tests, a broken one through those which have to
    notice.
    """
    tests = [f"{name}::{test}" for name, caught in BROKEN.items() for test in caught]
    selected = [f"{MODULE}::Test{test}" for test in ("Sound", *tests)]
    command = [sys.executable, "-m", "pytest", *selected, "-q", "-rf", "--tb=no"]
    command += ["-W", "ignore", "-p", "no:cacheprovider"]
    run = subprocess.run(
        command, cwd=MODULE.parents[3], capture_output=True, text=True, check=False
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    return set(re.findall(r"^FAILED \S+?::Test(\w+::\w+)", run.stdout, re.MULTILINE))


def test_a_sound_database_passes(failures):
    """The kit finds nothing wrong with a database that keeps every promise."""
    assert {test for test in failures if test.startswith("Sound::")} == set()


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_database_is_rejected(name, failures):
    """Each of the tests that stand for the broken promise fails."""
    assert {f"{name}::{test}" for test in BROKEN[name]} <= failures
