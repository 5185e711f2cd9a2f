"""All plugins for models, with current SDKs, in the one environment that this is."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import distribution, version

import pytest
from packaging.requirements import Requirement

from .docs_runner import ROOT

SDKS = {
    "pegboard-anthropic": ("anthropic", 2),
    "pegboard-claude-code": ("claude-agent-sdk", 0),
    "pegboard-google": ("google-genai", 3),
    "pegboard-local": ("xllamacpp", 2026),
    "pegboard-ollama": ("ollama", 0),
    "pegboard-openai": ("openai", 3),
}
"""What each package brings, and the major version that is current."""
TOGETHER = """
import anthropic, claude_agent_sdk, google.genai, ollama, openai, xllamacpp
from pegboard import Pegboard

with_key = {"api_key": "k", "model": "m"}
llm = {
    "a": {"provider": "anthropic", **with_key},
    "b": {"provider": "claude-code", **with_key},
    "c": {"provider": "gemini", **with_key},
    "d": {"provider": "local"},
    "e": {"provider": "ollama", "model": "m"},
    "f": {"provider": "openai", **with_key},
    "g": {"provider": "azure", "endpoint": "https://host", **with_key},
}
board = Pegboard.isolated({"llm": llm})
assert not board.check(), board.check()
print(*(board.llm(name).address for name in llm))
"""


def needs(name, extras=frozenset()):
    """Return what *name* requires here, and what that requires in turn."""
    found, waiting = {}, [(name, extras)]
    while waiting:
        current, wanted = waiting.pop()
        for text in distribution(current).requires or ():
            one = Requirement(text)
            here = one.marker is None or any(
                one.marker.evaluate({"extra": extra}) for extra in ("", *wanted)
            )
            if here and str(one) not in found:
                found[str(one)] = one
                waiting.append((one.name, one.extras))
    return found.values()


@pytest.mark.parametrize("package", SDKS)
def test_requirements_are_met_together(package):
    """No package gets its way at the cost of another."""
    required = needs(package)

    assert len(required) > 5
    assert not [
        f"{package} needs {one}, here is {version(one.name)}"
        for one in required
        if not one.specifier.contains(version(one.name), prereleases=True)
    ]


@pytest.mark.parametrize("package", SDKS)
def test_sdk_is_current(package):
    """None is held back to a major version that others have left."""
    sdk, major = SDKS[package]
    project = tomllib.loads((ROOT / "plugins" / package / "pyproject.toml").read_text())
    ours = map(Requirement, project["project"]["dependencies"])
    (pinned,) = (one for one in ours if one.name == sdk)

    assert int(version(sdk).split(".")[0]) == major
    assert pinned.specifier.contains(version(sdk))


def test_all_sdks_work_in_one_process(tmp_path):
    """They are imported together, and one board makes a model of each."""
    result = subprocess.run(
        [sys.executable, "-c", TOGETHER],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert len(result.stdout.split()) == 7
