"""A plugin by somebody else, installed beside pegboard and nothing else of ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from sysconfig import get_path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "third_party_plugin"
UV = Path(get_path("scripts")) / "uv"
SETTINGS = """
[llm.default]
provider = "eliza"
doctor = "Dr. Weizenbaum"

[storage.notes]
provider = "journal"
"""
PROGRAM = """
import asyncio
from pegboard import KeyValue, Pegboard


async def main():
    async with Pegboard() as board:
        reply = await board.llm().complete("Hello!")
        await board.storage("notes", KeyValue).set("last", reply.text)
    async with Pegboard() as board:
        print(await board.storage("notes", KeyValue).get("last"))


asyncio.run(main())
"""


def run(*command, folder, **variables):
    """Return what *command* prints, run in *folder* with an environment of its own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PEG", "PY"))}
    result = subprocess.run(
        [*map(str, command)],
        cwd=folder,
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="session")
def wheels(tmp_path_factory):
    """Build the wheels of pegboard and of the example."""
    folder = tmp_path_factory.mktemp("wheels")
    for source in (ROOT / "core", EXAMPLE):
        build = (UV, "build", "--wheel", "--no-build-isolation", "--offline")
        run(*build, "--python", sys.executable, "-o", folder, source, folder=folder)
    return sorted(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def installed(wheels, tmp_path_factory):
    """Return the programs of an environment that has the two wheels."""
    place = tmp_path_factory.mktemp("installed")
    # What pegboard depends on, in the versions of the lock: uv has them already.
    run(
        *(UV, "sync", "--project", ROOT, "--frozen", "--no-install-workspace"),
        *("--package", "pegboard", "--extra", "testing", "--no-dev"),
        *("--python", sys.executable),
        folder=place,
        UV_PROJECT_ENVIRONMENT=str(place),
    )
    install = (UV, "pip", "install", "--offline", "--no-deps", "--python", place)
    run(*install, *wheels, folder=place)
    return place / Path(get_path("scripts")).name


def test_wheel_has_every_source_file(wheels):
    """Nothing that is in the repository is missing from what users install."""
    acme, core = map(zipfile.ZipFile, wheels)

    for wheel, source in ((acme, EXAMPLE / "src"), (core, ROOT / "core" / "src")):
        files = {
            file.relative_to(source).as_posix()
            for pattern in ("*.py", "py.typed")
            for file in source.rglob(pattern)
        }
        assert files <= set(wheel.namelist())


def test_it_is_listed(installed, tmp_path):
    """``pegboard plugins`` shows the package with what it offers."""
    rows = json.loads(run(installed / "pegboard", "plugins", "--json", folder=tmp_path))

    acme, core = rows
    assert (acme["distribution"], acme["status"]) == ("acme-pegs", "ok")
    assert acme["offers"] == {"llm": ["eliza"], "storage": ["journal", "neighbours"]}
    assert core["distribution"] == "pegboard"


def test_settings_are_all_it_takes(installed, tmp_path):
    """A program that knows no provider talks to the doctor and keeps a journal."""
    (tmp_path / "pegboard.toml").write_text(SETTINGS)
    printed = run(installed / "python", "-c", PROGRAM, folder=tmp_path)

    assert printed == "How do you do. I am Dr. Weizenbaum. What troubles you?\n"


def test_slip_in_its_options_is_told(installed, tmp_path):
    """Its options are checked like those of any provider."""
    (tmp_path / "pegboard.toml").write_text(SETTINGS.replace("doctor", "docter"))
    code = (
        "from pegboard import Pegboard\nprint(*Pegboard(folder='.').check(), sep='\\n')"
    )
    printed = run(installed / "python", "-c", code, folder=tmp_path)

    assert "llm.default.docter" in printed
    assert "Did you mean 'doctor'?" in printed


def test_its_own_tests_pass_there(installed, tmp_path):
    """The kits that pegboard ships prove it, without anything from this repository."""
    folder = tmp_path / "acme"
    shutil.copytree(EXAMPLE / "tests", folder / "tests")
    shutil.copy(EXAMPLE / "pyproject.toml", folder)
    printed = run(installed / "python", "-m", "pytest", "-q", folder=folder)

    assert " passed" in printed
    assert not {"failed", "skipped", "xfailed"} & set(printed.split())
