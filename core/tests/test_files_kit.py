from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = Path(__file__).with_name("broken_files.py")
STORES = {store.__name__: store for store in runpy.run_path(str(MODULE))["STORES"]}
SOUND = STORES.pop("Sound")
BROKEN = {
    name: store.caught_by
    for name, store in STORES.items()
    if store.caught_by is not SOUND.caught_by
}


@pytest.fixture(scope="module")
def failures():
    """
    Return what fails, as "store::test".

    A sound store is run through all tests, a broken one through those which have to
    notice.
    """
    tests = [f"{store}::{test}" for store, caught in BROKEN.items() for test in caught]
    selected = [f"{MODULE}::Test{test}" for test in ("Sound", *tests)]
    command = [sys.executable, "-m", "pytest", *selected, "-q", "-rf", "--tb=no"]
    run = subprocess.run(
        command, cwd=MODULE.parents[2], capture_output=True, text=True, check=False
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    return set(re.findall(r"^FAILED \S+?::Test(\w+::\w+)", run.stdout, re.MULTILINE))


def test_a_sound_store_passes(failures):
    """The kit finds nothing wrong with a store that keeps every promise it makes."""
    found = {test for test in failures if test.startswith("Sound::")}

    assert found == {f"Sound::{test}" for test in SOUND.caught_by}


@pytest.mark.parametrize("store", BROKEN)
def test_a_broken_store_is_rejected(store, failures):
    """Each of the tests that stand for the broken promise fails."""
    assert {f"{store}::{test}" for test in BROKEN[store]} <= failures
