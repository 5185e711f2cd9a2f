"""pegboard keys: secrets in stores, on the command line."""

import json
import os
import pty
import subprocess
import sys

import pytest
from click.testing import CliRunner
from pegboard.cli._commands import cli

SECRET = "sentinel-5ec2e7"
SETTINGS = """
[integrations.vault]
provider = "files"
folder = "vault"

[integrations.variables]
provider = "environment"

[integrations.gate]
provider = "gate"
key = "secret:vault/gate"

[integrations.other]
provider = "gate"
key = "secret:vault/json#key"
"""
GATE = """
import pegboard
from pegboard.errors import Authentication
from pydantic import SecretStr


class GateOptions(pegboard.Options):
    key: SecretStr


class Gate:
    def __init__(self, options, context):
        self.key = options.key.get_secret_value()

    async def ping(self):
        if not self.key.startswith("good"):
            raise Authentication(f"wrong key {self.key}")

    async def post_message(self, channel, text):
        return None


@pegboard.hookimpl
def pegboard_integrations():
    return [
        pegboard.IntegrationProvider(
            name="gate",
            factory=Gate,
            options=GateOptions,
            contracts={"Messenger": 1},
        ),
    ]
"""


@pytest.fixture(autouse=True)
def vault(tmp_path, monkeypatch, install):
    """Go to a project with a store, and return its folder."""
    install("gate", GATE)
    (tmp_path / "pegboard.toml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "vault"
    folder.mkdir()
    (folder / "json").write_text('{"key": "good too"}')
    return folder


def run(*arguments, stdin=""):
    """Return the result of a command of ``pegboard keys``."""
    result = CliRunner().invoke(cli, ["keys", *arguments], input=stdin)
    assert SECRET not in result.output
    return result


def test_set_reads_stdin(vault):
    """One line end at its end is left out; nothing else is."""
    result = run("set", "vault/new", stdin=f" {SECRET} \n")

    assert (result.exit_code, result.output) == (0, "vault/new is stored.\n")
    assert (vault / "new").read_text() == f" {SECRET} "
    assert (vault / "new").stat().st_mode & 0o777 == 0o600


def test_set_takes_no_value_as_an_argument(vault):
    """It would be in the history of the shell."""
    result = run("set", "vault/new", "other-value")

    assert result.exit_code == 2
    assert not (vault / "new").exists()


def test_set_refuses_nothing(vault):
    """An empty stdin is no secret, and nothing is written."""
    result = run("set", "vault/new", stdin="\n")

    assert result.exit_code == 1
    assert "An empty secret is none" in result.output
    assert not (vault / "new").exists()


def test_list_names_who_uses_what():
    """Only stores that take secrets are asked."""
    run("set", "vault/gate", stdin=f"good {SECRET}")
    result = run("list")

    assert result.output == (
        "key         used by\n"
        "vault/gate  integrations.gate\n"
        "vault/json  integrations.other\n"
    )


def test_list_as_json():
    """For programs."""
    run("set", "vault/unused", stdin=SECRET)
    found = json.loads(run("list", "vault", "--json").output)

    assert found == {"vault/json": ["integrations.other"], "vault/unused": []}


def test_list_of_nothing(vault):
    """It is said."""
    (vault / "json").unlink()

    assert run("list").output.startswith("There are no secrets")


def test_check_says_who_works():
    """Exit code 0 if all do."""
    run("set", "vault/gate", stdin=f"good {SECRET}")
    result = run("check", "vault/gate")

    assert result.exit_code == 0
    assert "integrations.gate  up" in result.output


def test_check_says_who_does_not():
    """Exit code 1, and the reason without the secret."""
    run("set", "vault/gate", stdin=SECRET)
    result = run("check", "vault/gate")

    assert result.exit_code == 1
    assert "Authentication: wrong key ***" in result.output


def test_check_of_what_nobody_uses():
    """It is stored; more cannot be said."""
    run("set", "vault/unused", stdin=SECRET)
    result = run("check", "vault/unused")

    assert result.output == "vault/unused is stored, and nothing refers to it.\n"


def test_check_of_what_is_not_there():
    """An error that names it."""
    result = run("check", "vault/none")

    assert result.exit_code == 1
    assert "none' does not exist" in result.output


def test_rotate_stores_what_works(vault):
    """And says for whom it does."""
    result = run("rotate", "vault/gate", stdin=f"good {SECRET}\n")

    assert (result.exit_code, result.output) == (
        0,
        "vault/gate is stored. It works for integrations.gate.\n",
    )
    assert (vault / "gate").read_text() == f"good {SECRET}"


def test_rotate_refuses_what_does_not(vault):
    """The old one stays."""
    run("set", "vault/gate", stdin="good old")
    result = run("rotate", "vault/gate", stdin=SECRET)

    assert result.exit_code == 1
    assert "stays as it is" in result.output
    assert "integrations.gate: Authentication" in result.output
    assert (vault / "gate").read_text() == "good old"


def test_delete(vault):
    """What is gone is gone; twice is an error, as it may be a slip of the pen."""
    run("set", "vault/new", stdin=SECRET)
    first, second = run("delete", "vault/new"), run("delete", "vault/new")

    assert (first.exit_code, first.output) == (0, "vault/new is deleted.\n")
    assert (second.exit_code, "There is no vault/new" in second.output) == (1, True)
    assert not (vault / "new").exists()


@pytest.mark.parametrize("command", ["set", "rotate", "delete"])
def test_a_store_that_is_only_read(command):
    """It is said before a secret is asked for."""
    result = run(command, "variables/X", stdin=SECRET)

    assert result.exit_code == 1
    assert "environment does not offer SecretVault" in result.output


def test_a_call_reads_a_secret_from_stdin(vault):
    """``pegboard call`` has no option for it either."""
    runner = CliRunner()
    arguments = ["call", "vault.set_secret", "--name", "new"]
    refused = runner.invoke(cli, [*arguments, "--value", "other-value"])
    result = runner.invoke(cli, arguments, input=f"{SECRET}\n")

    assert (refused.exit_code, "No such option" in refused.output) == (2, True)
    assert (result.exit_code, result.output) == (0, "null\n")
    assert (vault / "new").read_text() == SECRET


def test_what_is_typed_is_not_shown(vault):
    """On a terminal it is asked for twice, and nothing of it appears."""
    pid, terminal = pty.fork()
    if pid == 0:
        command = [sys.executable, "-m", "pegboard", "keys", "set", "vault/typed"]
        os.execv(command[0], command)  # noqa: S606 - the terminal is to be its own
    shown = b""
    for prompt in (b"vault/typed: ", b"confirmation: "):
        while not shown.endswith(prompt):
            shown += os.read(terminal, 1024)
        os.write(terminal, SECRET.encode() + b"\n")
    while b"is stored" not in shown:
        shown += os.read(terminal, 1024)
    os.waitpid(pid, 0)
    os.close(terminal)

    assert SECRET.encode() not in shown
    assert (vault / "typed").read_text() == SECRET


def test_no_process_shows_it(vault):
    """Neither stdout nor stderr, of the real command, with the log on."""
    command = [sys.executable, "-m", "pegboard", "-v", "keys", "rotate", "vault/gate"]
    done = subprocess.run(
        command, input=SECRET, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert SECRET not in done.stdout + done.stderr
    assert not (vault / "gate").exists()
