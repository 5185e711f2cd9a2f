"""What settings may say about Claude Code."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pegboard import Options
from pydantic import Field, SecretStr, field_validator

SEARCH = "WebSearch"
"""The tool of Claude Code that searches the web."""
FEWEST_THOUGHTS = 1024
"""Tokens to think with that the API takes at least."""


class ClaudeCodeOptions(Options):
    """Options of the provider ``claude-code``."""

    model: str | None = Field(default=None, min_length=1)
    """The model to ask, by alias or name. Without it, the default of Claude Code."""
    fallback_model: str | None = Field(default=None, min_length=1)
    """The model that Claude Code asks when the other one is overloaded."""
    api_key: SecretStr | None = None
    """The key of the Anthropic API."""
    base_url: str | None = Field(default=None, pattern=r"^https?://.+")
    """Where the Anthropic API is, up to and without ``/v1``."""
    login: bool = False
    """Use the account and folders of the user who runs the program, not a key."""
    environment: dict[str, SecretStr] = Field(default_factory=dict)
    """Further variables for Claude Code, such as those of a cloud that it asks."""
    cli_path: Path | None = None
    """The Claude Code to start, instead of the one that comes with the SDK."""
    cwd: Path | None = None
    """The folder to work in. Without it, an empty one in the data folder."""
    add_dirs: list[Path] = Field(default_factory=list)
    """Further folders that tools may reach."""
    claude_code_prompt: bool = False
    """Begin with the instructions of Claude Code, then those of the call."""
    tools: list[str] = Field(default_factory=list)
    """Built-in tools that exist for Claude, such as ``Read``. None by default."""
    allowed_tools: list[str] = Field(default_factory=list)
    """What tools may do without being denied: ``Read``, ``Bash(git log:*)``."""
    disallowed_tools: list[str] = Field(default_factory=list)
    """What tools may never do, whatever else allows it."""
    permission_mode: Literal[
        "dontAsk", "acceptEdits", "plan", "auto", "bypassPermissions"
    ] = "dontAsk"
    """What becomes of what is not in allowed_tools. ``dontAsk`` denies it."""
    thinking: Literal["adaptive", "disabled"] | int | None = None
    """Whether Claude thinks before it answers, or with how many tokens at most."""
    max_turns: int | None = Field(default=None, ge=1)
    """Most turns of a call, each an answer of the model, tool calls included."""
    max_budget_usd: float | None = Field(default=None, gt=0)
    """Most US dollars that a conversation may cost, by Claude Code's own count."""
    max_sessions: int = Field(default=4, ge=1)
    """Most processes of Claude Code at a time, in each event loop."""
    idle: float = Field(default=60.0, ge=0)
    """Seconds that a process waits for its conversation to go on. 0 ends it at once."""

    @field_validator("thinking")
    @classmethod
    def _is_enough(cls, value: str | int | None) -> str | int | None:
        if isinstance(value, int) and value < FEWEST_THOUGHTS:
            msg = f"takes {FEWEST_THOUGHTS} tokens at least"
            raise ValueError(msg)
        return value
