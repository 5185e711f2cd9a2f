"""With what Claude Code is started: pure functions of options and request."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import claude_agent_sdk
from pegboard.errors import InvalidRequest
from pydantic import ValidationError

from ._convert import PROVIDER
from .options import SEARCH, ClaudeCodeOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pegboard import ChatRequest

PER_CALL = ("fallback_model", "max_budget_usd", "max_turns", "thinking")
"""Options that a call may set for itself. None of them is a permission."""
EFFORTS = ("low", "medium", "high", "xhigh", "max")
INHERITED = (
    *("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
    *("SYSTEMROOT", "COMSPEC", "PATHEXT", "TEMP", "TMP"),
)
"""Variables of this process that Claude Code gets to see."""
OF_A_LOGIN = ("HOME", "USER", "CLAUDE_CONFIG_DIR", "APPDATA", "LOCALAPPDATA")
"""Where the account of the user is found, who also may have moved it."""
FOLDERS = ("HOME", "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_TMPDIR")
"""Where Claude Code writes."""
QUIET: Mapping[str, str] = {
    "CLAUDE_CODE_ENTRYPOINT": "sdk-py",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    # One owner of retries: the policy. Nor is another model asked without being told.
    "CLAUDE_CODE_MAX_RETRIES": "0",
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
    "CLAUDE_CODE_DISABLE_REFUSAL_RETRY": "1",
    "CLAUDE_CODE_DISABLE_REFUSAL_FALLBACK": "1",
    "CLAUDE_CODE_DISABLE_MODEL_ACCESS_FALLBACK": "1",
    # Work that goes on after the answer would end up in the next one.
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
}
FORMATS = (
    *("--input-format", "stream-json", "--output-format", "stream-json", "--verbose"),
    *("--include-partial-messages", "--thinking-display=summarized"),
)
ISOLATED = ("--setting-sources=", "--strict-mcp-config", "--no-session-persistence")
"""No settings files, thus no hooks; no MCP servers; no record of conversations."""


@dataclass(frozen=True, slots=True)
class Launch:
    """All that a process of Claude Code is made with; equal ones are alike."""

    command: tuple[str, ...]
    cwd: Path
    environment: tuple[tuple[str, str], ...]
    instructions: tuple[str, str] | None = None
    """
    What stands before the conversation, behind the flag for a file that holds it.

    Not in the command, which has a length and can be seen by others.
    """

    def __repr__(self) -> str:
        return f"<Launch {self.command[0]}>"


class Launcher:
    """Makes the launch of each request."""

    def __init__(self, options: ClaudeCodeOptions, data_folder: Path) -> None:
        self._options = options
        self._home = data_folder.absolute() / PROVIDER
        self._cwd = (options.cwd or self._home / "work").expanduser().absolute()

    @property
    def program(self) -> str:
        """The Claude Code to start."""
        path = self._options.cli_path
        return str(path.expanduser()) if path else _found()

    def launch(self, request: ChatRequest) -> Launch:
        """Return with what Claude Code is started to answer *request*."""
        options = _with_search(request, _options_for(request, self._options))
        flags = (*_conduct(options), *_permissions(options), *_task(request, options))
        isolation = (*ISOLATED, _mode(options))
        return Launch(
            command=(self.program, *FORMATS, *isolation, *flags),
            cwd=self._cwd,
            environment=tuple(self._environment(request).items()),
            instructions=_instructions(request, options),
        )

    def prepare(self) -> None:
        """Make the folders that are this provider's own."""
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._options.cwd is None:
            self._cwd.mkdir(exist_ok=True)

    def _environment(self, request: ChatRequest) -> dict[str, str]:
        options = self._options
        given = {
            name: secret.get_secret_value()
            for name, secret in options.environment.items()
        }
        return {
            **_inherited(INHERITED),
            **self._account(),
            **QUIET,
            **_limit(request),
            **given,
        }

    def _account(self) -> dict[str, str]:
        options = self._options
        key, url = options.api_key, options.base_url
        place = {"ANTHROPIC_BASE_URL": url} if url else {}
        if options.login:
            return {**_inherited(OF_A_LOGIN), **place}
        own = {name: str(self._home) for name in FOLDERS}
        account = {"ANTHROPIC_API_KEY": key.get_secret_value()} if key else {}
        return {**own, **place, **account}


def _found() -> str:
    """Return the Claude Code of the SDK, or else the one that is installed."""
    name = "claude.exe" if os.name == "nt" else "claude"
    bundled = Path(claude_agent_sdk.__file__).parent / "_bundled" / name
    return str(bundled) if bundled.is_file() else shutil.which("claude") or "claude"


def _inherited(names: Iterable[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}


def _limit(request: ChatRequest) -> dict[str, str]:
    if request.max_tokens is None:
        return {}
    return {"CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(request.max_tokens)}


def _options_for(request: ChatRequest, options: ClaudeCodeOptions) -> ClaudeCodeOptions:
    own = request.extra.get(PROVIDER, {})
    unknown = own.keys() - PER_CALL
    if unknown:
        known = ", ".join(PER_CALL)
        msg = f"A call cannot set {min(unknown)!r} of {PROVIDER}. It can set {known}."
        raise InvalidRequest(msg, request_sent="no")
    try:
        return ClaudeCodeOptions.model_validate({**dict(options), **own})
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        msg = f"extra of {PROVIDER}: {first['loc'][0]}: {first['msg']}."
        raise InvalidRequest(msg, request_sent="no") from None


def _with_search(request: ChatRequest, options: ClaudeCodeOptions) -> ClaudeCodeOptions:
    """Return *options* that let Claude search the web if *request* does."""
    if not request.web_search:
        return options
    names = ("tools", "allowed_tools")
    more = {name: [*dict.fromkeys([*getattr(options, name), SEARCH])] for name in names}
    return options.model_copy(update=more)


def _mode(options: ClaudeCodeOptions) -> str:
    """Return the flag that leaves out what is found on the machine."""
    # The bare mode, which adds nothing to the words of a call, has but a few tools and
    # instructions of its own, and knows no login.
    full = options.tools or options.login or options.claude_code_prompt
    return "--safe-mode" if full else "--bare"


def _conduct(options: ClaudeCodeOptions) -> Iterator[str]:
    """Yield the flags of how the model works, each in one word with its value."""
    named = {
        "--fallback-model": options.fallback_model,
        "--max-turns": options.max_turns,
        "--max-budget-usd": options.max_budget_usd,
    }
    for flag, value in named.items():
        if value is not None:
            yield f"{flag}={value}"
    if isinstance(options.thinking, int):
        yield f"--max-thinking-tokens={options.thinking}"
    elif options.thinking:
        yield f"--thinking={options.thinking}"


def _permissions(options: ClaudeCodeOptions) -> Iterator[str]:
    """Yield the flags of what tools there are and what they may do."""
    yield f"--tools={','.join(options.tools)}"
    yield f"--permission-mode={options.permission_mode}"
    if options.allowed_tools:
        yield f"--allowed-tools={','.join(options.allowed_tools)}"
    if options.disallowed_tools:
        yield f"--disallowed-tools={','.join(options.disallowed_tools)}"
    for folder in options.add_dirs:
        yield f"--add-dir={folder.expanduser().absolute()}"


def _task(request: ChatRequest, options: ClaudeCodeOptions) -> Iterator[str]:
    """Yield the flags of what is asked for."""
    if model := request.model or options.model:
        yield f"--model={model}"
    if not (options.claude_code_prompt or _words(request)):
        yield "--system-prompt="
    if request.reasoning_effort is not None:
        yield f"--effort={_effort(request.reasoning_effort)}"
    if request.schema is not None:
        yield f"--json-schema={json.dumps(dict(request.schema))}"


def _instructions(
    request: ChatRequest, options: ClaudeCodeOptions
) -> tuple[str, str] | None:
    how = "append-system" if options.claude_code_prompt else "system"
    words = _words(request)
    return (f"--{how}-prompt-file", words) if words else None


def _words(request: ChatRequest) -> str:
    """Return what the call says before its conversation."""
    told = (one.text for one in request.messages if one.role == "system")
    return "\n\n".join(told)


def _effort(effort: str) -> str:
    if effort not in EFFORTS:
        msg = f"There is no effort {effort!r}. Known: {', '.join(EFFORTS)}."
        raise InvalidRequest(msg, request_sent="no")
    return effort
