from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = Path(__file__).with_name("broken_secret_stores.py")
VAULTS = {vault.__name__: vault for vault in runpy.run_path(str(MODULE))["VAULTS"]}
SOUND = VAULTS.pop("Sound")
BROKEN = {
    name: vault.caught_by
    for name, vault in VAULTS.items()
    if vault.caught_by is not SOUND.caught_by
}


@pytest.fixture(scope="module")
def failures():
    """
    Return what fails, as "vault::test".

    A sound vault is run through all tests, a broken one through those which have
    to notice.
    """
    tests = [f"{vault}::{test}" for vault, caught in BROKEN.items() for test in caught]
    selected = [f"{MODULE}::Test{test}" for test in ("Sound", *tests)]
    command = [sys.executable, "-m", "pytest", *selected, "-q", "-rf", "--tb=no"]
    run = subprocess.run(
        command, cwd=MODULE.parents[2], capture_output=True, text=True, check=False
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    return set(re.findall(r"^FAILED \S+?::Test(\w+::\w+)", run.stdout, re.MULTILINE))


def test_a_sound_vault_passes(failures):
    """The kit finds nothing wrong with a vault that keeps every promise."""
    found = {test for test in failures if test.startswith("Sound::")}

    assert found == {f"Sound::{test}" for test in SOUND.caught_by}


@pytest.mark.parametrize("vault", BROKEN)
def test_a_broken_vault_is_rejected(vault, failures):
    """Each of the tests that stand for the broken promise fails."""
    assert {f"{vault}::{test}" for test in BROKEN[vault]} <= failures
