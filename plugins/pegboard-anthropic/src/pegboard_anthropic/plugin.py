"""What pegboard-anthropic offers: Anthropic's Claude models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard import LLMProvider, hookimpl
from pegboard.contracts.chat import model_of

from .profiles import profile_of

if TYPE_CHECKING:
    from .options import AnthropicOptions

CONTRACTS = (
    "BatchChat",
    "ChatModel",
    "ModelCatalog",
    "StreamingChat",
    "TokenCounter",
)
ALWAYS = frozenset(
    {
        *("files", "images", "json_schema"),
        *("reasoning_effort", "stop", "tool_media", "tools"),
    }
)
SAMPLING = frozenset({"temperature", "top_p"})
SEARCH = frozenset({"web_search"})


@hookimpl
def pegboard_llm_providers() -> list[LLMProvider]:
    """Return the provider ``anthropic``."""
    return [
        LLMProvider(
            name="anthropic",
            factory="pegboard_anthropic._model:AnthropicModel",
            options="pegboard_anthropic.options:AnthropicOptions",
            contracts=dict.fromkeys(CONTRACTS, 1),
            capabilities=_capabilities,
            install="pegboard-anthropic",
            env={
                "api_key": ("ANTHROPIC_API_KEY",),
                "base_url": ("ANTHROPIC_BASE_URL",),
            },
            apart=model_of,
            summary="Claude models of Anthropic",
        )
    ]


def _capabilities(options: AnthropicOptions) -> frozenset[str]:
    profile = profile_of(options.model)
    sampling = SAMPLING if profile.sampling else frozenset()
    return ALWAYS | sampling | (SEARCH if profile.search else frozenset())
