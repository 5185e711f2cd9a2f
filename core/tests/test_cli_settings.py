"""pegboard check and pegboard explain: what the settings say, and what is wrong."""

import json

import pytest
from click.testing import CliRunner
from pegboard.cli._commands import cli

SETTINGS = """
[llm.default]
provider = "keyed"
key = "env:SOME_KEY"
"""
KEYED = """
import pegboard
from pydantic import SecretStr


class KeyedOptions(pegboard.Options):
    key: SecretStr
    other_key: SecretStr | None = None


@pegboard.hookimpl
def pegboard_llm_providers():
    return [
        pegboard.LLMProvider(
            name="keyed",
            factory=print,
            options=KeyedOptions,
            contracts={"ChatModel": 1},
        ),
    ]
"""


def run(*arguments):
    """Return the result of a command."""
    return CliRunner().invoke(cli, arguments)


def write(project, text):
    """Make *text* the settings."""
    (project / "pegboard.toml").write_text(text)


@pytest.mark.usefixtures("project")
class TestCheck:
    def test_says_how_many_instances_are_fine(self):
        """With exit code 0."""
        result = run("check")

        assert (result.exit_code, result.output) == (0, "2 instances are fine.\n")

    def test_knows_one_from_many(self, project):
        """One instance is fine."""
        write(project, '[llm.default]\nprovider = "fake"\n')

        assert run("check").output == "1 instance is fine.\n"

    def test_tells_all_problems_at_once(self, project):
        """Where, what, from which file; with exit code 1."""
        write(
            project,
            '[llm.default]\nprovider = "fake"\nmodle = "x"\n'
            '[storage.notes]\nprovider = "memroy"\n'
            '[plugins]\nuse = ["nothing"]\n',
        )

        result = run("check")
        used, llm, storage, count = result.output.splitlines()

        assert result.exit_code == 1
        assert used.startswith("plugins.use: names 'nothing', which is not installed.")
        assert llm.startswith("llm.default.modle: there is no such key. Did you mean")
        assert llm.endswith("(from pegboard.toml)")
        assert storage.startswith("storage.notes: Nothing offers the storage provider")
        assert count == "3 problems."

    def test_tells_what_is_wrong_at_the_top(self, project):
        """Settings that cannot be read at all are a problem like any other."""
        write(project, "[llm.default\n")

        result = run("check")

        assert result.exit_code == 1
        assert "pegboard.toml: is not valid TOML" in result.output
        assert result.output.endswith("\n1 problem.\n")

    def test_fetches_from_secret_stores(self, project, install, monkeypatch):
        """A secret that can be fetched is no problem."""
        install("keyed", KEYED)
        monkeypatch.setenv("SOME_KEY", "hush")
        write(
            project,
            SETTINGS.replace("env:", "secret:here/")
            + '[integrations.here]\nprovider = "environment"\n',
        )

        assert run("check").output == "2 instances are fine.\n"


@pytest.mark.usefixtures("project")
class TestExplain:
    def test_says_who_provides_it(self):
        """Provider, distribution, contracts, and how calls are made."""
        lines = run("explain", "llm.default").output.splitlines()

        assert lines[0].split() == ["address", "llm.default"]
        assert lines[1].split() == ["provider", "fake"]
        assert lines[2].split() == ["distribution", "pegboard", "0.1.0"]
        contracts = lines[3].split(maxsplit=1)[1].split(", ")
        assert contracts[:2] == ["ChatModel 1", "StreamingChat 1"]
        assert "json_schema" in lines[4]
        assert lines[5].split(maxsplit=1)[1] == "through the policy"

    @pytest.mark.parametrize(
        "row", [["model", "echo-1", "pegboard.toml"], ["attempts", "3", "default"]]
    )
    def test_says_where_each_value_is_from(self, row):
        """Options and policy, a line each."""
        lines = run("explain", "llm.default").output.splitlines()

        assert row in [line.split() for line in lines]

    def test_internal_instance_has_no_policy(self):
        """What does not apply is not shown."""
        output = run("explain", "storage.notes").output

        assert "calls         direct\n" in output
        assert "deadline" not in output

    def test_json_has_it_all(self):
        """--json is for machines."""
        found = json.loads(run("explain", "llm.default", "--json").output)
        model = {"key": "model", "shown": "echo-1", "origin": "pegboard.toml"}

        assert found["address"] == "llm.default"
        assert model in found["options"]

    @pytest.mark.parametrize("form", [[], ["--json"]])
    def test_secrets_are_set_or_not_set(self, project, install, monkeypatch, form):
        """Nothing else is said of them."""
        install("keyed", KEYED)
        monkeypatch.setenv("SOME_KEY", "hush-hush")
        write(project, SETTINGS)

        output = run("explain", "llm.default", *form).output
        words = output.replace('"', " ").replace(",", " ").split()

        assert "hush-hush" not in output
        assert words[words.index("other_key") :].count("set")
        assert "not set" in output

    def test_unknown_address_is_an_error(self):
        """The message says what exists."""
        result = run("explain", "llm.dfault")

        assert (result.exit_code, result.stdout) == (1, "")
        assert "Did you mean 'default'? Known: default." in result.stderr
