"""What pegboard-google offers: Gemini, by key and on Vertex AI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard import LLMProvider, hookimpl
from pegboard.contracts.chat import model_of

from .profiles import capabilities_of

if TYPE_CHECKING:
    from .options import GeminiOptions

CONTRACTS = (
    "BatchChat",
    "ChatModel",
    "Embedder",
    "ImageGenerator",
    "ModelCatalog",
    "SpeechModel",
    "StreamingChat",
    "TokenCounter",
    "TranscriptionModel",
)


@hookimpl
def pegboard_llm_providers() -> list[LLMProvider]:
    """Return the one provider."""
    return [
        LLMProvider(
            name="gemini",
            factory="pegboard_google._model:GeminiModel",
            options="pegboard_google.options:GeminiOptions",
            contracts=dict.fromkeys(CONTRACTS, 1),
            capabilities=_capabilities,
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


def _capabilities(options: GeminiOptions) -> frozenset[str]:
    painters = options.image_models or (options.model,)
    edits = {"image_editing"}.intersection(*map(capabilities_of, painters))
    return capabilities_of(options.model) | edits
