"""Every plugin has the same shape, so that who knows one finds the way in all."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from pkgutil import resolve_name

import pytest
from pegboard._plugins.discovery import EntryPoint
from pegboard._plugins.first_party import PACKAGES
from pegboard._plugins.loading import load

ROOT = Path(__file__).parents[1]
LOAD = """
import json, sys
from pegboard._plugins.discovery import EntryPoint
from pegboard._plugins.loading import load

plugin = load(EntryPoint("x", sys.argv[1], "x", "1"))
assert not plugin.broken, plugin.broken
print(json.dumps([*sys.modules]))
for provider in plugin.providers:
    provider.load_options()
print(json.dumps([*sys.modules]))
"""


class Package:
    """A plugin in the repository, as its files tell."""

    def __init__(self, folder):
        self.folder = folder
        self.name = folder.name
        self.short = self.name.removeprefix("pegboard-")
        self.module = self.name.replace("-", "_")
        self.source = folder / "src" / self.module
        self.pyproject = tomllib.loads((folder / "pyproject.toml").read_text())
        self.project = self.pyproject["project"]
        self.entry_points = self.project["entry-points"]["pegboard"]

    def read(self, name):
        """Return the text of a file."""
        return (self.folder / name).read_text()

    @property
    def providers(self):
        """What the plugin offers."""
        plugin = load(EntryPoint(self.short, f"{self.module}.plugin", self.name, ""))
        assert not plugin.broken, plugin.broken
        return plugin.providers

    @property
    def options(self):
        """The options of its providers, each class once."""
        return {provider.load_options() for provider in self.providers}

    @property
    def needed(self):
        """What it depends on, by itself or through another plugin."""
        names = {re.split(r"[^\w.-]", line)[0] for line in self.project["dependencies"]}
        others = [ROOT / "plugins" / name for name in names]
        return names.union(*(Package(one).needed for one in others if one.is_dir()))

    @property
    def sdk(self):
        """The modules that its own dependencies install."""
        foreign = self.needed - {"pegboard"}
        return {
            module
            for module, distributions in packages_distributions().items()
            if foreign & {*distributions}
        }


FOLDERS = sorted(ROOT.joinpath("plugins").glob("*/pyproject.toml"))


@pytest.fixture(params=FOLDERS, ids=lambda path: path.parent.name)
def package(request):
    """Return each plugin of the repository in turn."""
    return Package(request.param.parent)


def test_there_are_plugins():
    """A check of nothing would find nothing wrong."""
    assert len(FOLDERS) >= 2


@pytest.mark.parametrize(
    "file", ["__init__.py", "_errors.py", "options.py", "plugin.py", "py.typed"]
)
def test_package_has_the_usual_files(package, file):
    """What is offered, with which options, and which errors: in the same place."""
    assert (package.source / file).is_file()


def test_package_itself_imports_nothing(package):
    """It is imported with every plugin, so it is a docstring."""
    (docstring,) = ast.parse((package.source / "__init__.py").read_text()).body

    assert isinstance(docstring, ast.Expr)


def test_one_name_has_its_spellings(package):
    """Folder and distribution, package and entry points agree."""
    wheel = package.pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert package.project["name"] == package.name == f"pegboard-{package.short}"
    assert wheel["packages"] == [f"src/{package.module}"]
    assert set(package.entry_points.values()) == {f"{package.module}.plugin"}


def test_entry_points_are_what_is_offered(package):
    """Each name on offer is found by itself, and nothing leads nowhere."""
    assert {*package.entry_points} == {one.name for one in package.providers}
    for place in package.entry_points.values():
        assert resolve_name(place)


def test_its_names_belong_to_it(package):
    """Core knows what to install for each name, and gives it to nobody else."""
    assert dict.fromkeys(package.entry_points, package.name) == {
        name: owner for name, owner in PACKAGES.items() if owner == package.name
    }


def test_owners_are_packages_of_this_project():
    """The table of core names no package that does not exist."""
    assert set(PACKAGES.values()) == {path.parent.name for path in FOLDERS}


def test_workspace_installs_it(package):
    """Whoever sets up the repository can run its tests."""
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())

    installed = {line.split("[")[0] for line in workspace["project"]["dependencies"]}
    assert package.name in installed
    assert package.name in workspace["tool"]["uv"]["sources"]


def test_it_fits_this_pegboard(package):
    """It depends on the minor version of core that it was written with."""
    core = tomllib.loads((ROOT / "core" / "pyproject.toml").read_text())
    major, minor, _ = map(int, core["project"]["version"].split("."))

    wanted = f"pegboard>={major}.{minor},<{major}.{minor + 1}"
    assert wanted in package.project["dependencies"]
    assert package.project["requires-python"] == core["project"]["requires-python"]


def test_licence_is_that_of_the_project(package):
    """Each wheel carries the text."""
    assert package.read("LICENSE") == (ROOT / "LICENSE").read_text()
    assert package.project["license"] == "Apache-2.0"


def test_changelog_tells_of_this_version(package):
    """What users get has an entry with something in it."""
    sections = package.read("CHANGELOG.md").split(f"\n## {package.project['version']}")

    assert len(sections) == 2
    assert re.search(r"^- ", sections[1], re.MULTILINE)


def test_readme_says_how_to_begin(package):
    """It shows what to install and what to write into the settings."""
    readme = package.read("README.md")

    assert re.search(rf"^(?:\$ )?pip install .*\b{package.name}$", readme, re.MULTILINE)
    assert "```toml" in readme
    assert "```python" in readme


def test_readme_has_a_row_for_every_option(package):
    """A table names each option, and no option that is not there."""
    section = package.read("README.md").partition("\n## Options")[2].split("\n## ")[0]
    rows = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))

    assert rows == {name for model in package.options for name in model.model_fields}


def test_readme_names_every_variable(package):
    """What is read from the environment is told."""
    readme = package.read("README.md")
    groups = [group for one in package.providers for group in one.env.values()]

    assert [v for group in groups for v in group if f"`{v}`" not in readme] == []


def test_every_option_is_described(package):
    """What stands under an option in its class is what tools show of it."""
    for model in package.options:
        assert model.__doc__
        assert not [n for n, one in model.model_fields.items() if not one.description]


def test_every_provider_is_described(package):
    """Lists have a few words for it, and it says what to install."""
    for provider in package.providers:
        assert provider.summary
        assert provider.install in {None, package.name}
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", provider.name)


def test_loading_imports_no_sdk(package):
    """Every plugin is loaded to be listed; that must cost nothing."""
    command = [sys.executable, "-c", LOAD, f"{package.module}.plugin"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    loaded, with_options = (set(json.loads(line)) for line in printed.splitlines())

    assert package.sdk
    assert f"{package.module}.plugin" in loaded
    assert loaded & {*package.sdk, "asyncio", "pydantic"} == set()
    assert with_options & package.sdk == set()


def test_its_tests_are_named_after_it(package):
    """Names of test files differ between packages."""
    files = {path.name for path in package.folder.glob("tests/test_*.py")}
    begin = package.module.replace("pegboard", "test", 1)

    assert files
    assert [name for name in files if not name.startswith(begin)] == []


def test_its_tests_inherit_the_kits(package):
    """Every contract that is claimed is proven by its conformance kit."""
    bases = {
        base.id.removeprefix("Persistent")
        for path in package.folder.glob("tests/test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        if isinstance(base, ast.Name)
    }
    claimed = {name for one in package.providers for name in one.contracts}

    assert {f"{name}Contract" for name in claimed} <= bases
