"""pegboard mcp: operations as MCP tools, asked by the client of the official SDK."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager

import httpx
import pytest
from click.testing import CliRunner
from mcp import Client, StdioServerParameters
from pegboard import Pegboard
from pegboard.cli._commands import cli
from pegboard.cli._mcp import make_server

KEY = "xoxb-very-secret"
SETTINGS = f"""
[integrations.alerts]
provider = "pager"
key = "{KEY}"

[integrations.inside]
provider = "pager"
external = false
key = "{KEY}"

[integrations.shell]
provider = "console"

[integrations.vault]
provider = "environment"
"""
PAGER = """
import pegboard.errors
from pydantic import SecretStr


class PagerOptions(pegboard.Options):
    key: SecretStr


class Pager:
    def __init__(self, options, context):
        self._key = options.key.get_secret_value()
        self._count = 0

    async def post_message(self, channel, text):
        self._count += 1
        if channel == "#lost":
            raise pegboard.errors.Timeout(f"late, with {self._key}")
        if channel == "#broken":
            raise LookupError(f"odd, with {self._key}")
        return pegboard.Posted(channel, f"{text} {self._count}")


@pegboard.hookimpl
def pegboard_integrations():
    return [
        pegboard.IntegrationProvider(
            name="pager",
            factory=Pager,
            options=PagerOptions,
            contracts={"Messenger": 1},
        )
    ]
"""
RUN = "from pegboard.cli import main; main()"
HELLO = {"channel": "#ops", "text": "Grüße"}


@pytest.fixture(autouse=True)
def pager(project, install):
    """Be in a project with integrations, one of them of a plugin."""
    install("pager", PAGER)
    (project / "pegboard.toml").write_text(SETTINGS)


@pytest.fixture
def command(project):
    """Return the command that serves."""
    run = [sys.executable, "-W", "error", "-c", RUN, "--folder", str(project)]
    return [*run, "mcp", "--integrations", "alerts, inside,shell"]


@pytest.fixture
def environ():
    """Return the environment of the server, in which the plugin is installed."""
    return {"PYTHONPATH": os.environ["PYTHONPATH"]}


@asynccontextmanager
async def over_stdio(command, environ, mode):
    """Yield a client that starts the server itself."""
    program, *arguments = command
    server = StdioServerParameters(command=program, args=arguments, env=environ)
    async with Client(server, mode=mode) as client:
        yield client


@asynccontextmanager
async def over_http(command, environ, mode):
    """Yield a client of a server that listens on a port."""
    with serving(command, environ) as server:
        try:
            async with Client(address_of(server), mode=mode) as client:
                yield client
        finally:
            server.kill()


def serving(command, environ):
    """Start a server that listens on a port."""
    return subprocess.Popen(
        [*command, "--port", "0"],
        env=environ,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def address_of(server):
    """Return the address that the server prints."""
    line = server.stderr.readline()
    return re.fullmatch(r"Serving MCP at (http://127\.0\.0\.1:\d+/mcp)\n", line)[1]


async def called(client, name, arguments):
    """Return whether the call went wrong, and what was told."""
    result = await client.call_tool(name, arguments)
    (part,) = result.content
    return result.is_error, part.text


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("transport", [over_stdio, over_http])
async def test_client_lists_and_calls_tools(transport, mode, command, environ):
    """On every way; failures are errors of tools, and hold no secret."""
    async with transport(command, environ, mode) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        sent = await called(client, "alerts-post_message", HELLO)
        shown = await called(client, "shell-post_message", HELLO)
        lost = await called(
            client, "alerts-post_message", {"channel": "#lost", "text": "x"}
        )
        again = await called(client, "alerts-post_message", HELLO)
        broken = await called(
            client, "inside-post_message", {"channel": "#broken", "text": "x"}
        )

    assert listed.keys() == {
        "alerts-post_message",
        "inside-post_message",
        "shell-post_message",
    }
    assert listed["alerts-post_message"].input_schema["required"] == ["channel", "text"]
    assert not sent[0]
    assert json.loads(sent[1]) == {"channel": "#ops", "id": "Grüße 1"}
    assert json.loads(shown[1]) == {"channel": "#ops", "id": "1"}
    assert lost == (True, "Timeout: integrations.alerts post_message: late, with ***")
    assert json.loads(again[1])["id"] == "Grüße 3"  # the lost one was sent once
    assert broken == (True, "LookupError: odd, with ***")


@asynccontextmanager
async def client_of(*names):
    """Yield a client of a server in this process."""
    async with Pegboard() as board:
        server = make_server(board.tools(*names), board._instances.secrets)
        async with Client(server) as client:
            yield client


async def test_tool_is_described_by_its_contract():
    """Name, description and schema are those that a model gets from ``tools``."""
    async with client_of("alerts") as client, Pegboard() as board:
        (tool,) = (await client.list_tools()).tools
        (expected,) = board.tools("alerts")

    assert (tool.name, tool.description) == (expected.name, expected.description)
    assert tool.input_schema == expected.parameters


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        (
            "alerts-post_message",
            {"channel": "#ops"},
            "The arguments do not fit alerts-post_message, which was not called: text:",
        ),
        ("alerts-post", HELLO, "There is no tool 'alerts-post'. Did you mean"),
    ],
)
async def test_what_cannot_be_called_is_told(name, arguments, told):
    """As an error of the tool, so that the model may do better."""
    async with client_of("alerts") as client:
        is_error, text = await called(client, name, arguments)

    assert is_error
    assert text.startswith(told)


def run(*arguments):
    """Return the result of ``pegboard mcp`` with *arguments*."""
    return CliRunner().invoke(cli, ("mcp", *arguments), prog_name="pegboard")


@pytest.mark.parametrize(
    ("names", "code", "told"),
    [
        ("vault", 1, "integrations.vault: No operation of it is for models."),
        ("vault.get_secret", 1, "get_secret: It is not for models"),
        ("alrets", 1, "Did you mean 'alerts'?"),
        (" , ", 2, "Name integrations: --integrations alerts,pages."),
    ],
)
def test_nothing_is_served_that_models_may_not_have(names, code, told):
    """The command ends at once, and says why."""
    result = run("--integrations", names)

    assert result.exit_code == code
    assert told in result.stderr


def test_port_that_is_taken_is_told():
    """In a sentence."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("--integrations", "alerts", "--port", str(port))

    assert result.exit_code == 1
    assert f"Nothing can listen on port {port}: Address already in use" in result.stderr


def test_server_refuses_pages_of_other_sites(command, environ):
    """A browser must not be made to call tools; Ctrl-C ends it."""
    with serving(command, environ) as server:
        address = address_of(server)
        foreign = httpx.post(
            address, headers={"Origin": "http://evil.example"}, json={}
        )
        renamed = httpx.post(address, headers={"Host": "evil.example"}, json={})
        server.send_signal(signal.SIGINT)
        code = server.wait(30)
        said = server.stderr.read()

    assert (foreign.status_code, renamed.status_code) == (403, 421)
    assert code == 130
    assert "Traceback" not in said


def test_server_ends_when_its_client_does(command, environ):
    """Nobody is left who would ask, and nothing was printed between messages."""
    server = subprocess.run(
        command, env=environ, input="", capture_output=True, text=True, check=False
    )

    assert (server.returncode, server.stdout, server.stderr) == (0, "", "")


def test_sdk_that_is_missing_is_told(program, monkeypatch, tmp_path):
    """With what to install."""
    (tmp_path / "mcp.py").write_text("raise ImportError('no mcp')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    result = program("mcp", "--integrations", "shell")

    assert result.returncode == 1
    assert "Error: pegboard mcp needs its SDK: no mcp." in result.stderr
    assert result.stderr.endswith(" Install it: pip install 'pegboard[mcp]'.\n")
