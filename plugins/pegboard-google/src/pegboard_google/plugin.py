"""What pegboard-google offers: Gemini, by key and on Vertex AI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard import LLMProvider, hookimpl
from pegboard.contracts.chat import model_of

if TYPE_CHECKING:
    from .options import GeminiOptions

ALWAYS = frozenset(
    {"temperature", "top_p", "seed", "stop", "json_schema", "tools", "images", "files"}
)


@hookimpl
def pegboard_llm_providers() -> list[LLMProvider]:
    """Return the one provider."""
    return [
        LLMProvider(
            name="gemini",
            factory="pegboard_google._model:GeminiModel",
            options="pegboard_google.options:GeminiOptions",
            contracts={"ChatModel": 1, "StreamingChat": 1},
            capabilities=capabilities,
            install="pegboard-google",
            env={
                "api_key": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
                "project": ("GOOGLE_CLOUD_PROJECT",),
                "location": ("GOOGLE_CLOUD_LOCATION",),
            },
            apart=model_of,
            telemetry_name="gcp.gemini",
            summary="Gemini, by key and on Vertex AI",
        )
    ]


def capabilities(options: GeminiOptions) -> frozenset[str]:
    """Return what the model of *options* can do."""
    from ._thinking import thinking_of  # noqa: PLC0415 - only where a model is made

    thinks = {"reasoning_effort"} if thinking_of(options.model).efforts else set()
    return ALWAYS | thinks
