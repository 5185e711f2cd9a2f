"""What Claude Code gets to see of this machine, and what it may do on it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pegboard import ChatRequest, Message, Pegboard
from pegboard.errors import InvalidRequest, SettingsError
from pegboard.testing import anthropic_wire as wire
from pegboard.testing.fault_server import Fault, FaultServer, Scripted
from pegboard_claude_code._launch import Launch, Launcher
from pegboard_claude_code._model import ClaudeCodeModel
from pegboard_claude_code.options import ClaudeCodeOptions

OpenModel = Callable[..., ClaudeCodeModel]
Running = Callable[[], set[int]]

HELLO = (Message.of("user", "Hello?"),)


def launch(request: dict[str, Any] | None = None, **options: Any) -> Launch:
    """Return with what Claude Code would be started."""
    made = ClaudeCodeOptions.model_validate({"cli_path": "/bin/claude", **options})
    launcher = Launcher(made, Path("/data"))
    return launcher.launch(ChatRequest(messages=HELLO, **(request or {})))


def _read(process: int, name: str) -> str:
    return Path(f"/proc/{process}/{name}").read_text()


def variables(**options: Any) -> dict[str, str]:
    """Return the environment in which Claude Code would be started."""
    return dict(launch(**options).environment)


async def test_a_process_sees_what_it_needs(
    open_model: OpenModel,
    server: FaultServer,
    hello: ChatRequest,
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the variables of this program, it has a few, and no account among them."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sentinel-1")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "sentinel-2")
    monkeypatch.setenv("CLAUDE_CODE_USE_BEDROCK", "1")
    server.respond(Scripted(before=Fault.HANG))
    call = asyncio.ensure_future(open_model(environment={"MINE": "1"}).complete(hello))
    await server.next_request()

    (process,) = running()
    block = _read(process, "environ")
    seen = dict(pair.split("=", 1) for pair in block.split("\0") if "=" in pair)
    command = _read(process, "cmdline")
    call.cancel()
    await asyncio.wait([call])

    assert "sentinel" not in block
    assert "CLAUDE_CODE_USE_BEDROCK" not in seen
    assert seen["MINE"] == "1"
    assert seen["ANTHROPIC_API_KEY"] == "k-1"
    assert "k-1" not in command


@pytest.mark.parametrize("tools", [[], ["Read"]], ids=["bare", "with tools"])
async def test_settings_of_the_folder_have_no_effect(
    open_model: OpenModel,
    server: FaultServer,
    hello: ChatRequest,
    tmp_path: Path,
    tools: list[str],
) -> None:
    """No hook runs, no server starts, no instructions are read, nothing is written."""
    project = tmp_path / "project"
    project.joinpath(".claude").mkdir(parents=True)
    run = {"type": "command", "command": f"touch {tmp_path}/hooked"}
    events = ("SessionStart", "UserPromptSubmit", "Stop")
    hooks = {event: [{"hooks": [run]}] for event in events}
    settings = {"hooks": hooks, "env": {"ANTHROPIC_API_KEY": "of-the-folder"}}
    project.joinpath(".claude/settings.json").write_text(json.dumps(settings))
    touch = {"command": "touch", "args": [f"{tmp_path}/served"]}
    project.joinpath(".mcp.json").write_text(json.dumps({"mcpServers": {"x": touch}}))
    project.joinpath("CLAUDE.md").write_text("sentinel-instructions")
    before = {*project.rglob("*")}

    await open_model(cwd=project, tools=tools).complete(hello)

    assert not tmp_path.joinpath("hooked").exists()
    assert not tmp_path.joinpath("served").exists()
    assert b"sentinel" not in server.requests[0].body
    assert server.requests[0].headers["x-api-key"] == "k-1"
    assert {*project.rglob("*")} == before


async def test_conversations_are_not_written_down(
    open_model: OpenModel, tmp_path: Path
) -> None:
    """What was said is nowhere in the data folder."""
    words = Message.of("user", "sentinel-of-the-conversation")

    model = open_model()
    await model.complete(ChatRequest(messages=(words,)))
    await model.aclose()  # it goes on writing until then

    texts = _texts(tmp_path)
    assert texts
    assert not [text for text in texts if b"sentinel" in text]


def _texts(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("allowed", [False, True])
async def test_tools_do_what_is_allowed(
    open_model: OpenModel,
    server: FaultServer,
    hello: ChatRequest,
    tmp_path: Path,
    *,
    allowed: bool,
) -> None:
    """A tool that exists still may do nothing, unless an option says so."""
    note = tmp_path / "note.txt"
    arguments = json.dumps({"file_path": str(note), "content": "written"})
    writing = wire.tool_use_block("Write", arguments)
    server.respond(
        Scripted.events(wire.message_start(), *writing, *wire.message_end("tool_use"))
    )
    allowed_tools = ["Write"] if allowed else []

    reply = await open_model(
        tools=["Write"], allowed_tools=allowed_tools, cwd=tmp_path
    ).complete(hello)

    metadata = reply.provider_metadata["claude-code"]
    assert note.exists() is allowed
    assert metadata["permission_denials"] == ([] if allowed else ["Write"])


async def test_without_tools_none_can_be_used(
    open_model: OpenModel, server: FaultServer, hello: ChatRequest, tmp_path: Path
) -> None:
    """A model that calls a tool all the same is told that there is none."""
    note = tmp_path / "note.txt"
    arguments = json.dumps({"file_path": str(note), "content": "written"})
    writing = wire.tool_use_block("Write", arguments)
    server.respond(
        Scripted.events(wire.message_start(), *writing, *wire.message_end("tool_use"))
    )

    model = open_model(
        permission_mode="bypassPermissions",
        environment={"IS_SANDBOX": "1"},  # or it refuses to run as root
        cwd=tmp_path,
    )
    await model.complete(hello)

    assert not note.exists()


def test_a_login_is_used_only_if_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders of the user come with the account; a key does not."""
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", "/home/ada/claude")

    alone, own = variables(api_key="k"), variables(api_key="k", login=True)

    assert alone["HOME"] == alone["CLAUDE_CONFIG_DIR"] == "/data/claude-code"
    assert alone["ANTHROPIC_API_KEY"] == "k"
    assert own["HOME"] == "/home/ada"
    assert own["CLAUDE_CONFIG_DIR"] == "/home/ada/claude"
    assert "ANTHROPIC_API_KEY" not in own
    assert "--bare" in launch().command
    assert "--bare" not in launch(login=True).command
    assert "--setting-sources=" in launch(login=True).command


OPTIONS: dict[str, Any] = {
    "model": "m",
    "fallback_model": "m",
    "api_key": "k",
    "base_url": "http://other",
    "login": True,
    "environment": {"A": "b"},
    "cli_path": "/bin/other",
    "cwd": "/somewhere",
    "add_dirs": ["/somewhere"],
    "claude_code_prompt": True,
    "tools": ["Read"],
    "allowed_tools": ["Read"],
    "disallowed_tools": ["Read"],
    "permission_mode": "plan",
    "thinking": 2048,
    "max_turns": 3,
    "max_budget_usd": 1.5,
}
"""Another value for each option that a process is made with."""
PARAMETERS: dict[str, Any] = {
    "messages": (Message.of("system", "Be brief."), *HELLO),
    "model": "m",
    "max_tokens": 5,
    "reasoning_effort": "low",
    "schema": {"type": "object"},
    "extra": {"claude-code": {"max_turns": 3}},
}
"""Another value for each parameter that a process is made with."""


def test_every_option_makes_another_process() -> None:
    """The key of the pool is the whole configuration; only the pool's own is left."""
    changed = {name: launch(**{name: value}) for name, value in OPTIONS.items()}

    left = ClaudeCodeOptions.model_fields.keys() - OPTIONS
    assert left == {"max_sessions", "idle"}
    assert launch() == launch()
    assert launch() not in changed.values()
    assert len({*changed.values()}) == len(OPTIONS)


def test_every_parameter_makes_another_process() -> None:
    """A call that differs in anything but its turns has a process of its own."""
    made = []
    for name, value in PARAMETERS.items():
        fields = {"messages": HELLO, name: value}
        launcher = Launcher(ClaudeCodeOptions(), Path("/data"))
        made.append(launcher.launch(ChatRequest(**fields)))

    assert len({*made}) == len(PARAMETERS)


def test_no_value_is_taken_for_a_flag() -> None:
    """What begins with a dash, or holds spaces, stays a part of its flag."""
    told = (Message.of("system", "--dangerously-skip-permissions"), *HELLO)
    launcher = Launcher(ClaudeCodeOptions(tools=["-p"]), Path("/data"))

    command = launcher.launch(ChatRequest(messages=told, model="--model=x")).command

    assert "--dangerously-skip-permissions" not in command
    assert "--model=--model=x" in command
    assert "--tools=-p" in command


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ({"allowed_tools": ["Bash"]}, "cannot set 'allowed_tools'"),
        ({"permission_mode": "bypassPermissions"}, "cannot set 'permission_mode'"),
        ({"max_turns": 0}, "max_turns"),
    ],
)
def test_a_call_cannot_allow_itself_more(extra: dict[str, Any], told: str) -> None:
    """Permissions are for settings alone; what a call may say is checked."""
    with pytest.raises(InvalidRequest, match=told) as caught:
        launch({"extra": {"claude-code": extra}})

    assert caught.value.request_sent == "no"


def test_an_unknown_effort_is_refused() -> None:
    """Claude Code would go on without it."""
    with pytest.raises(InvalidRequest, match="Known: low, medium"):
        launch({"reasoning_effort": "enormous"})


def test_secrets_are_shown_nowhere() -> None:
    """Not by the options, nor by what a process is started with."""
    secrets = {"api_key": "sentinel", "environment": {"A": "sentinel"}}

    assert "sentinel" not in repr(launch(**secrets))
    assert "sentinel" not in repr(ClaudeCodeOptions.model_validate(secrets))


@pytest.mark.parametrize(
    "wrong",
    [{"modle": "m"}, {"permission_mode": "yolo"}, {"thinking": 3}, {"idle": -1}],
)
async def test_wrong_settings_are_told(wrong: dict[str, Any]) -> None:
    """Nothing is started with settings that mean nothing."""
    settings = {"llm": {"default": {"provider": "claude-code", **wrong}}}
    async with Pegboard.isolated(settings) as board:
        with pytest.raises(SettingsError, match=next(iter(wrong))):
            board.llm()
