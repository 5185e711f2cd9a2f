"""The command line: what it imports, and what it says before any command."""

import subprocess
import sys

import pegboard
import pytest
from click.testing import CliRunner
from pegboard.cli._commands import cli

pytestmark = pytest.mark.usefixtures("project")

SDKS = {"openai", "anthropic", "httpx", "httpx2", "xllamacpp"}
SLOW = {"pydantic", "asyncio", "loguru", "importlib.metadata", "rich", "pluggy"}


def test_version_imports_nothing(program):
    """Scripts that ask for the version get it as fast as Python starts."""
    assert set() == program.modules("--version") & (SDKS | SLOW | {"click"})


def test_help_imports_nothing_slow(program):
    """Help needs click and a look at the settings files."""
    assert set() == program.modules("--help") & (SDKS | SLOW)


def test_help_imports_no_sdk_of_an_installed_plugin(project, program):
    """Not even where the settings have to be read."""
    with (project / "pegboard.toml").open("a") as file:
        file.write("[plugins]\nuse = ['fake']\n")

    modules = program.modules("--help")

    assert "pydantic" in modules
    assert set() == modules & SDKS


def test_ask_imports_only_what_it_needs(program):
    """No tables, no schemas, no SDK, no blocking twins."""
    unneeded = {"rich", "jsonschema_rs", "dotenv", "tenacity", "pegboard.sync"}

    modules = program.modules("ask", "hello")

    assert "pegboard.builtin.fake" in modules
    assert set() == modules & (SDKS | unneeded)


@pytest.mark.parametrize("command", ["plugins", "explain"])
def test_piped_tables_need_no_rich(program, command):
    """What nobody looks at is not made pretty."""
    address = ["llm.default"] if command == "explain" else []

    assert "rich" not in program.modules(command, *address)


@pytest.mark.parametrize("arguments", [["--version"], ["--profile", "x", "--version"]])
def test_version_is_the_same_wherever_it_is_asked_for(arguments, program):
    """The short way and click's say the same."""
    assert f"pegboard {pegboard.__version__}\n" == program(*arguments).stdout


def test_module_runs_as_a_program():
    """``python -m pegboard`` is the same program, by the same name."""
    command = [sys.executable, "-m", "pegboard", "--help"]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.startswith("Usage: pegboard [OPTIONS] COMMAND [ARGS]...")


def test_folder_is_where_the_settings_are(project, tmp_path_factory, monkeypatch):
    """--folder leads to the settings from anywhere."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))

    result = CliRunner().invoke(cli, ["--folder", str(project), "check"])

    assert result.output == "2 instances are fine.\n"


def test_missing_folder_is_a_usage_error():
    """--folder must exist."""
    result = CliRunner().invoke(cli, ["--folder", "nowhere", "check"])

    assert result.exit_code == 2
    assert "Directory 'nowhere' does not exist." in result.stderr


def test_profile_is_put_over_the_settings(project):
    """--profile chooses the overlay."""
    overlay = project / "pegboard.loud.toml"
    overlay.write_text('[llm.default]\nmodel = "loud-1"\n')

    result = CliRunner().invoke(cli, ["--profile", "loud", "explain", "llm.default"])

    assert "pegboard.loud.toml" in result.output


def test_errors_are_messages_on_stderr(program):
    """What pegboard raises is shown without a traceback, with exit code 1."""
    done = program("ask", "--llm", "defualt", "hello")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: llm.defualt: ")
    assert "Did you mean 'default'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_verbose_logs_to_stderr(program):
    """-v shows what pegboard does, and leaves stdout alone."""
    done = program("-v", "ask", "hello")

    assert done.stdout == "hello\n"
    assert "Made by pegboard." in done.stderr


def test_without_verbose_nothing_is_logged(program):
    """Nobody asked for it."""
    assert program("ask", "hello").stderr == ""
