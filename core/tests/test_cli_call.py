"""pegboard call: operations on the command line."""

import json

import pytest
from click.testing import CliRunner
from pegboard.cli._commands import cli

SETTINGS = """
[integrations.alerts]
provider = "console"
stream = "stderr"

[integrations.diary]
provider = "diary"
key = "xoxb-very-secret"

[integrations.vault]
provider = "environment"

[storage.notes]
provider = "sqlite"
"""
DIARY = '''
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal, Protocol

import pegboard
from pydantic import BaseModel, Field, SecretStr


class Page(BaseModel):
    title: str
    lines: list[str] = []


@pegboard.contract(family="integrations", version=1)
class Diary(Protocol):
    @pegboard.operation(repeatable=False)
    async def write_page(
        self,
        page: Page,
        *,
        mood: Literal["good", "bad"] = "good",
        pages: Annotated[int, Field(ge=1)] = 1,
        weight: float | None = None,
        is_private: bool = True,
    ) -> dict[str, Any]:
        """
        Write a page.

        Nobody reads it.

        Args:
            page: What to write.
            mood: How it is.

        """
        ...

    @pegboard.operation(repeatable=True)
    async def say(self, text: str = "\\x9b31m") -> str:
        """Return text."""
        ...

    @pegboard.operation(repeatable=False)
    async def fail(self) -> None:
        """Fail."""
        ...

    @pegboard.operation(repeatable=True)
    def read(self) -> AsyncIterator[str]:
        """Read aloud."""
        ...


class DiaryOptions(pegboard.Options):
    key: SecretStr


class Service:
    def __init__(self, options, context):
        self._key = options.key.get_secret_value()

    async def write_page(self, page, **more):
        return {"title": page.title, "lines": page.lines, **more}

    async def say(self, text="\\x9b31m"):
        return text

    async def fail(self):
        raise pegboard.errors.Timeout(f"late, with {self._key}")

    async def read(self):
        yield "Dear diary"


@pegboard.hookimpl
def pegboard_contracts():
    return [Diary]


@pegboard.hookimpl
def pegboard_integrations():
    return [
        pegboard.IntegrationProvider(
            name="diary",
            factory=Service,
            options=DiaryOptions,
            contracts={"Diary": 1},
        )
    ]
'''


def run(*arguments):
    """Return the result of ``pegboard call`` with *arguments*."""
    return CliRunner().invoke(cli, ("call", *arguments), prog_name="pegboard")


@pytest.fixture(autouse=True)
def diary(project, install):
    """Be in a project with integrations, one of them of a plugin."""
    install("diary", DIARY.replace("import pegboard\n", "import pegboard.errors\n"))
    (project / "pegboard.toml").write_text(SETTINGS)


def test_posts_a_message():
    """What comes of it is printed as JSON."""
    result = run("alerts.post_message", "--channel", "#ops", "--text", "hi")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"channel": "#ops", "id": "1"}
    assert result.stderr == "[#ops] hi\n"


def test_family_may_be_said():
    """Of storage it has to be."""
    assert run("storage.notes.set", "--key", "a", "--value", "[1]").exit_code == 0
    assert json.loads(run("storage.notes.get", "--key", "a").stdout) == [1]
    assert json.loads(run("integrations.diary.say", "--text", "x").stdout) == "x"


def test_structured_parameters_are_json():
    """Simple ones are not; what is left out is left to the operation."""
    page = '{"title": "Émile", "lines": ["x"]}'
    result = run(
        *("diary.write_page", "--page", page, "--mood", "bad", "--pages", "2"),
        *("--weight", "1.5", "--no-is-private"),
    )

    assert json.loads(result.stdout) == {
        "title": "Émile",
        "lines": ["x"],
        "mood": "bad",
        "pages": 2,
        "weight": 1.5,
        "is_private": False,
    }
    assert "Émile" in result.stdout
    assert json.loads(run("diary.write_page", "--page", page).stdout) == {
        "title": "Émile",
        "lines": ["x"],
    }


def test_help_is_made_of_the_contract():
    """Its docstring, its types, its defaults."""
    result = run("diary.write_page", "--help")
    words = " ".join(result.output.split())

    assert result.exit_code == 0
    assert words.startswith("Usage: pegboard call diary.write_page [OPTIONS] Write a ")
    assert "Nobody reads it. Options:" in words
    assert "--page JSON What to write. [required]" in words
    assert '--mood [good|bad] How it is. Default: "good".' in words
    assert "--pages INTEGER Default: 1." in words
    assert "--weight FLOAT" in words
    assert "--is-private / --no-is-private Default: true." in words


@pytest.mark.parametrize("arguments", [["diary"], ["diary", "--help"], ["diary", "-h"]])
def test_operations_of_an_instance_are_listed(arguments):
    """With what they do; those that only Python can use are marked."""
    lines = [line.split(maxsplit=1) for line in run(*arguments).output.splitlines()]

    assert lines == [
        ["operation", "does"],
        ["diary.write_page", "Write a page."],
        ["diary.say", "Return text."],
        ["diary.fail", "Fail."],
        ["diary.read", "Read aloud. (in Python only)"],
    ]


def test_general_help_says_how_to_go_on():
    """It needs no settings."""
    result = run("--help")

    assert result.exit_code == 0
    assert "alerts.post_message" in result.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Missing argument 'OPERATION'"),
        (["alerts", "post_message"], "Say which operation: alerts.post_message."),
        (["alerts.post_message", "--channel", "x"], "Missing option '--text'"),
        (["alerts.post_message", "--txt", "x"], "No such option"),
        (["diary.say", "hi"], "Got unexpected extra argument (hi)"),
        (["diary.write_page", "--page", "hi"], "Text needs quotes: '\"hi\"'."),
        (["diary.write_page", "--page", "{}"], "page: title: Field required"),
        (
            ["diary.write_page", "--page", '{"title": "x"}', "--pages", "0"],
            "pages: Input should be greater than or equal to 1",
        ),
    ],
)
def test_arguments_that_make_no_sense_end_with_2(arguments, told):
    """As with every command, and what is wrong is said."""
    result = run(*arguments)

    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["alerts.pots_message"],
            "no operation 'pots_message'. Did you mean 'post_message'?",
        ),
        (["alrets.post_message"], "Did you mean 'alerts'?"),
        (["diary.fail"], "Error: integrations.diary fail: late, with ***"),
        (["diary.read"], "It yields items as they come"),
    ],
)
def test_what_pegboard_reports_ends_with_1(arguments, told):
    """Errors of calls come without secrets."""
    result = run(*arguments)

    assert result.exit_code == 1
    assert told in result.stderr
    assert "xoxb" not in result.output


def test_secret_is_not_printed(monkeypatch):
    """Only that it is there."""
    monkeypatch.setenv("TOKEN", "xoxb-very-secret")

    assert run("vault.get_secret", "--name", "TOKEN").stdout == '"**********"\n'


def test_output_cannot_command_the_terminal():
    """Control characters come escaped, and it still is the same JSON."""
    result = run("diary.say")

    assert result.stdout == '"\\u009b31m"\n'
    assert json.loads(result.stdout) == "\x9b31m"


def test_general_help_imports_nothing_slow(program):
    """The options are made when an operation is called."""
    assert not {"pydantic", "asyncio"} & program.modules("call", "--help")
