"""pegboard plugins, the commands that plugins add, and how tables are shown."""

import json

import pytest
from click.testing import CliRunner
from pegboard.cli._commands import cli

GREETER = """
import click
import pegboard


@pegboard.hookimpl
def pegboard_commands(cli):
    @cli.command()
    @click.pass_obj
    def greet(place):
        '''Greet an instance.'''
        click.echo('Hello ' + place.board().addresses()[0])

    @cli.command()
    def fail():
        raise pegboard.errors.NotFound("There is nobody.")
"""
THIEF = """
import click
import pegboard


@pegboard.hookimpl
def pegboard_commands(cli):
    @cli.command()
    def check():
        click.echo("stolen")
"""
RAISES = """
import pegboard


@pegboard.hookimpl
def pegboard_commands(cli):
    raise RuntimeError("not today")
"""
BROKEN = "import no_such_module_anywhere"

pytestmark = pytest.mark.usefixtures("project")


def run(*arguments):
    """Return the result of a command."""
    return CliRunner().invoke(cli, arguments)


def add(project, text):
    """Add *text* to the settings."""
    with (project / "pegboard.toml").open("a") as file:
        file.write(text)


def row(distribution):
    """Return what ``pegboard plugins --json`` says of *distribution*."""
    rows = json.loads(run("plugins", "--json").output)
    return next(row for row in rows if row["distribution"] == distribution)


class TestPlugins:
    def test_tells_what_is_offered(self):
        """Entry points, providers by family, contracts."""
        core = row("pegboard")

        assert core["version"] == "0.1.0"
        assert {"fake", "memory"} <= set(core["entry_points"])
        assert "fake" in core["offers"]["llm"]
        assert {"memory", "sqlite"} <= set(core["offers"]["storage"])
        assert {"ChatModel", "KeyValue"} <= set(core["contracts"])
        assert (core["status"], core["reason"]) == ("ok", None)

    def test_broken_plugin_is_told_and_harms_nobody(self, install):
        """It is listed with its reason; the exit code is 0."""
        install("cracked", BROKEN)

        cracked = row("cracked")

        assert run("plugins").exit_code == 0
        assert cracked["status"] == "broken"
        assert "No module named 'no_such_module_anywhere'" in cracked["reason"]
        assert row("pegboard")["status"] == "ok"

    @pytest.mark.parametrize("rule", ['deny = ["cracked"]', "allow = []"])
    def test_barred_plugin_is_told_but_not_imported(self, project, install, rule):
        """It would be broken if it were."""
        install("cracked", BROKEN)
        add(project, f"[plugins]\n{rule}\n")

        assert row("cracked")["status"] == "barred"

    def test_each_is_a_line(self, install):
        """However long: what is piped is there to be searched."""
        install("cracked", f"raise RuntimeError('one\\n' + {'two ' * 200!r})")

        lines = run("plugins").output.splitlines()
        (cracked,) = (line for line in lines if line.startswith("cracked"))

        assert lines[0].split()[:3] == ["distribution", "version", "entry-points"]
        assert "broken: RuntimeError: one two two" in cracked
        assert cracked.count("two") == 200

    def test_no_colours_are_piped(self, program):
        """Also where the environment asks for them."""
        assert "\x1b" not in program("plugins").stdout


class TestTerminal:
    def test_head_stands_out(self, program, monkeypatch):
        """On a terminal that can show it."""
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.delenv("NO_COLOR", raising=False)

        assert b"\x1b[1m" in program.on_terminal("plugins")

    def test_no_color_is_honoured(self, program, monkeypatch):
        """NO_COLOR leaves plain text."""
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("NO_COLOR", "1")

        assert b"\x1b" not in program.on_terminal("plugins")

    def test_narrow_terminal_cuts_nothing(self, program, install, monkeypatch):
        """What does not fit goes on in the next line."""
        install("cracked", f"raise RuntimeError({'word ' * 50!r})")
        monkeypatch.setenv("COLUMNS", "60")

        assert program.on_terminal("plugins").count(b"word") == 50

    def test_values_are_not_markup(self, program, project):
        """Brackets in a value are shown, not obeyed."""
        add(project, '[llm.red]\nprovider = "fake"\nmodel = "[red]model[/red]"\n')

        assert b"[red]model[/red]" in program.on_terminal("explain", "llm.red")


class TestCommands:
    def test_used_plugin_adds_commands(self, project, install):
        """It gets the place of the settings with ``click.pass_obj``."""
        install("greeter", GREETER)
        add(project, '[plugins]\nuse = ["greeter"]\n')

        assert run("greet").output == "Hello llm.default\n"

    def test_their_errors_are_messages_too(self, project, install):
        """What pegboard raises there has exit code 1."""
        install("greeter", GREETER)
        add(project, '[plugins]\nuse = ["greeter"]\n')

        result = run("fail")

        assert (result.exit_code, result.stderr) == (1, "Error: There is nobody.\n")

    def test_help_lists_them(self, project, install):
        """Beside the others."""
        install("greeter", GREETER)
        add(project, '[plugins]\nuse = ["greeter"]\n')

        output = run("--help").output

        assert "  greet    Greet an instance.\n" in output
        assert "  check    " in output

    def test_folder_before_help_leads_to_them(
        self, project, install, tmp_path_factory, monkeypatch
    ):
        """The settings there are read."""
        install("greeter", GREETER)
        add(project, '[plugins]\nuse = ["greeter"]\n')
        monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))

        assert "greet" not in run("--help").output
        assert "greet" in run("--folder", str(project), "--help").output

    def test_variable_may_name_them(self, install, monkeypatch):
        """As with any setting."""
        install("greeter", GREETER)
        monkeypatch.setenv("PEGBOARD_PLUGINS__USE", '["greeter"]')

        assert "Greet an instance." in run("--help").output

    def test_installed_is_not_active(self, install, project):
        """Only settings activate."""
        install("greeter", GREETER)
        add(project, "[plugins]\nuse = []\n")

        result = run("greet")

        assert result.exit_code == 2
        assert "No such command 'greet'" in result.stderr

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            (BROKEN, "which is broken: ModuleNotFoundError"),
            (RAISES, "cannot add commands: RuntimeError: not today"),
            (THIEF, "adds a command 'check', which exists already"),
        ],
        ids=["broken", "raises", "thief"],
    )
    def test_bad_one_is_told_and_harms_nobody(self, project, install, code, reason):
        """The others' commands work, and so do pegboard's own."""
        install("bad", code)
        install("greeter", GREETER)
        add(project, '[plugins]\nuse = ["bad", "greeter"]\n')

        result = run("greet")

        assert result.stdout == "Hello llm.default\n"
        assert reason in result.stderr
        assert "stolen" not in run("check").output

    def test_own_commands_load_none(self, project, install, tmp_path):
        """A plugin's code does not run for commands that it does not add."""
        mark = tmp_path / "imported"
        install("loud", f"import pathlib\npathlib.Path({str(mark)!r}).touch()")
        add(project, '[plugins]\nuse = ["loud"]\n')

        run("explain", "llm.default")

        assert not mark.exists()

    def test_help_survives_wrong_settings(self, project):
        """Who needs help may have broken settings."""
        (project / "pegboard.toml").write_text("[plugins\n")

        result = run("--help")

        assert result.exit_code == 0
        assert "Warning: The commands of plugins are missing." in result.stderr
        assert "  check " in result.stdout
