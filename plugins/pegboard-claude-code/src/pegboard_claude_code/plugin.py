"""What pegboard-claude-code offers: Claude, through Claude Code on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard import LLMProvider, hookimpl
from pegboard.contracts.chat import model_of

if TYPE_CHECKING:
    from pegboard import Context

    from ._model import ClaudeCodeModel
    from .options import ClaudeCodeOptions

ALWAYS = frozenset({"reasoning_effort", "json_schema", "images", "files"})
# An agent at work takes minutes. To connect means to start a process of some weight.
POLICY = {"deadline": 600, "connect_timeout": 30}


@hookimpl
def pegboard_llm_providers() -> list[LLMProvider]:
    """Return the one provider."""
    return [
        LLMProvider(
            name="claude-code",
            factory=make_model,
            options="pegboard_claude_code.options:ClaudeCodeOptions",
            contracts={"ChatModel": 1, "StreamingChat": 1},
            capabilities=_capabilities,
            install="pegboard-claude-code",
            defaults={"policy": POLICY},
            env={
                "api_key": ("ANTHROPIC_API_KEY",),
                "base_url": ("ANTHROPIC_BASE_URL",),
            },
            apart=model_of,
            telemetry_name="anthropic",
            summary="Claude, through Claude Code on this machine",
        )
    ]


def _capabilities(options: ClaudeCodeOptions) -> frozenset[str]:
    from .options import SEARCH  # noqa: PLC0415 - with those who have options

    may_search = SEARCH not in options.disallowed_tools
    return ALWAYS | {"web_search"} if may_search else ALWAYS


def make_model(options: ClaudeCodeOptions, context: Context) -> ClaudeCodeModel:
    """Make a model. Does no I/O: Claude Code is started with the first call."""
    from ._model import ClaudeCodeModel  # noqa: PLC0415 - the SDK takes time to import

    return ClaudeCodeModel(options, context)
